/// Who has which connection: a pure state machine, so that it can be tested without any.
struct PoolState<Connection: Sendable, Waiter: Hashable & Sendable>: Sendable {
    enum Acquisition: Sendable {
        case lease(Connection)
        /// Make a new one; a place is reserved for it.
        case connect
        case wait
        case closed
    }

    enum Return: Sendable {
        case none
        /// Hand the connection to this waiter.
        case hand(Connection, to: Waiter)
        /// Make a new connection for this waiter.
        case connect(for: Waiter)
        /// Let go of it.
        case close(Connection)
    }

    /// Connections that nobody uses, and those who wait for one.
    var idleCount: Int { idle.count }
    var waiterCount: Int { waiters.count }

    private let limit: Int
    private var idle: [Connection] = []
    private var waiters: [Waiter] = []
    private(set) var count = 0
    private(set) var isClosed = false

    init(limit: Int) { self.limit = limit }

    mutating func acquire(_ waiter: Waiter) -> Acquisition {
        if isClosed { return .closed }
        if let connection = idle.popLast() { return .lease(connection) }
        if count < limit {
            count += 1
            return .connect
        }
        waiters.append(waiter)
        return .wait
    }

    /// A connection comes back, usable or not.
    mutating func giveBack(_ connection: Connection, isUsable: Bool) -> Return {
        if isClosed {
            count -= 1
            return .close(connection)
        }
        guard isUsable else {
            guard !waiters.isEmpty else {
                count -= 1
                return .close(connection)
            }
            return .connect(for: waiters.removeFirst())
        }
        if !waiters.isEmpty { return .hand(connection, to: waiters.removeFirst()) }
        idle.append(connection)
        return .none
    }

    /// A connection could not be made: its place is free again, for the next waiter.
    mutating func connectFailed() -> Waiter? {
        guard !waiters.isEmpty, !isClosed else {
            count -= 1
            return nil
        }
        return waiters.removeFirst()
    }

    /// A waiter gives up. Answers whether it was still waiting.
    mutating func abandon(_ waiter: Waiter) -> Bool {
        guard let index = waiters.firstIndex(of: waiter) else { return false }
        waiters.remove(at: index)
        return true
    }

    /// Idle connections are let go, waiters are turned away.
    mutating func close() -> (connections: [Connection], waiters: [Waiter]) {
        isClosed = true
        defer {
            count -= idle.count
            idle = []
            waiters = []
        }
        return (idle, waiters)
    }
}

extension PoolState.Acquisition: Equatable where Connection: Equatable {}
extension PoolState.Return: Equatable where Connection: Equatable {}

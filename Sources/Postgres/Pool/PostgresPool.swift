public import Logging

/// A bounded pool of connections. A broken connection is replaced; a statement is never sent a second time.
public actor PostgresPool {
    public nonisolated let configuration: PostgresConfiguration
    private nonisolated let logger: Logger
    private var state: PoolState<PostgresConnection, Int>
    private var waits: [Int: Wait] = [:]
    private var nextWaiter = 0

    /// A waiter's grant may come before the waiter has gone to sleep; it must not be lost.
    private enum Wait {
        case announced
        case asleep(CheckedContinuation<Grant, any Error>)
        case settled(Result<Grant, any Error>)
    }

    private enum Grant: Sendable {
        case connection(PostgresConnection)
        case connect
    }

    public init(configuration: PostgresConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        state = PoolState(limit: configuration.poolSize)
    }

    /// How the pool is used now.
    public struct Usage: Sendable, Hashable {
        /// Connections that are lent.
        public let busy: Int
        /// Connections that nobody uses.
        public let idle: Int
        /// Those who wait for a connection.
        public let waiting: Int
    }

    /// How the pool is used now.
    public var usage: Usage { Usage(busy: state.count - state.idleCount, idle: state.idleCount, waiting: state.waiterCount) }

    /// Lends a connection for the time of `body`, which runs on the connection's own thread: its statements follow each other without a hop.
    public nonisolated func withConnection<T: Sendable>(_ body: @Sendable (isolated PostgresConnection) async throws -> T) async throws -> T {
        var connection = try await acquire()
        let lent: PostgresConnection.Lent<T>
        if let reused = await connection.lendIfReusable(body) {
            lent = reused
        } else {
            // Found dead before anything was sent: a new one takes its place, which is good for one use at least.
            connection = try await connect()
            lent = await connection.lend(body)
        }
        await release(connection, isUsable: lent.isUsable)
        do { return try lent.result.get() } catch {
            report(error)
            throw error
        }
    }

    /// The server's own words go to the log and no further: they may quote data.
    private nonisolated func report(_ error: any Error) {
        guard case PostgresError.server(let server) = error, !server.state.isExpected else { return }
        logger.warning("PostgreSQL refused a statement", metadata: ["state": "\(server.state)", "message": "\(server.message)"])
    }

    /// Runs `body` in one transaction; the whole of it again on a serialization failure or deadlock.
    ///
    /// - Throws: `commitOutcomeUnknown` where the connection was lost during COMMIT.
    public nonisolated func withTransaction<T: Sendable>(
        isolation: TransactionIsolation = .readCommitted, retrying attempts: Int = 4, _ body: @Sendable (isolated PostgresConnection) async throws -> T
    ) async throws -> T {
        var attempt = 1
        while true {
            do {
                return try await withConnection { connection in try await connection.transaction(isolation, body) }
            } catch let error as PostgresError where error.isSerializationFailure && attempt < attempts {
                logger.debug("transaction is tried again", metadata: ["state": "\(error.state?.rawValue ?? "")", "attempt": "\(attempt)"])
                try await Task.sleep(for: .milliseconds(Int.random(in: 1...(10 << attempt))))
                attempt += 1
            }
        }
    }

    /// Runs `body` over one unchanging view of the database, to read much and hand it on: unlike a transaction's, `body` runs where its caller
    /// runs, and may use what is the caller's own.
    public nonisolated func withSnapshot<T: Sendable>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        let connection = try await acquire()
        let usable = if await connection.isReusable { connection } else { try await connect() }
        do {
            _ = try await usable.control(TransactionIsolation.readOnlySnapshot.begin)
            let result = try await body(usable)
            try await usable.commit()
            await release(usable, isUsable: await usable.reset())
            return result
        } catch {
            await release(usable, isUsable: await usable.reset())
            report(error)
            throw error
        }
    }

    public nonisolated func query(_ sql: SQL) async throws -> [PostgresRow] {
        try await withConnection { try await $0.query(sql) }
    }

    @discardableResult
    public nonisolated func execute(_ sql: SQL) async throws -> Int {
        try await withConnection { try await $0.execute(sql) }
    }

    /// Turns waiters away and lets go of all connections as they come back.
    public func shutdown() {
        let (_, waiters) = state.close()
        for waiter in waiters { settle(waiter, .failure(PostgresError.poolClosed)) }
    }

    private func acquire() async throws -> PostgresConnection {
        try Task.checkCancellation()
        nextWaiter += 1
        let id = nextWaiter
        switch state.acquire(id) {
        case .closed: throw PostgresError.poolClosed
        case .lease(let connection): return connection
        case .connect: return try await connect()
        case .wait:
            waits[id] = .announced
            switch try await wait(id) {
            case .connection(let connection): return connection
            case .connect: return try await connect()
            }
        }
    }

    private func connect() async throws -> PostgresConnection {
        do { return try await PostgresConnection.connect(configuration, logger: logger) } catch {
            if let next = state.connectFailed() { settle(next, .success(.connect)) }
            throw error
        }
    }

    private func wait(_ id: Int) async throws -> Grant {
        let timeout = configuration.poolTimeout
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // Ends at the deadline, or with the task that waits; a wait that is over is left as it is.
                do {
                    try await Task.sleep(for: timeout)
                    await self.turnAway(id, PostgresError.poolTimeout)
                } catch { await self.turnAway(id, CancellationError()) }
            }
            defer { group.cancelAll() }
            return try await grant(id)
        }
    }

    private func grant(_ id: Int) async throws -> Grant {
        if case .settled(let result)? = waits[id] {
            waits[id] = nil
            return try result.get()
        }
        return try await withCheckedThrowingContinuation { waits[id] = .asleep($0) }
    }

    /// Ends a wait, exactly once: who is granted something gets it, even where it is cancelled in the same moment.
    private func settle(_ id: Int, _ result: Result<Grant, any Error>) {
        switch waits[id] {
        case .announced: waits[id] = .settled(result)
        case .asleep(let continuation):
            waits[id] = nil
            continuation.resume(with: result)
        case .settled, nil: break
        }
    }

    private func turnAway(_ id: Int, _ error: any Error) {
        if state.abandon(id) { settle(id, .failure(error)) }
    }

    private func release(_ connection: PostgresConnection, isUsable: Bool) {
        switch state.giveBack(connection, isUsable: isUsable) {
        case .none, .close: break
        case .hand(let connection, let waiter): settle(waiter, .success(.connection(connection)))
        case .connect(let waiter): settle(waiter, .success(.connect))
        }
    }
}

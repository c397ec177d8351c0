public import Logging

/// A bounded pool of connections. A broken connection is replaced; a statement is never sent a second time.
public actor PostgresPool {
    public nonisolated let configuration: PostgresConfiguration
    private nonisolated let logger: Logger
    private var state: PoolState<PostgresConnection, Int>
    private var continuations: [Int: CheckedContinuation<Grant, any Error>] = [:]
    private var nextWaiter = 0

    private enum Grant: Sendable {
        case connection(PostgresConnection)
        case connect
    }

    public init(configuration: PostgresConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        state = PoolState(limit: configuration.poolSize)
    }

    /// Lends a connection for the time of `body`.
    public nonisolated func withConnection<T: Sendable>(_ body: (PostgresConnection) async throws -> T) async throws -> T {
        let connection = try await acquire()
        do {
            let result = try await body(connection)
            await release(connection)
            return result
        } catch {
            await release(connection)
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
        isolation: Isolation = .readCommitted, retrying attempts: Int = 4, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        var attempt = 1
        while true {
            do {
                return try await withConnection { connection in try await transaction(on: connection, isolation, body) }
            } catch let error as PostgresError where error.isSerializationFailure && attempt < attempts {
                logger.debug("transaction is tried again", metadata: ["state": "\(error.state?.rawValue ?? "")", "attempt": "\(attempt)"])
                try await Task.sleep(for: .milliseconds(Int.random(in: 1...(10 << attempt))))
                attempt += 1
            }
        }
    }

    public enum Isolation: Sendable { case readCommitted, repeatableRead, serializable, readOnlySnapshot }

    private nonisolated func transaction<T: Sendable>(
        on connection: PostgresConnection, _ isolation: Isolation, _ body: (PostgresConnection) async throws -> T
    ) async throws -> T {
        let begin: SQL =
            switch isolation {
            case .readCommitted: "BEGIN"
            case .repeatableRead: "BEGIN ISOLATION LEVEL REPEATABLE READ"
            case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE"
            case .readOnlySnapshot: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
            }
        _ = try await connection.control(begin)
        // On a throw, release() rolls back: the first error is the one that is reported.
        let result = try await body(connection)
        do {
            // A failed transaction answers COMMIT with ROLLBACK and without an error.
            guard try await connection.control("COMMIT") == "COMMIT" else { throw PostgresError.transactionAborted }
        } catch PostgresError.connection { throw PostgresError.commitOutcomeUnknown }
        return result
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
        for waiter in waiters { continuations.removeValue(forKey: waiter)?.resume(throwing: PostgresError.poolClosed) }
    }

    private func acquire() async throws -> PostgresConnection {
        try Task.checkCancellation()
        nextWaiter += 1
        let id = nextWaiter
        switch state.acquire(id) {
        case .closed: throw PostgresError.poolClosed
        case .lease(let connection):
            if await connection.isReusable { return connection }
            // Found dead before anything was sent: a new one takes its place.
            return try await connect()
        case .connect: return try await connect()
        case .wait:
            switch try await wait(id) {
            case .connection(let connection): return connection
            case .connect: return try await connect()
            }
        }
    }

    private func connect() async throws -> PostgresConnection {
        do { return try await PostgresConnection.connect(configuration) } catch {
            if let next = state.connectFailed() { continuations.removeValue(forKey: next)?.resume(returning: .connect) }
            throw error
        }
    }

    private func wait(_ id: Int) async throws -> Grant {
        let timeout = configuration.poolTimeout
        // The timer is structured: it ends with the wait.
        return try await withThrowingTaskGroup(of: Grant.self) { group in
            group.addTask { try await self.suspend(id) }
            group.addTask {
                try await Task.sleep(for: timeout)
                await self.turnAway(id, PostgresError.poolTimeout)
                throw PostgresError.poolTimeout
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw PostgresError.poolTimeout }
            return first
        }
    }

    private func suspend(_ id: Int) async throws -> Grant {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuations[id] = $0 }
        } onCancel: {
            // The only way from a synchronous handler to the actor; it ends at once.
            Task { await self.turnAway(id, CancellationError()) }
        }
    }

    private func turnAway(_ id: Int, _ error: any Error) {
        if state.abandon(id) { continuations.removeValue(forKey: id)?.resume(throwing: error) }
    }

    private func release(_ connection: PostgresConnection) async {
        let isUsable = await connection.reset()
        switch state.giveBack(connection, isUsable: isUsable) {
        case .none, .close: break
        case .hand(let connection, let waiter): continuations.removeValue(forKey: waiter)?.resume(returning: .connection(connection))
        case .connect(let waiter): continuations.removeValue(forKey: waiter)?.resume(returning: .connect)
        }
    }
}

public import Logging

/// One connection, on its own thread. Statements run one after the other; none suspends in the middle.
public actor PostgresConnection {
    private let executor: PinnedThreadExecutor
    private let session: Session
    private let endOfLife: ContinuousClock.Instant

    nonisolated public var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// Connects, off Swift's own threads.
    ///
    /// - Parameter logger: takes the server's notices.
    public static func connect(
        _ configuration: PostgresConfiguration, logger: Logger? = nil
    ) async throws(PostgresError) -> PostgresConnection {
        let opener = Opener(executor: PinnedThreadExecutor(name: "postgres"))
        let session = try await opener.open(configuration, logger)
        // Not all at once: connections that were made together end apart.
        let lifetime = configuration.maxLifetime * Double.random(in: 0.9...1)
        return PostgresConnection(executor: opener.executor, session: session, endOfLife: .now + lifetime)
    }

    private init(executor: PinnedThreadExecutor, session: Session, endOfLife: ContinuousClock.Instant) {
        self.executor = executor
        self.session = session
        self.endOfLife = endOfLife
    }

    /// Runs the blocking connect on the thread that the connection will keep.
    private actor Opener {
        let executor: PinnedThreadExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
        init(executor: PinnedThreadExecutor) { self.executor = executor }
        func open(_ configuration: PostgresConfiguration, _ logger: Logger?) throws(PostgresError) -> Session {
            try Session(configuration, logger: logger)
        }
    }

    /// Runs a statement and answers its rows.
    ///
    /// - Throws: `PostgresError`, or `CancellationError` when the task was cancelled: the statement is then cancelled as well.
    public func query(_ sql: SQL) async throws -> [PostgresRow] {
        try await cancellable { () throws(PostgresError) in try session.run(sql).rows() }
    }

    /// Runs a statement and answers how many rows it touched.
    @discardableResult
    public func execute(_ sql: SQL) async throws -> Int {
        try await cancellable { () throws(PostgresError) in try session.run(sql).affectedRows }
    }

    /// Runs a script of several statements. For migrations only: there is no other way to text that is not a literal.
    public func execute(script: String) async throws {
        try await cancellable { () throws(PostgresError) in try session.runScript(script) }
    }

    /// Reads a result of any size in batches of 1,000 rows, in bounded memory. Must run inside a transaction.
    public nonisolated func forEach(_ sql: SQL, _ body: (PostgresRow) async throws -> Void) async throws {
        _ = try await unprepared("DECLARE rows NO SCROLL CURSOR FOR " + sql)
        while true {
            let rows = try await unprepared("FETCH 1000 FROM rows")
            if rows.isEmpty { break }
            for row in rows { try await body(row) }
        }
        _ = try await unprepared("CLOSE rows")
    }

    private func unprepared(_ sql: SQL) async throws -> [PostgresRow] {
        try await cancellable { () throws(PostgresError) in try session.runOnce(sql).rows() }
    }

    /// Whether it can be used again: in no transaction, not too old, and the server has not hung up.
    var isReusable: Bool { session.isIdle && endOfLife > .now && session.isStillOpen() }

    /// What came of lending the connection, and whether it can be lent again.
    struct Lent<T: Sendable>: Sendable {
        let result: Result<T, any Error>
        let isUsable: Bool
    }

    /// `nil`: it is too old or dead, and nothing was run.
    func lendIfReusable<T: Sendable>(_ body: @Sendable (isolated PostgresConnection) async throws -> T) async -> Lent<T>? {
        isReusable ? await lend(body) : nil
    }

    /// Runs `body` on the connection's thread and leaves the connection clean.
    func lend<T: Sendable>(_ body: @Sendable (isolated PostgresConnection) async throws -> T) async -> Lent<T> {
        let result: Result<T, any Error>
        do { result = .success(try await body(self)) } catch { result = .failure(error) }
        return Lent(result: result, isUsable: reset())
    }

    /// Runs `body` between BEGIN and COMMIT. Where it throws, `reset` rolls back: the first error is the one that is reported.
    func transaction<T: Sendable>(
        _ isolation: TransactionIsolation, _ body: @Sendable (isolated PostgresConnection) async throws -> T
    ) async throws -> T {
        _ = try control(isolation.begin)
        let result = try await body(self)
        try commit()
        return result
    }

    func commit() throws(PostgresError) {
        do throws(PostgresError) {
            // A failed transaction answers COMMIT with ROLLBACK and without an error.
            guard try control("COMMIT") == "COMMIT" else { throw .transactionAborted }
        } catch {
            if case .connection = error { throw .commitOutcomeUnknown }
            throw error
        }
    }

    /// Begins, commits or rolls back. Not cancellable: an end must be an end.
    func control(_ sql: SQL) throws(PostgresError) -> String { try session.runOnce(sql).commandTag }

    /// Leaves a transaction that was abandoned. Answers whether the connection can be used again.
    func reset() -> Bool {
        // A failure means that the connection is thrown away; what its user met is reported by the user.
        do throws(PostgresError) {
            if session.isUsable, !session.isIdle { _ = try control("ROLLBACK") }
            try session.deallocateAbandoned()
        } catch { return false }
        return isReusable
    }

    private func cancellable<T>(_ body: () throws(PostgresError) -> T) async throws -> T {
        try Task.checkCancellation()
        let canceller = session.canceller
        defer { canceller.clear() }
        return try await withTaskCancellationHandler {
            // An isolated call, so the compiler holds this closure to the connection's thread: one that only captured
            // `body` would run, and block, on Swift's own threads.
            try attempt(body)
        } onCancel: {
            canceller.cancel()
        }
    }

    private func attempt<T>(_ body: () throws(PostgresError) -> T) throws -> T {
        do throws(PostgresError) { return try body() } catch {
            if Task.isCancelled, error.state == .queryCanceled { throw CancellationError() }
            throw error
        }
    }
}

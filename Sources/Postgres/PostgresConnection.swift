/// One connection, on its own thread. Statements run one after the other; none suspends in the middle.
public actor PostgresConnection {
    private let executor: PinnedThreadExecutor
    private let session: Session

    nonisolated public var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// Connects, off Swift's own threads.
    public static func connect(_ configuration: PostgresConfiguration) async throws(PostgresError) -> PostgresConnection {
        let opener = Opener(executor: PinnedThreadExecutor(name: "postgres"))
        return PostgresConnection(executor: opener.executor, session: try await opener.open(configuration))
    }

    private init(executor: PinnedThreadExecutor, session: Session) {
        self.executor = executor
        self.session = session
    }

    /// Runs the blocking connect on the thread that the connection will keep.
    private actor Opener {
        let executor: PinnedThreadExecutor
        nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }
        init(executor: PinnedThreadExecutor) { self.executor = executor }
        func open(_ configuration: PostgresConfiguration) throws(PostgresError) -> Session { try Session(configuration) }
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
        try await cancellable { () throws(PostgresError) in try session.run(sql, preparing: false).rows() }
    }

    /// Whether it can be used again: alive and in no transaction.
    var isReusable: Bool { session.isUsable && session.isIdle }

    /// Begins, commits or rolls back. Not cancellable: an end must be an end.
    func control(_ sql: SQL) throws(PostgresError) -> String { try session.run(sql, preparing: false).commandTag }

    /// Leaves a transaction that was abandoned. Answers whether the connection can be used again.
    func reset() -> Bool {
        if session.isUsable, !session.isIdle {
            // A failure here shows in isReusable, and the connection is thrown away.
            do throws(PostgresError) { _ = try control("ROLLBACK") } catch { return false }
        }
        return isReusable
    }

    private func cancellable<T>(_ body: () throws(PostgresError) -> T) async throws -> T {
        try Task.checkCancellation()
        let canceller = session.canceller
        return try await withTaskCancellationHandler {
            do throws(PostgresError) { return try body() } catch {
                if Task.isCancelled, error.state == .queryCanceled { throw CancellationError() }
                throw error
            }
        } onCancel: {
            canceller.cancel()
        }
    }
}

import Testing

@testable import Postgres

extension OnServer {
    @Suite struct CancellationTests {
        /// Cancels `body` once its backend waits in `event`, and answers how long its end took.
        private func cancel(
            _ connection: PostgresConnection, waitingIn event: String, _ body: @escaping @Sendable () async throws -> Void
        ) async throws -> Duration {
            let backend = try await connection.backend()
            let watcher = try await OwnServer.server.connect()
            return try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await body() }
                try await watcher.awaitWait(of: backend, in: event)
                let start = ContinuousClock.now
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
                return ContinuousClock.now - start
            }
        }

        @Test func aRunningStatementIsCancelledAndTheConnectionLivesOn() async throws {
            let connection = try await OwnServer.server.connect()
            let backend = try await connection.backend()
            let taken = try await cancel(connection, waitingIn: "PgSleep") { _ = try await connection.query("SELECT pg_sleep(30)::text AS t") }
            #expect(taken < .seconds(2))
            #expect(try await connection.backend() == backend)
        }

        @Test func waitingForALockToPrepareIsCancelledToo() async throws {
            let holder = try await OwnServer.server.connect()
            try await holder.execute(script: "CREATE TABLE held (n int8)")
            try await holder.execute(script: "BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
            let connection = try await OwnServer.server.connect()
            let taken = try await cancel(connection, waitingIn: "relation") { _ = try await connection.query("SELECT n FROM held") }
            #expect(taken < .seconds(2))
            try await holder.execute(script: "COMMIT")
            #expect(try await connection.query("SELECT n FROM held").isEmpty)
        }

        @Test func aCancelledTransactionIsRolledBackAndItsConnectionReturns() async throws {
            let pool = try OwnServer.server.pool(size: 1)
            try await pool.withConnection { try await $0.execute(script: "CREATE TABLE given_up (n int8)") }
            let watcher = try await OwnServer.server.connect()
            let backend = try await pool.withConnection { try await $0.backend() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await pool.withTransaction { connection in
                        try await connection.execute("INSERT INTO given_up VALUES (1)")
                        _ = try await connection.query("SELECT pg_sleep(30)::text AS t")
                    }
                }
                try await watcher.awaitWait(of: backend, in: "PgSleep")
                group.cancelAll()
                await #expect(throws: CancellationError.self) { try await group.next() }
            }
            #expect(try await pool.withConnection { try await $0.backend() } == backend)
            #expect(try await pool.query("SELECT n FROM given_up").isEmpty)
        }

        @Test func aCancelledTaskSendsNothing() async throws {
            let connection = try await OwnServer.server.connect()
            try await connection.execute(script: "CREATE SEQUENCE untouched")
            await withTaskGroup(of: Void.self) { group in
                group.cancelAll()
                group.addTask {
                    await #expect(throws: CancellationError.self) { try await connection.query("SELECT nextval('untouched') AS n") }
                }
            }
            #expect(try await #require(connection.query("SELECT is_called AS c FROM untouched").first).decode("c", as: Bool.self) == false)
        }

        @Test func aCancelBetweenStatementsStopsTheNextAndNoFurther() async throws {
            let session = try Session(OwnServer.server.configuration, logger: nil)
            try session.runScript("CREATE SEQUENCE skipped")
            session.canceller.cancel()
            let error = #expect(throws: PostgresError.self) { _ = try session.run("SELECT nextval('skipped') AS n") }
            #expect(error?.state == .queryCanceled)
            session.canceller.clear()
            let rows = try session.run("SELECT nextval('skipped') AS n").rows()
            #expect(try #require(rows.first).decode("n", as: Int.self) == 1)
        }

        @Test func aLateCancelNeverHitsTheNextStatement() async throws {
            let connection = try await OwnServer.server.connect()
            var cancelled = 0
            for round in 0..<150 {
                let ended = try await withThrowingTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        do {
                            _ = try await connection.query("SELECT pg_sleep(0.003)::text AS t")
                            return false
                        } catch { return error is CancellationError }
                    }
                    // Sweeps the cancel over the statement's beginning, its middle and its end.
                    try await Task.sleep(for: .microseconds(30 * round))
                    group.cancelAll()
                    return try await group.next() == true
                }
                if ended { cancelled += 1 }
                // Not cancelled, so it must run to its end.
                _ = try await connection.query("SELECT pg_sleep(0.002)::text AS t")
            }
            #expect(cancelled > 0)
        }

        @Test func aTimeoutOfTheServerIsNotACancellation() async throws {
            let pool = try OwnServer.server.pool { $0.statementTimeout = .milliseconds(50) }
            let error = try await refusal { _ = try await pool.query("SELECT pg_sleep(30)::text AS t") }
            #expect(error.state == .queryCanceled)
        }

        @Test func aLockTimeoutIsTyped() async throws {
            let holder = try await OwnServer.server.connect()
            try await holder.execute(script: "CREATE TABLE locked (n int8)")
            try await holder.execute(script: "BEGIN; LOCK TABLE locked")
            let pool = try OwnServer.server.pool { $0.lockTimeout = .milliseconds(50) }
            let error = try await refusal { _ = try await pool.query("SELECT n FROM locked") }
            #expect(error.state == .lockNotAvailable)
        }
    }
}

import Logging
import Postgres
import Synchronization
import Testing

extension OnServer {
    @Suite struct PoolTests {
        @Test func statementsThatBlockDoNotHoldUpSwiftsThreads() async throws {
            let pool = try OwnServer.server.pool(size: 16)
            try await fill(pool, 16)
            let start = ContinuousClock.now
            let timer = try await withThrowingTaskGroup(of: Duration?.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        _ = try await pool.query("SELECT pg_sleep(0.3)::text AS t")
                        return nil
                    }
                }
                group.addTask {
                    try await Task.sleep(for: .milliseconds(20))
                    return ContinuousClock.now - start
                }
                return try await group.reduce(nil) { $0 ?? $1 }
            }
            let taken = ContinuousClock.now - start
            // One after the other would take 4.8 s; the rest is room for a busy machine.
            #expect(taken >= .milliseconds(300) && taken < .seconds(2), "\(taken)")
            #expect(try #require(timer) < .milliseconds(250), "\(String(describing: timer))")
        }

        /// A transaction that waits for another one's lock must not keep that one from going on.
        @Test func transactionsThatWaitForEachOtherComeToAnEnd() async throws {
            let pool = try OwnServer.server.pool(size: 8)
            try await pool.execute("CREATE TABLE contended (name text PRIMARY KEY, n int NOT NULL)")
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<24 {
                    group.addTask {
                        try await pool.withTransaction { connection in
                            _ = try await connection.query("SELECT n FROM contended WHERE name = 'one'")
                            try await connection.execute("INSERT INTO contended VALUES ('one', 1) ON CONFLICT (name) DO UPDATE SET n = contended.n + 1")
                            _ = try await connection.query("SELECT n FROM contended WHERE name = 'one'")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(try await pool.query("SELECT n FROM contended").first?.decode("n", as: Int.self) == 24)
        }

        @Test func waitingHasADeadline() async throws {
            let pool = try OwnServer.server.pool(size: 1) { $0.poolTimeout = .milliseconds(100) }
            try await pool.withConnection { _ in
                let start = ContinuousClock.now
                await #expect(throws: PostgresError.poolTimeout) { try await pool.query("SELECT 1") }
                let waited = ContinuousClock.now - start
                #expect(waited >= .milliseconds(100) && waited < .seconds(2), "\(waited)")
            }
            #expect(try await pool.query("SELECT 1 AS one").count == 1)
        }

        @Test func aCancelledWaiterLeavesAtOnce() async throws {
            let pool = try OwnServer.server.pool(size: 1) { $0.poolTimeout = .seconds(60) }
            try await pool.withConnection { _ in
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await #expect(throws: CancellationError.self) { try await pool.query("SELECT 1") } }
                    // Whether it waits already or has not begun, it must end.
                    for _ in 0..<50 { await Task.yield() }
                    group.cancelAll()
                }
            }
            #expect(try await pool.query("SELECT 1 AS one").count == 1)
        }

        @Test func nothingLeaksUnderCancellationsTimeoutsAndBrokenConnections() async throws {
            let size = 3
            let pool = try OwnServer.server.pool(size: size) { $0.poolTimeout = .milliseconds(20) }
            var random = SplitMix(state: 7)
            for _ in 0..<60 {
                let delays = (0..<12).map { _ in Int.random(in: 0...4_000, using: &random) }
                await withTaskGroup(of: Void.self) { group in
                    for (index, delay) in delays.enumerated() {
                        group.addTask { await disturbed(pool, index: index, cancelAfter: .microseconds(delay)) }
                    }
                }
            }
            // All places are still there: as many as the limit can be held at the same time.
            try await fill(pool, size)
        }

        /// One use that is cancelled early or late, now and then with a connection that breaks; every error is a legal end.
        private func disturbed(_ pool: PostgresPool, index: Int, cancelAfter delay: Duration) async {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        try await pool.withConnection { connection in
                            _ = try await connection.query("SELECT pg_sleep(0.001)::text AS t")
                            if index == 5 { _ = try await connection.query("SELECT pg_terminate_backend(pg_backend_pid())") }
                        }
                    } catch is CancellationError {
                    } catch PostgresError.poolTimeout {
                    } catch PostgresError.connection where index == 5 {
                    } catch { Issue.record(error) }
                }
                do { try await Task.sleep(for: delay) } catch { return }
                if index.isMultiple(of: 2) { group.cancelAll() }
            }
        }

        @Test func aConnectionThatDiedIdleIsReplacedBeforeUse() async throws {
            let pool = try OwnServer.server.pool(size: 1)
            let admin = try await OwnServer.server.connect()
            for _ in 0..<10 {
                let backend = try await pool.withConnection { try await $0.backend() }
                _ = try await admin.query("SELECT pg_terminate_backend(\(backend)::int4, 5000)")
                #expect(try await pool.withConnection { try await $0.backend() } != backend)
            }
        }

        @Test func aConnectionIsReusedUntilItIsOld() async throws {
            let pool = try OwnServer.server.pool(size: 1)
            let first = try await pool.withConnection { try await $0.backend() }
            #expect(try await pool.withConnection { try await $0.backend() } == first)
            let aging = try OwnServer.server.pool(size: 1) { $0.maxLifetime = .zero }
            let old = try await aging.withConnection { try await $0.backend() }
            #expect(try await aging.withConnection { try await $0.backend() } != old)
        }

        @Test func anAbandonedTransactionIsRolledBackOnReturn() async throws {
            let pool = try OwnServer.server.pool(size: 1)
            let first = try await pool.withConnection { connection in
                try await connection.execute(script: "CREATE TABLE left_open (n int8)")
                try await connection.execute(script: "BEGIN; INSERT INTO left_open VALUES (1)")
                return try await connection.backend()
            }
            #expect(try await pool.query("SELECT n FROM left_open").isEmpty)
            #expect(try await pool.withConnection { try await $0.backend() } == first)
        }

        @Test func aClosedPoolTurnsWaitersAway() async throws {
            let pool = try OwnServer.server.pool(size: 1) { $0.poolTimeout = .seconds(60) }
            try await pool.withConnection { connection in
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await #expect(throws: PostgresError.poolClosed) { try await pool.query("SELECT 1") } }
                    for _ in 0..<50 { await Task.yield() }
                    await pool.shutdown()
                }
                // Who holds one may finish.
                let rows = try await connection.query("SELECT 1 AS one")
                #expect(rows.count == 1)
            }
            await #expect(throws: PostgresError.poolClosed) { try await pool.query("SELECT 1") }
        }

        @Test func connectionsThatCannotBeMadeFreeTheirPlaces() async throws {
            let configuration = PostgresConfiguration(socketDirectory: "/nonexistent", database: "postgres", user: "postgres")
            let pool = PostgresPool(configuration: configuration, logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
            for _ in 0..<20 {
                let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
                guard case .connection? = error else { return #expect(Bool(false), "\(String(describing: error))") }
            }
        }
    }
}

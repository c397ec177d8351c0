import Postgres
import Testing

extension OnServer {
    @Suite struct TransactionTests {
        private func pool(_ script: String, size: Int = 4) async throws -> PostgresPool {
            let pool = try OwnServer.server.pool(size: size)
            try await pool.withConnection { try await $0.execute(script: script) }
            return pool
        }

        @Test func aThrowRollsBackAndIsTheErrorSeen() async throws {
            let pool = try await pool("CREATE TABLE thrown (n int8)", size: 1)
            await #expect(throws: Deliberate.self) {
                try await pool.withTransaction { connection in
                    try await connection.execute("INSERT INTO thrown VALUES (1)")
                    throw Deliberate()
                }
            }
            #expect(try await pool.withConnection { try await $0.count("SELECT count(*) FROM thrown") } == 0)
            _ = try await pool.withTransaction { try await $0.execute("INSERT INTO thrown VALUES (1)") }
            #expect(try await pool.withConnection { try await $0.count("SELECT count(*) FROM thrown") } == 1)
        }

        @Test func aCommitThatRolledBackIsNoSuccess() async throws {
            let pool = try await pool("CREATE TABLE swallowed (n int8 PRIMARY KEY)")
            await #expect(throws: PostgresError.transactionAborted) {
                try await pool.withTransaction { connection in
                    try await connection.execute("INSERT INTO swallowed VALUES (1)")
                    _ = try await refusal { try await connection.execute("INSERT INTO swallowed VALUES (1)") }
                }
            }
            #expect(try await pool.query("SELECT n FROM swallowed").isEmpty)
        }

        @Test func aConstraintCheckedAtCommitIsTyped() async throws {
            let pool = try await pool("CREATE TABLE deferred (n int8 CONSTRAINT deferred_n UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            let error = try await refusal {
                _ = try await pool.withTransaction { try await $0.execute("INSERT INTO deferred VALUES (1), (1)") }
            }
            #expect(error.state == .uniqueViolation && error.constraint == "deferred_n")
        }

        @Test func serializationFailuresRunTheWholeAgain() async throws {
            let pool = try await pool("CREATE TABLE raced (n int8); INSERT INTO raced VALUES (1)")
            let attempts = Counter()
            let seen = try await pool.withTransaction(isolation: .repeatableRead) { connection in
                let n = try await connection.count("SELECT n AS count FROM raced")
                if attempts.increment() == 1 {
                    // Another one is faster.
                    try await pool.execute("UPDATE raced SET n = 10")
                }
                try await connection.execute("UPDATE raced SET n = \(n + 1)")
                return n
            }
            #expect(attempts.value == 2)
            #expect(seen == 10)
            #expect(try await pool.withConnection { try await $0.count("SELECT n AS count FROM raced") } == 11)
        }

        @Test func retriesAreBounded() async throws {
            let pool = try await pool("CREATE TABLE lost (n int8); INSERT INTO lost VALUES (1)")
            let attempts = Counter()
            let error = try await refusal {
                try await pool.withTransaction(isolation: .serializable, retrying: 3) { connection in
                    _ = try await connection.query("SELECT n FROM lost")
                    attempts.increment()
                    try await pool.execute("UPDATE lost SET n = n + 1")
                    try await connection.execute("UPDATE lost SET n = n + 1")
                }
            }
            #expect(error.state == .serializationFailure)
            #expect(attempts.value == 3)
        }

        @Test func deadlocksAreResolvedByRunningOneAgain() async throws {
            let pool = try await pool("CREATE TABLE crossed (id int8, n int8); INSERT INTO crossed VALUES (1, 0), (2, 0)")
            let attempts = Counter()
            let bothHoldOne = Meeting(of: 2)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (first, second) in [(1, 2), (2, 1)] {
                    group.addTask {
                        let met = Counter()
                        _ = try await pool.withTransaction { connection in
                            attempts.increment()
                            try await connection.execute("UPDATE crossed SET n = n + 1 WHERE id = \(first)")
                            if met.increment() == 1 { try await bothHoldOne.arrive() }
                            try await connection.execute("UPDATE crossed SET n = n + 1 WHERE id = \(second)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(attempts.value == 3)
            #expect(try await pool.withConnection { try await $0.count("SELECT sum(n)::int8 AS count FROM crossed") } == 4)
        }

        @Test func aConnectionLostDuringCommitHasAnUnknownOutcome() async throws {
            let pool = try await pool("CREATE TABLE cut (n int8)")
            await #expect(throws: PostgresError.commitOutcomeUnknown) {
                try await pool.withTransaction { connection in
                    try await connection.execute("INSERT INTO cut VALUES (1)")
                    let backend = try await connection.backend()
                    _ = try await pool.query("SELECT pg_terminate_backend(\(backend)::int4, 5000)")
                }
            }
            #expect(try await pool.query("SELECT n FROM cut").isEmpty)
        }

        @Test func aConnectionLostBeforeCommitIsTyped() async throws {
            let pool = try await pool("CREATE TABLE cut_early (n int8)")
            let error = await #expect(throws: PostgresError.self) {
                try await pool.withTransaction { connection in
                    let backend = try await connection.backend()
                    _ = try await pool.query("SELECT pg_terminate_backend(\(backend)::int4, 5000)")
                    try await connection.execute("INSERT INTO cut_early VALUES (1)")
                }
            }
            guard case .connection? = error else { return #expect(Bool(false), "\(String(describing: error))") }
        }

        @Test func aSnapshotRefusesWritesAndSeesOneMoment() async throws {
            let pool = try await pool("CREATE TABLE snapped (n int8); INSERT INTO snapped VALUES (1)")
            let error = try await refusal {
                try await pool.withTransaction(isolation: .readOnlySnapshot) { connection in
                    #expect(try await connection.count("SELECT count(*) FROM snapped") == 1)
                    try await pool.execute("INSERT INTO snapped VALUES (2)")
                    #expect(try await connection.count("SELECT count(*) FROM snapped") == 1)
                    try await connection.execute("INSERT INTO snapped VALUES (3)")
                }
            }
            #expect(error.state == .readOnlyTransaction)
        }
    }
}

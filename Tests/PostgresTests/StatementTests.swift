import Logging
import Postgres
import Synchronization
import Testing

extension OnServer {
    @Suite struct StatementTests {
        @Test func hostileTextStaysAParameter() async throws {
            let connection = try await OwnServer.server.connect()
            try await connection.execute(script: "CREATE TABLE hostile (name text NOT NULL)")
            let name = "x'); DROP TABLE hostile; --"
            #expect(try await connection.execute("INSERT INTO hostile (name) VALUES (\(name))") == 1)
            #expect(try await connection.count("SELECT count(*) FROM hostile WHERE name = \(name)") == 1)
            #expect(try await connection.count("SELECT count(*) FROM hostile WHERE name = \("' OR '1'='1")") == 0)
        }

        @Test func partsKeepTheirParametersInOrder() async throws {
            let connection = try await OwnServer.server.connect()
            let part: SQL = "\(2) * 100 + \(3) * 10"
            let row = try #require(await connection.query("SELECT \(1) * 1000 + \(part: part)" + " + \(4) AS n").first)
            #expect(try row.decode("n", as: Int.self) == 1234)
        }

        @Test func rowsTouchedAreCounted() async throws {
            let connection = try await OwnServer.server.connect()
            try await connection.execute(script: "CREATE TABLE counted (n int8)")
            #expect(try await connection.execute("INSERT INTO counted SELECT * FROM unnest(\([1, 2, 3]))") == 3)
            #expect(try await connection.execute("UPDATE counted SET n = n WHERE n > \(1)") == 2)
            #expect(try await connection.execute("DELETE FROM counted WHERE n = \(9)") == 0)
        }

        @Test func violationsNameTheirConstraintAndShowNoData() async throws {
            let connection = try await OwnServer.server.connect()
            try await connection.execute(
                script: """
                    CREATE TABLE parents (id int8 CONSTRAINT parents_key PRIMARY KEY, size int8 CONSTRAINT parents_size CHECK (size > 0));
                    CREATE TABLE children (parent int8 CONSTRAINT children_parent REFERENCES parents);
                    CREATE TABLE spans (span int8range, CONSTRAINT spans_apart EXCLUDE USING gist (span WITH &&));
                    INSERT INTO parents VALUES (4711, 1); INSERT INTO spans VALUES ('[1,5)')
                    """)
            let cases: [(SQL, SQLState, String, String)] = [
                ("INSERT INTO parents VALUES (\(4711), 1)", .uniqueViolation, "parents_key", "parents"),
                ("INSERT INTO parents VALUES (\(4712), 0)", .checkViolation, "parents_size", "parents"),
                ("INSERT INTO children VALUES (\(4713))", .foreignKeyViolation, "children_parent", "children"),
                ("INSERT INTO spans VALUES (int8range(\(4), \(4714)))", .exclusionViolation, "spans_apart", "spans"),
            ]
            for (sql, state, constraint, table) in cases {
                let error = try await refusal { try await connection.execute(sql) }
                #expect(error.state == state)
                #expect(error.constraint == constraint)
                #expect(error.table == table)
                let shown = "\(PostgresError.server(error))"
                #expect(shown.contains(constraint) && shown.contains(state.rawValue) && !shown.contains("471"), "\(shown)")
            }
        }

        @Test func theSameTextWithOtherTypesIsAnotherStatement() async throws {
            let connection = try await OwnServer.server.connect()
            #expect(try await #require(connection.query("SELECT \(7) AS v").first).decode("v", as: Int.self) == 7)
            #expect(try await #require(connection.query("SELECT \("seven") AS v").first).decode("v", as: String.self) == "seven")
            #expect(try await #require(connection.query("SELECT \(8) AS v").first).decode("v", as: Int.self) == 8)
        }

        @Test func preparedStatementsAreReusedAndBounded() async throws {
            let connection = try await OwnServer.server.connect()
            let held: SQL = "SELECT count(*) FROM pg_prepared_statements"
            for _ in 0..<10 { #expect(try await connection.count(held) == 1) }
            var sql: SQL = "SELECT 1 AS count"
            for _ in 0..<230 {
                sql = sql + " "
                #expect(try await connection.count(sql) == 1)
                #expect(try await connection.count(held) <= 202)
            }
            // In constant use, so it never made room for another.
            #expect(try await connection.count("SELECT count(*) FROM pg_prepared_statements WHERE name = 's1'") == 1)
        }

        @Test func aChangedTableIsPreparedAnew() async throws {
            let connection = try await OwnServer.server.connect()
            try await connection.execute(script: "CREATE TABLE changing (a int8); INSERT INTO changing VALUES (1)")
            #expect(try await connection.query("SELECT * FROM changing").count == 1)
            try await connection.execute(script: "ALTER TABLE changing ADD COLUMN b int8 DEFAULT 2")
            #expect(try await #require(connection.query("SELECT * FROM changing").first).decode("b", as: Int.self) == 2)

            // Inside a transaction it fails, once, and is prepared anew for the next.
            let pool = try OwnServer.server.pool(size: 1)
            _ = try await pool.query("SELECT * FROM changing")
            try await connection.execute(script: "ALTER TABLE changing ADD COLUMN c int8 DEFAULT 3")
            let error = try await refusal { _ = try await pool.withTransaction { try await $0.query("SELECT * FROM changing") } }
            #expect(error.state == .featureNotSupported)
            let rows = try await pool.withTransaction { try await $0.query("SELECT * FROM changing") }
            #expect(try #require(rows.first).decode("c", as: Int.self) == 3)
        }

        @Test func statementsThatTheServerForgotArePreparedAnew() async throws {
            let connection = try await OwnServer.server.connect()
            #expect(try await connection.count("SELECT \(1) AS count") == 1)
            try await connection.execute(script: "DEALLOCATE ALL")
            #expect(try await connection.count("SELECT \(1) AS count") == 1)
        }

        @Test func aLargeResultIsReadInBatches() async throws {
            let pool = try OwnServer.server.pool(size: 1)
            try await pool.withConnection { try await $0.execute(script: "CREATE SEQUENCE produced") }
            let seen = Mutex(0)
            try await pool.withTransaction { connection in
                try await connection.forEach("SELECT nextval('produced') AS n FROM generate_series(1, \(50_000)) g") { row in
                    let n = try row.decode("n", as: Int.self)
                    let previous = seen.withLock { count in
                        defer { count += 1 }
                        return count
                    }
                    try #require(n == previous + 1)
                    // The server is never more than a batch ahead of the reader.
                    if n == 2_500 {
                        #expect(try await connection.count("SELECT last_value AS count FROM produced") == 3_000)
                    }
                }
            }
            #expect(seen.withLock(\.self) == 50_000)
        }

        @Test func noticesGoToTheLog() async throws {
            let log = CapturedLog()
            let connection = try await PostgresConnection.connect(OwnServer.server.configuration, logger: Logger(label: "t") { _ in log })
            try await connection.execute(script: "DO $$ BEGIN RAISE WARNING 'heard'; END $$")
            #expect(log.entries.withLock(\.self).contains { $0.contains("heard") })
        }

        @Test func connectionsThatCannotBeMadeSayWhy() async throws {
            let nowhere = PostgresConfiguration(socketDirectory: "/nonexistent", database: "postgres", user: "postgres")
            let error = await #expect(throws: PostgresError.self) { _ = try await PostgresConnection.connect(nowhere) }
            guard case .connection(let reason)? = error else { return #expect(Bool(false), "\(String(describing: error))") }
            #expect(reason.contains("/nonexistent"))
            #expect(error?.isTransient == true)
        }
    }
}

/// Keeps what is logged.
final class CapturedLog: LogHandler, Sendable {
    let entries = Mutex<[String]>([])
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    func log(event: LogEvent) { entries.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") } }
}

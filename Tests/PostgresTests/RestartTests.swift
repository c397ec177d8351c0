import Logging
import Postgres
import Testing

@Suite(OwnServer(), .serialized, .timeLimit(.minutes(2))) struct RestartTests {
    @Test func thePoolRecoversByItselfAndNoIdleConnectionFailsAStatement() async throws {
        let server = try OwnServer.server
        let pool = server.pool(size: 4)
        try await fill(pool, 4)
        try await server.stop()
        let error = await #expect(throws: PostgresError.self) { try await pool.query("SELECT 1") }
        guard case .connection? = error else { return #expect(Bool(false), "\(String(describing: error))") }
        try await server.start()
        try await fill(pool, 4)

        // Not even one that had no time to say goodbye.
        try await server.stop("immediate")
        try await server.start()
        try await fill(pool, 4)
    }

    @Test(arguments: ["fast", "immediate"]) func aStatementThatTheStopMeetsIsATypedError(_ mode: String) async throws {
        let server = try OwnServer.server
        let pool = server.pool(size: 1)
        let watcher = try await server.connect()
        let backend = try await pool.withConnection { try await $0.backend() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try await pool.query("SELECT pg_sleep(30)::text AS t") }
            try await watcher.awaitWait(of: backend, in: "PgSleep")
            try await server.stop(mode)
            let error = await #expect(throws: PostgresError.self) { try await group.next() }
            guard case .connection? = error else { return #expect(Bool(false), "\(String(describing: error))") }
        }
        try await server.start()
        #expect(try await pool.query("SELECT 1 AS one").count == 1)
    }

    @Test func aListenerHearsAndSurvivesARestart() async throws {
        let server = try OwnServer.server
        let listener = PostgresListener(
            configuration: server.configuration, channels: ["heard", "also_heard"], logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
        let sender = server.pool(size: 1)
        var wakeUps = listener.wakeUps().makeAsyncIterator()
        // One for the connection itself, then one for each notification that is waited for.
        try #require(await wakeUps.next() != nil)
        for _ in 0..<3 {
            try await sender.execute("SELECT pg_notify('heard', \("payload"))")
            try #require(await wakeUps.next() != nil)
        }
        try await sender.execute("SELECT pg_notify('also_heard', '')")
        try #require(await wakeUps.next() != nil)
        try await server.stop()
        try await server.start()
        try #require(await wakeUps.next() != nil)
        try await sender.execute("SELECT pg_notify('heard', '')")
        try #require(await wakeUps.next() != nil)
    }

    @Test func aListenerThatIsNoLongerReadEnds() async throws {
        let server = try OwnServer.server
        let watcher = try await server.connect()
        let listening: SQL = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'listener'"
        do {
            var configuration = server.configuration
            configuration.applicationName = "listener"
            let logger = Logger(label: "t") { _ in SwiftLogNoOpLogHandler() }
            var wakeUps = PostgresListener(configuration: configuration, channels: ["nothing"], logger: logger).wakeUps().makeAsyncIterator()
            try #require(await wakeUps.next() != nil)
            #expect(try await watcher.count(listening) == 1)
        }
        let deadline = ContinuousClock.now + .seconds(5)
        while try await watcher.count(listening) > 0 {
            try #require(ContinuousClock.now < deadline, "the listener lives on")
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

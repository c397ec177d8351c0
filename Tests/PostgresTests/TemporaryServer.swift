import Foundation
import Logging
import Postgres
import TestSupport
import Testing

/// A PostgreSQL of one's own: Unix socket only, in a temporary folder, gone with the scope.
struct TemporaryServer: Sendable {
    struct CommandFailed: Error { let command: String, log: String }

    private static let binaries = "/usr/lib/postgresql/15/bin"
    let folder: URL

    static func launch() async throws -> TemporaryServer {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pg-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let server = TemporaryServer(folder: folder)
        if getuid() == 0 { try await server.run(["/bin/chown", "postgres", folder.path], asServer: false) }
        let data = folder.appending(path: "data").path
        try await server.run(["\(binaries)/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
        try await server.start()
        return server
    }

    func start() async throws {
        let settings = [
            "listen_addresses=", "unix_socket_directories=\(folder.path)", "fsync=off", "shared_buffers=16MB", "deadlock_timeout=50ms",
            "max_connections=300",
        ]
        try await pgCtl(["start", "-o", settings.map { "-c \($0)" }.joined(separator: " ")])
    }

    func stop(_ mode: String = "fast") async throws { try await pgCtl(["stop", "-m", mode]) }

    func remove() async {
        do {
            try await stop("immediate")
            try FileManager.default.removeItem(at: folder)
        } catch { Issue.record(error) }
    }

    var configuration: PostgresConfiguration { PostgresConfiguration(socketDirectory: folder.path, database: "postgres", user: "postgres") }

    func connect() async throws -> PostgresConnection { try await PostgresConnection.connect(configuration) }

    func pool(size: Int = 4, _ adjust: (inout PostgresConfiguration) -> Void = { _ in }) -> PostgresPool {
        var configuration = configuration
        configuration.poolSize = size
        adjust(&configuration)
        return PostgresPool(configuration: configuration, logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    }

    private func pgCtl(_ arguments: [String]) async throws {
        let log = folder.appending(path: "server.log").path
        try await run(["\(Self.binaries)/pg_ctl", "-D", folder.appending(path: "data").path, "-l", log, "-w", "-t", "30"] + arguments)
    }

    /// initdb and postgres refuse to run as root.
    private func run(_ command: [String], asServer: Bool = true) async throws {
        let result = try await Tool.run(command[0], Array(command.dropFirst()), user: asServer && getuid() == 0 ? "postgres" : nil)
        guard result.status == .exited(0) else {
            throw CommandFailed(command: command.joined(separator: " "), log: result.output + result.errors)
        }
    }
}

/// Gives a suite a server of its own.
struct OwnServer: SuiteTrait, TestScoping {
    @TaskLocal static var current: TemporaryServer?

    @concurrent func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable @concurrent () async throws -> Void
    ) async throws {
        let server = try await TemporaryServer.launch()
        do { try await Self.$current.withValue(server) { try await function() } } catch {
            await server.remove()
            throw error
        }
        await server.remove()
    }

    static var server: TemporaryServer { get throws { try #require(current) } }
}

/// What runs on one shared server; each test has tables of its own. One after the other, since some measure time.
@Suite(OwnServer(), .serialized, .timeLimit(.minutes(2))) struct OnServer {}

/// Runs `body`, which the server must refuse.
func refusal(_ body: () async throws -> Void) async throws -> ServerError {
    do { try await body() } catch PostgresError.server(let error) { return error }
    throw NotRefused()
}

struct NotRefused: Error {}

extension PostgresConnection {
    nonisolated func backend() async throws -> Int {
        try #require(await query("SELECT pg_backend_pid() AS pid").first).decode("pid")
    }

    nonisolated func count(_ sql: SQL) async throws -> Int { try #require(await query(sql).first).decode("count") }

    /// Waits until the backend is in a wait of this kind (`pg_stat_activity.wait_event`).
    nonisolated func awaitWait(of backend: Int, in event: String) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while try await count("SELECT count(*) FROM pg_stat_activity WHERE pid = \(backend) AND wait_event = \(event)") == 0 {
            try #require(ContinuousClock.now < deadline, "backend \(backend) never waited in \(event)")
            try await Task.sleep(for: .milliseconds(1))
        }
    }
}

struct Deliberate: Error {}

import Foundation
import Synchronization

/// A PostgreSQL server of the tests' own, on a Unix socket in a temporary folder.
public final class PostgresServer: Sendable {
    /// The superuser's name; no password is asked.
    public static let superuser = "shiplift"

    private let folder: TemporaryFolder
    private let account: String?
    private let syncs: Bool
    private let process = Mutex<ChildProcess?>(nil)
    private let templates = Mutex<[String: TemplateState]>([:])
    private let databases = Mutex(0)

    private enum TemplateState: Sendable { case preparing, ready, failed }

    /// A new server.
    ///
    /// - Parameter fsync: whether what was committed survives a crash of the machine; a killed process loses nothing without it.
    public static func start(fsync: Bool = false) async throws -> PostgresServer {
        try await onOwnThread { try PostgresServer(fsync: fsync) }
    }

    /// The server that all suites of this process share; it ends with the process.
    public static func shared() async throws -> PostgresServer { try await onOwnThread { try common.get() } }
    private static let common = Result { try PostgresServer(fsync: false) }

    private init(fsync: Bool) throws {
        folder = try TemporaryFolder()
        syncs = fsync
        account = try Self.unprivilegedAccount()
        let data = folder.path("data")
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
        if let account { try Tool.checked("chown", [account, folder.path, data]) }
        try Tool.checked(
            try Self.program("initdb"),
            ["-D", data, "-U", Self.superuser, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"], user: account)
        try launch()
    }

    deinit {
        process.withLock { $0?.signal(SIGQUIT) }
    }

    /// The folder of its socket: libpq's `host`.
    public var socketFolder: String { folder.path }
    /// The socket itself, for a ``FaultProxy`` before it.
    public var endpoint: Endpoint { .unix(path: folder.path(".s.PGSQL.5432")) }

    public func url(database: String = "postgres", user: String = PostgresServer.superuser) -> String {
        "postgres://\(user)@/\(database)?host=\(socketFolder)"
    }

    /// The way through a proxy that stands before ``endpoint``.
    public func url(database: String = "postgres", through proxy: FaultProxy) -> String {
        "postgres://\(Self.superuser)@127.0.0.1:\(proxy.port)/\(database)?sslmode=disable&gssencmode=disable"
    }

    /// Stops it and starts it again; open connections end.
    public func restart() async throws {
        try await stop(immediate: false)
        try await startAgain()
    }

    /// - Parameter immediate: without a checkpoint, as after a crash.
    public func stop(immediate: Bool = false) async throws {
        guard let running = process.withLock({ $0 }) else { return }
        try await onOwnThread { try running.stop(with: immediate ? SIGQUIT : SIGINT) }
    }

    /// `kill -9` of the postmaster.
    public func kill9() async throws {
        guard let running = process.withLock({ $0 }) else { return }
        try await onOwnThread { try running.stop(with: SIGKILL) }
    }

    /// After ``stop(immediate:)`` or ``kill9()``.
    public func startAgain() async throws { try await onOwnThread { [self] in try launch() } }

    /// Runs SQL as the superuser and answers the rows, columns parted by `|`.
    @discardableResult
    public func run(_ sql: String, in database: String = "postgres") async throws -> [String] {
        try await onOwnThread { [self] in try psql(sql, in: database) }
    }

    public func createDatabase(_ name: String, template: String = "template1") async throws {
        try await run("CREATE DATABASE \"\(name)\" TEMPLATE \"\(template)\"")
    }

    /// A database of a suite's own, as `prepare` (the migrator, say) left the template of that name.
    ///
    /// `prepare` gets the template's URL, runs once in this process for each name, and has to close its connections.
    public func freshDatabase(
        from template: String = "template1", preparedBy prepare: (_ url: String) async throws -> Void = { _ in }
    ) async throws -> (name: String, url: String) {
        if template != "template1" { try await prepareOnce(template, prepare) }
        let name = databases.withLock {
            $0 += 1
            return "test_\($0)"
        }
        try await createDatabase(name, template: template)
        return (name, url(database: name))
    }

    private func prepareOnce(_ template: String, _ prepare: (_ url: String) async throws -> Void) async throws {
        let isFirst = templates.withLock { states in
            guard states[template] == nil else { return false }
            states[template] = .preparing
            return true
        }
        guard isFirst else {
            try await eventually("template \(template)", within: .seconds(60)) { templates.withLock { $0[template] != .preparing } }
            guard templates.withLock({ $0[template] == .ready }) else {
                throw HarnessError.unexpectedAnswer(request: "preparing template \(template)", status: 0, body: "it failed before")
            }
            return
        }
        do {
            try await createDatabase(template)
            try await prepare(url(database: template))
            templates.withLock { $0[template] = .ready }
        } catch {
            templates.withLock { $0[template] = .failed }
            throw error
        }
    }

    private func psql(_ sql: String, in database: String) throws -> [String] {
        let output = try Tool.checked(
            try Self.program("psql"), ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url(database: database), "-c", sql])
        return output.split(separator: "\n").map(String.init)
    }

    /// After a `kill -9` the old backends hold the shared memory for a moment, and the new server refuses: so it is asked again.
    private func launch() throws {
        let sync = syncs ? "on" : "off"
        let settings = [
            "listen_addresses=", "unix_socket_directories=\(folder.path)", "fsync=\(sync)", "full_page_writes=\(sync)",
            "max_connections=200", "shared_buffers=32MB", "deadlock_timeout=100ms",
        ]
        let arguments = ["-D", folder.path("data")] + settings.flatMap { ["-c", $0] }
        let end = ContinuousClock.now + .seconds(20)
        while true {
            let child = try ChildProcess(
                try Self.program("postgres"), arguments, environment: ["PATH": "/usr/bin:/bin", "LC_ALL": "C"], logs: folder,
                name: "postgres", user: account, deathSignal: SIGQUIT)
            do {
                _ = try blockingValue("PostgreSQL to be ready", within: .seconds(20)) { () -> Bool? in
                    try child.checkRunning()
                    return isReady(child.processID) ? true : nil
                }
                return process.withLock { $0 = child }
            } catch HarnessError.serverExited where ContinuousClock.now < end {
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
    }

    /// The eighth line of `postmaster.pid` is the server's state; the first its process id.
    private func isReady(_ processID: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: folder.path("data/postmaster.pid"), encoding: .utf8) else { return false }  // not yet
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.count > 7 && lines[0] == "\(processID)" && lines[7].hasPrefix("ready")
    }

    private static func unprivilegedAccount() throws -> String? {
        guard getuid() == 0 else { return nil }
        if getpwnam("postgres") != nil { return "postgres" }
        return "nobody"
    }

    /// PostgreSQL's own programs: the newest that Debian installed, else from `PATH`.
    private static func program(_ name: String) throws -> String {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []  // not Debian: PATH
        for version in versions.sorted(by: { $0.compare($1, options: .numeric) == .orderedDescending }) {
            let path = "\(root)/\(version)/bin/\(name)"
            if access(path, X_OK) == 0 { return path }
        }
        return try Launch.find(name)
    }
}

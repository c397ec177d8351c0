import Foundation
import Logging
import Postgres

/// Why the private PostgreSQL does not run.
struct EmbeddedPostgresError: Error, CustomStringConvertible {
    let description: String
}

/// A private PostgreSQL in the data folder: made at first start, reached through a Unix socket that only its owner can open.
///
/// It runs in a session of its own, so that Ctrl-C stops the service first. A server that outlived a killed service is taken over.
struct EmbeddedPostgres {
    private let folder: URL
    private let logger: Logger
    private let binaries: URL
    /// The user that PostgreSQL runs as where we are root, since it refuses root.
    private let user: (name: String, uid: UInt32, gid: UInt32)?

    private static let superuser = "shiplift_admin"
    private static let database = "shiplift"

    init(dataFolder: URL, logger: Logger) throws {
        folder = dataFolder.appendingPathComponent("postgres")
        self.logger = logger
        binaries = try Self.findBinaries()
        user = getuid() == 0 ? try Self.unprivilegedUser() : nil
    }

    private var cluster: URL { folder.appendingPathComponent("cluster") }

    /// A Unix socket's path has at most 107 bytes.
    private var socketFolder: URL {
        let inside = folder.appendingPathComponent("socket")
        guard inside.path.utf8.count > 85 else { return inside }
        let hash = folder.path.utf8.reduce(UInt64(14_695_981_039_346_656_037)) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
        return URL(fileURLWithPath: "/tmp/shiplift-\(String(hash, radix: 36))")
    }

    /// Starts the server, makes roles and database where they are missing. Answers how owner and service connect.
    func start() async throws -> (owner: PostgresConfiguration, service: PostgresConfiguration) {
        try prepareFolders()
        if !FileManager.default.fileExists(atPath: cluster.appendingPathComponent("PG_VERSION").path) { try initialize() }
        if try await !answers() {
            try launch()
            try await waitUntilAnswering()
        }
        try await makeRoles()
        return (configuration(user: "shiplift_owner"), configuration(user: "shiplift_app"))
    }

    /// Starts the server again where it died.
    func ensureRunning() async throws {
        if postmasterPID() != nil { return }
        logger.error("the private PostgreSQL is gone, starting it again")
        try launch()
        try await waitUntilAnswering()
    }

    /// Stops the server: clients are cut off, everything committed is on disk.
    func stop() async {
        guard let pid = postmasterPID() else { return }
        kill(pid, SIGINT)
        for _ in 0..<300 {
            if kill(pid, 0) != 0 { return }
            do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
        }
        logger.warning("the private PostgreSQL did not stop within 15 s", metadata: ["pid": "\(pid)"])
    }

    private func configuration(user: String, database: String = EmbeddedPostgres.database) -> PostgresConfiguration {
        PostgresConfiguration(socketDirectory: socketFolder.path, database: database, user: user)
    }

    private func prepareFolders() throws {
        for folder in [folder, socketFolder] {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            if let user, chown(folder.path, user.uid, user.gid) != 0 {
                throw EmbeddedPostgresError(description: "\(folder.path) can't be given to user \(user.name)")
            }
        }
        if let user { try checkReach(user) }
    }

    /// The other user must be able to walk to the folder.
    private func checkReach(_ user: (name: String, uid: UInt32, gid: UInt32)) throws {
        let status = try run(["/usr/bin/test", "-x", folder.path], output: nil)
        guard status == 0 else {
            throw EmbeddedPostgresError(
                description: "PostgreSQL refuses to run as root, and user \(user.name) can't reach \(folder.path): choose a data folder that others may enter, with --data")
        }
    }

    private func initialize() throws {
        logger.info("making a private PostgreSQL", metadata: ["folder": "\(cluster.path)"])
        let log = folder.appendingPathComponent("initdb.log")
        let status = try run(
            [
                binaries.appendingPathComponent("initdb").path, "-D", cluster.path, "-U", Self.superuser, "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust",
                "--no-instructions",
            ], output: log)
        guard status == 0 else { throw EmbeddedPostgresError(description: "initdb failed; see \(log.path)") }
    }

    private func launch() throws {
        let arguments = [
            "/usr/bin/setsid", "--fork", binaries.appendingPathComponent("postgres").path, "-D", cluster.path, "-k", socketFolder.path, "-c", "listen_addresses=", "-c",
            "unix_socket_permissions=0700", "-c", "max_connections=60", "-c", "shared_buffers=64MB", "-c", "log_min_messages=warning", "-c", "jit=off",
        ]
        // The server goes on in a session of its own; the program that put it there ends at once.
        let status = try run(arguments, output: folder.appendingPathComponent("server.log"))
        guard status == 0 else { throw EmbeddedPostgresError(description: "the private PostgreSQL could not be started; see \(folder.path)/server.log") }
    }

    private func answers() async throws -> Bool {
        guard postmasterPID() != nil else { return false }
        do {
            _ = try await PostgresConnection.connect(configuration(user: Self.superuser, database: "postgres"))
            return true
        } catch { return false }
    }

    private func waitUntilAnswering() async throws {
        for _ in 0..<600 {
            if try await answers() { return }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw EmbeddedPostgresError(description: "the private PostgreSQL did not answer within 30 s; see \(folder.path)/server.log")
    }

    /// Two roles from the start: what the service can do to the audit log, it can do to it by mistake.
    private func makeRoles() async throws {
        let admin = try await PostgresConnection.connect(configuration(user: Self.superuser, database: "postgres"))
        for (role, rights) in [("shiplift_owner", "LOGIN CREATEROLE"), ("shiplift_app", "LOGIN"), ("shiplift_reader", "NOLOGIN")] {
            if try await admin.query("SELECT 1 AS one FROM pg_roles WHERE rolname = \(role)").isEmpty {
                try await admin.execute(script: "CREATE ROLE \(role) \(rights)")
            }
        }
        if try await admin.query(
            "SELECT 1 AS one FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u ON u.oid = m.member WHERE r.rolname = 'shiplift_app' AND u.rolname = 'shiplift_owner'"
        ).isEmpty {
            try await admin.execute(script: "GRANT shiplift_app, shiplift_reader TO shiplift_owner")
        }
        if try await admin.query("SELECT 1 AS one FROM pg_database WHERE datname = \(Self.database)").isEmpty {
            try await admin.execute(script: "CREATE DATABASE \(Self.database) OWNER shiplift_owner")
        }
    }

    private func postmasterPID() -> pid_t? {
        guard let data = FileManager.default.contents(atPath: cluster.appendingPathComponent("postmaster.pid").path),
            let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first, let pid = pid_t(line), kill(pid, 0) == 0
        else { return nil }
        return pid
    }

    private func run(_ arguments: [String], output: URL?) throws -> Int32 {
        let process = try spawn(arguments, output: output)
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Starts a program, as the unprivileged user where we are root.
    private func spawn(_ arguments: [String], output: URL?) throws -> Process {
        let drop = user.map { ["/usr/bin/setpriv", "--reuid", "\($0.uid)", "--regid", "\($0.gid)", "--clear-groups"] } ?? []
        let command = drop + arguments
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
        process.currentDirectoryURL = URL(fileURLWithPath: "/")
        process.standardInput = FileHandle.nullDevice
        if let output {
            if !FileManager.default.fileExists(atPath: output.path) { try Data().write(to: output) }
            let handle = try FileHandle(forWritingTo: output)
            try handle.seekToEnd()
            process.standardOutput = handle
            process.standardError = handle
        } else {
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
        }
        try process.run()
        return process
    }

    private static func findBinaries() throws -> URL {
        let manager = FileManager.default
        let root = "/usr/lib/postgresql"
        let versions = manager.fileExists(atPath: root) ? try manager.contentsOfDirectory(atPath: root) : []
        let folders = versions.compactMap { Int($0) }.sorted(by: >).map { "/usr/lib/postgresql/\($0)/bin" }
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        for folder in folders + path where manager.isExecutableFile(atPath: folder + "/initdb") && manager.isExecutableFile(atPath: folder + "/postgres") {
            return URL(fileURLWithPath: folder)
        }
        throw EmbeddedPostgresError(description: "no PostgreSQL was found: install it (apt-get install postgresql), or name a server with DATABASE_URL")
    }

    private static func unprivilegedUser() throws -> (name: String, uid: UInt32, gid: UInt32) {
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) { return (name, entry.pointee.pw_uid, entry.pointee.pw_gid) }
        }
        throw EmbeddedPostgresError(description: "PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
    }
}

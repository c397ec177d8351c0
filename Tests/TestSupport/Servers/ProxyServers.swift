import Foundation

/// A real nginx with a configuration that ships with us, on a loopback port.
public final class NginxServer: Sendable {
    public let port: Int
    private let folder: TemporaryFolder
    private let child: ChildProcess

    /// - Parameter configuration: what stands in its `http` block, for the port that it is given.
    public static func start(_ configuration: @escaping @Sendable (_ port: Int) throws -> String) async throws -> NginxServer {
        try await onOwnThread { try NginxServer(configuration) }
    }

    private init(_ configuration: (Int) throws -> String) throws {
        let (folder, port) = (try TemporaryFolder(), try FreePort.take())
        (self.folder, self.port) = (folder, port)
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder.path($0));" }.joined(separator: " ")
        let file = try folder.write(
            """
            daemon off;
            pid \(folder.path("nginx.pid"));
            error_log stderr info;
            events {}
            http {
                access_log off;
                \(temporary)
            \(try configuration(port))
            }
            """, to: "nginx.conf")
        child = try ChildProcess("nginx", ["-c", file], environment: [:], logs: folder, name: "nginx", deathSignal: SIGTERM)
        try waitForPort(port, of: child)
    }

    deinit { child.signal(SIGTERM) }
}

/// A real squid with a configuration that ships with us, on a loopback port.
public final class SquidServer: Sendable {
    public let port: Int
    private let folder: TemporaryFolder
    private let child: ChildProcess

    /// - Parameters:
    ///   - hosts: names that squid knows, and nobody else.
    ///   - account: who may use it; it is in the file that `configuration` is told of.
    ///   - configuration: squid's configuration, for its port and the file with accounts.
    public static func start(
        hosts: [String: String], account: (name: String, password: String),
        _ configuration: @escaping @Sendable (_ port: Int, _ accounts: String) throws -> String
    ) async throws -> SquidServer {
        try await onOwnThread { try SquidServer(hosts, account, configuration) }
    }

    private init(_ hosts: [String: String], _ account: (name: String, password: String), _ configuration: (Int, String) throws -> String) throws {
        let (folder, port) = (try TemporaryFolder(), try FreePort.take())
        (self.folder, self.port) = (folder, port)
        let accounts = folder.path("htpasswd")
        try Tool.checked("htpasswd", ["-cb", accounts, account.name, account.password])
        let names = try folder.write(hosts.map { "\($0.value) \($0.key)\n" }.joined(), to: "hosts")
        for log in ["access.log", "cache.log"] { try folder.write("", to: log) }
        let file = try folder.write(
            """
            \(try configuration(port, accounts))
            hosts_file \(names)
            pid_filename none
            access_log stdio:\(folder.path("access.log"))
            cache_log \(folder.path("cache.log"))
            shutdown_lifetime 0 seconds
            netdb_filename none
            cache_mem 8 MB
            visible_hostname proxy.test
            """, to: "squid.conf")
        if geteuid() == 0 { try Tool.checked("chown", ["-R", "proxy:proxy", folder.path]) }
        child = try ChildProcess("squid", ["-N", "-f", file], environment: ["PATH": "/usr/sbin:/usr/bin:/bin"], logs: folder, name: "squid", deathSignal: SIGTERM)
        try waitForPort(port, of: child)
    }

    deinit { child.signal(SIGKILL) }

    /// What was asked of it: method, and URL or host with port.
    public func requests() throws -> [String] {
        try String(contentsOfFile: folder.path("access.log"), encoding: .utf8).split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ")
            return parts.count > 6 ? "\(parts[3]) \(parts[5]) \(parts[6])" : nil
        }
    }
}

private func waitForPort(_ port: Int, of child: ChildProcess) throws {
    _ = try blockingValue("\(child.name) on port \(port)", within: .seconds(20)) { () -> Bool? in
        try child.checkRunning()
        do { try Socket.connect(to: .tcp(port: port)).close() } catch HarnessError.socket { return nil }
        return true
    }
}

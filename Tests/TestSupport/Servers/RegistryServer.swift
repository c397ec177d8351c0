public import Foundation
import Synchronization

/// Debian's docker-registry on a loopback port, with its storage in a temporary folder.
///
/// Fixtures go in and are looked at through a second process on the same storage, without login: what ``requests()`` tells is only
/// what the code under test asked.
public final class RegistryServer: Sendable {
    public let port: Int
    public let options: RegistryOptions
    private let folder: TemporaryFolder
    private let processes = Mutex(Processes())

    private struct Processes {
        var server: ChildProcess?
        var door: (process: ChildProcess, port: Int)?
    }

    public static func start(_ options: RegistryOptions = RegistryOptions()) async throws -> RegistryServer {
        try await onOwnThread { try RegistryServer(options) }
    }

    private init(_ options: RegistryOptions) throws {
        self.options = options
        folder = try TemporaryFolder()
        try folder.write(
            RegistryOptions.Account.deployer.line + "\n" + RegistryOptions.Account.reader.line + "\n", to: "htpasswd")
        port = try FreePort.take()
        let server = try Self.launch(options, "registry", port, folder)
        processes.withLock { $0.server = server }
    }

    deinit {
        processes.withLock {
            $0.server?.signal(SIGKILL)
            $0.door?.process.signal(SIGKILL)
        }
    }

    public var url: String { "\(options.tls == nil ? "http" : "https")://127.0.0.1:\(port)" }
    public var host: String { "127.0.0.1:\(port)" }
    public var endpoint: Endpoint { .tcp(port: port) }
    /// The filesystem driver's root.
    public var storage: URL { folder.url.appending(path: "storage") }

    public func stop() async throws {
        try await onOwnThread { [self] in
            let (server, door) = processes.withLock { state in
                defer { state.door = nil }
                return (state.server, state.door?.process)
            }
            try door?.stop(with: SIGKILL)
            try server?.stop()
        }
    }

    public func kill9() async throws {
        guard let server = processes.withLock({ $0.server }) else { return }
        try await onOwnThread { try server.stop(with: SIGKILL) }
    }

    /// After ``stop()`` or ``kill9()``, on the same port.
    public func startAgain() async throws {
        try await onOwnThread { [self] in
            let server = try Self.launch(options, "registry", port, folder)
            processes.withLock { $0.server = server }
        }
    }

    public func restart() async throws {
        try await stop()
        try await startAgain()
    }

    /// Runs docker-registry's garbage collector while the server is down.
    ///
    /// - Parameter deletingUntagged: also the manifests that no tag names.
    public func garbageCollect(deletingUntagged: Bool = false) async throws {
        try await stop()
        let flags = deletingUntagged ? ["-m"] : []
        try await Tool.check("docker-registry", ["garbage-collect"] + flags + [folder.path("registry.yml")], environment: quiet)
        try await startAgain()
    }

    /// All requests so far, as the registry's own access log tells them; complete for what was answered before the call.
    public func requests() async throws -> [AccessLogEntry] {
        let marker = "/v2/?marker=\(UInt64.random(in: .min ... .max))"
        if options.tls == nil { _ = try await LoopbackHTTP.send("GET", marker, port: port) }
        let log = folder.url.appending(path: "registry.out")
        return try await eventualValue("the registry's access log") {
            let entries = AccessLogEntry.parse(try String(contentsOf: log, encoding: .utf8))
            guard options.tls != nil || entries.contains(where: { $0.target == marker }) else { return nil }
            return entries.filter { !$0.target.hasPrefix("/v2/?marker=") && $0.target != "/v2/?ready" }
        }
    }

    /// The port of the process without login that shares the storage.
    func sideDoor() throws -> Int {
        try processes.withLock { state in
            if let door = state.door, door.process.isRunning { return door.port }
            let port = try FreePort.take()
            state.door = (try Self.launch(RegistryOptions(), "door", port, folder), port)
            return port
        }
    }

    private static func launch(_ options: RegistryOptions, _ name: String, _ port: Int, _ folder: TemporaryFolder) throws -> ChildProcess {
        let storage = folder.path("storage")
        try folder.write(
            options.configuration(port: port, storage: storage, htpasswd: folder.path("htpasswd")), to: "\(name).yml")
        let child = try ChildProcess(
            "docker-registry", ["serve", folder.path("\(name).yml")], environment: quiet, logs: folder, name: name)
        _ = try blockingValue("docker-registry on port \(port)", within: .seconds(20)) { () -> Bool? in
            try child.checkRunning()
            do {
                if options.tls == nil { return try LoopbackHTTP.blocking("GET", "/v2/?ready", port: port).status > 0 }
                try Socket.connect(to: .tcp(port: port)).close()
                return true
            } catch HarnessError.socket { return nil } catch HarnessError.connectionClosed { return nil }
        }
        return child
    }
}

private let quiet = ["OTEL_TRACES_EXPORTER": "none", "PATH": "/usr/bin:/bin"]

/// One request, as docker-registry's access log has it.
public struct AccessLogEntry: Sendable, Hashable {
    public let method: String
    /// Path and query.
    public let target: String
    public let status: Int
    /// Bytes of the answer's body.
    public let bytes: Int
    public var path: String { String(target.prefix { $0 != "?" }) }

    /// Reads the lines of Apache's combined format: `… "GET /v2/ HTTP/1.1" 200 2 "" "agent"`.
    static func parse(_ log: String) -> [AccessLogEntry] {
        log.split(separator: "\n").compactMap { line in
            let quoted = line.split(separator: "\"", omittingEmptySubsequences: false)
            guard quoted.count > 2 else { return nil }
            let request = quoted[1].split(separator: " ")
            let numbers = quoted[2].split(separator: " ").compactMap { Int($0) }
            guard request.count == 3, numbers.count == 2 else { return nil }
            return AccessLogEntry(method: String(request[0]), target: String(request[1]), status: numbers[0], bytes: numbers[1])
        }
    }
}

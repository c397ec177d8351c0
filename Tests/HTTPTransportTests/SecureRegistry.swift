import Foundation
import HTTPTransport
import TestSupport

/// Debian's docker-registry behind TLS, with a certificate authority made for it.
final class SecureRegistry {
    let folder: URL
    let base: HTTPURL
    private let authority: TestAuthority
    private let logs: TemporaryFolder
    private let process: ChildProcess

    /// - Parameter asksForCertificate: only clients with a certificate of our authority get through.
    init(asksForCertificate: Bool = false) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "registry-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // A server that is stopped at once tells us a port that is free.
        let placeholder = try ScriptedServer { _ in }
        let port = placeholder.port
        placeholder.stop()
        base = try HTTPURL(parsing: "https://127.0.0.1:\(port)/v2/")
        authority = try TestAuthority()
        let clients = asksForCertificate ? "\n    clientcas: [\(authority.path("ca.pem"))]" : ""
        let configuration = """
            version: 0.1
            log: {level: error, accesslog: {disabled: false}}
            storage: {filesystem: {rootdirectory: \(folder.path)/data}}
            http:
              addr: 127.0.0.1:\(port)
              tls:
                certificate: \(authority.path("server.pem"))
                key: \(authority.path("server.key"))\(clients)
            """
        try Data(configuration.utf8).write(to: folder.appending(path: "config.yml"))
        logs = try TemporaryFolder()
        process = try ChildProcess(
            "docker-registry", ["serve", folder.appending(path: "config.yml").path], environment: ["OTEL_TRACES_EXPORTER": "none"], logs: logs, name: "registry")
        try await waitUntilReady()
    }

    /// Settings that trust this registry, with a client certificate if wanted.
    func settings(withCertificate: Bool = false) -> ConnectionSettings {
        quickSettings { settings in
            settings.tls.caFile = authority.path("ca.pem")
            guard withCertificate else { return }
            settings.tls.clientCertificateFile = authority.path("client.pem")
            settings.tls.clientKeyFile = authority.path("client.key")
        }
    }

    func log() throws -> String {
        try String(contentsOf: process.standardOutput, encoding: .utf8)
    }

    func stop() {
        do {
            try process.stop(with: SIGKILL)
            try FileManager.default.removeItem(at: folder)
        } catch { print("\(folder.path) stays behind: \(error)") }
        authority.remove()
    }

    private func waitUntilReady() async throws {
        try await withClient { client in
            for _ in 0..<200 {
                let error = await transportError {
                    _ = try await client.send(
                        HTTPRequest(.get, base), settings: quickSettings(), maximumBodyBytes: 1000)
                }
                // Our authority is not trusted here, so a TLS failure says that the server is up.
                if case .tls = error { return }
                try await Task.sleep(for: .milliseconds(50))
            }
            throw SocketFailure(code: 0)
        }
    }
}

/// Runs `body` beside a registry and stops it afterwards.
func withRegistry<R>(asksForCertificate: Bool = false, _ body: (SecureRegistry) async throws -> R) async throws -> R {
    let registry = try await SecureRegistry(asksForCertificate: asksForCertificate)
    defer { registry.stop() }
    return try await body(registry)
}

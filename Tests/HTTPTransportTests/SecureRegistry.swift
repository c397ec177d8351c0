import Foundation
import HTTPTransport

/// Debian's docker-registry behind TLS, with a certificate authority made for it.
final class SecureRegistry {
    let folder: URL
    let base: HTTPURL
    private let process = Process()

    /// - Parameter asksForCertificate: only clients with a certificate of our authority get through.
    init(asksForCertificate: Bool = false) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "registry-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // A server that is stopped at once tells us a port that is free.
        let placeholder = try ScriptedServer { _ in }
        let port = placeholder.port
        placeholder.stop()
        base = try HTTPURL(parsing: "https://127.0.0.1:\(port)/v2/")
        try makeCertificates()
        let clients = asksForCertificate ? "\n    clientcas: [\(path("ca.pem"))]" : ""
        let configuration = """
            version: 0.1
            log: {level: error, accesslog: {disabled: false}}
            storage: {filesystem: {rootdirectory: \(path("data"))}}
            http:
              addr: 127.0.0.1:\(port)
              tls:
                certificate: \(path("server.pem"))
                key: \(path("server.key"))\(clients)
            """
        try Data(configuration.utf8).write(to: folder.appending(path: "config.yml"))
        try Data().write(to: folder.appending(path: "log"))
        let log = try FileHandle(forWritingTo: folder.appending(path: "log"))
        process.executableURL = URL(filePath: "/usr/bin/docker-registry")
        process.arguments = ["serve", path("config.yml")]
        process.standardOutput = log
        process.standardError = log
        process.environment = ["OTEL_TRACES_EXPORTER": "none"]
        try process.run()
        try await waitUntilReady()
    }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    /// Settings that trust this registry, with a client certificate if wanted.
    func settings(withCertificate: Bool = false) -> ConnectionSettings {
        quickSettings { settings in
            settings.tls.caFile = path("ca.pem")
            guard withCertificate else { return }
            settings.tls.clientCertificateFile = path("client.pem")
            settings.tls.clientKeyFile = path("client.key")
        }
    }

    func log() throws -> String {
        try String(contentsOf: folder.appending(path: "log"), encoding: .utf8)
    }

    func stop() {
        process.terminate()
        process.waitUntilExit()
        do { try FileManager.default.removeItem(at: folder) } catch {
            print("could not remove \(folder.path): \(error)")
        }
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

    private func makeCertificates() throws {
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        try openssl(
            ["req", "-x509", "-subj", "/CN=Test CA", "-days", "2", "-keyout", path("ca.key"), "-out", path("ca.pem")]
                + key)
        for name in ["server", "client"] {
            try openssl(
                ["req", "-subj", "/CN=\(name)", "-keyout", path("\(name).key"), "-out", path("\(name).csr")] + key)
            try Data("subjectAltName=IP:127.0.0.1".utf8).write(to: folder.appending(path: "\(name).ext"))
            try openssl([
                "x509", "-req", "-in", path("\(name).csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                "-CAcreateserial", "-days",
                "2", "-extfile", path("\(name).ext"), "-out", path("\(name).pem"),
            ])
        }
    }

    private func openssl(_ arguments: [String]) throws {
        let tool = Process()
        tool.executableURL = URL(filePath: "/usr/bin/openssl")
        tool.arguments = arguments
        tool.standardError = FileHandle.nullDevice
        tool.standardOutput = FileHandle.nullDevice
        try tool.run()
        tool.waitUntilExit()
        guard tool.terminationStatus == 0 else { throw SocketFailure(code: tool.terminationStatus) }
    }
}

/// Runs `body` beside a registry and stops it afterwards.
func withRegistry<R>(asksForCertificate: Bool = false, _ body: (SecureRegistry) async throws -> R) async throws -> R {
    let registry = try await SecureRegistry(asksForCertificate: asksForCertificate)
    defer { registry.stop() }
    return try await body(registry)
}

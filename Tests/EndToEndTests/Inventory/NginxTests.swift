import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// The example that the project began with: a real nginx goes the whole way, is found, pulled back from production, and serves.
@Suite(.inTurn) struct NginxTests {
    @Test func nginxGoesTheWholeWayAndServes() async throws {
        let quay = try await Quay.make()
        let work = try TemporaryFolder()
        let made = try await Tool.check("python3", [Lift.repositoryFolder + "/Scripts/make-nginx-image", work.path("layout"), "1.23.3"])
        let digest = made.trimmingCharacters(in: .whitespacesAndNewlines)
        let dev = try quay.registry("dev")
        try await Tool.check(
            "/usr/bin/skopeo",
            ["copy", "--quiet", "--all", "--insecure-policy", "--dest-tls-verify=false", "oci:\(work.path("layout")):1.23.3", "docker://\(dev.host)/dev/library/nginx:1.23.3"])
        let service = try await quay.start()
        for (from, to) in zip(Quay.environments, Quay.environments.dropFirst()) {
            #expect(try await quay.promote("library/nginx:1.23.3", from: from, to: to).first?.state == "succeeded", "\(from) → \(to)")
        }
        _ = try await quay.scan("production")

        let found: PageResource<ImageResource> = try await quay.json("search", "nginx", "--environment", "production")
        let hit = try #require(found.items.first)
        #expect(hit.image == "library/nginx" && hit.description == "small, powerful, scalable web/proxy server" && hit.environments == Quay.environments)
        let match = try #require(hit.matches.first { $0.environment == "production" })
        #expect(match.digest == digest && match.tag == "1.23.3")

        let production = try quay.registry("production")
        try await Tool.check(
            "/usr/bin/skopeo",
            [
                "copy", "--quiet", "--insecure-policy", "--src-tls-verify=false", "docker://\(production.host)/production/library/nginx@\(match.digest)",
                "dir:\(work.path("pulled"))",
            ])
        let root = work.path("root")
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        for layer in try layers(work.path("pulled")) { try await Tool.check("tar", ["-xzf", "\(work.path("pulled"))/\(layer)", "-C", root]) }
        #expect(try await serves(root, work).contains("Welcome to nginx!"))
        try await service.terminate()
    }

    /// The layers of a pulled image, the lowest first, as skopeo names its files.
    private func layers(_ folder: String) throws -> [String] {
        struct Manifest: Decodable {
            struct Layer: Decodable { let digest: String }
            let layers: [Layer]
        }
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/manifest.json")))
        return manifest.layers.map { String($0.digest.dropFirst("sha256:".count)) }
    }

    /// Starts the unpacked nginx with its own libraries and asks it for its first page.
    private func serves(_ root: String, _ work: TemporaryFolder) async throws -> String {
        let port = try FreePort.take()
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(work.path($0));" }.joined(separator: " ")
        try work.write(
            """
            daemon off; master_process off; pid \(work.path("nginx.pid")); error_log stderr;
            events {}
            http { access_log off; \(paths) server { listen 127.0.0.1:\(port); root \(root)/usr/share/nginx/html; } }
            """, to: "nginx.conf")
        let files = try FileManager.default.subpathsOfDirectory(atPath: root)
        let loader = try #require(files.first { $0.split(separator: "/").last?.hasPrefix("ld-linux") == true })
        let libraries = Set(files.filter { $0.contains(".so") }.map { root + "/" + ($0.split(separator: "/").dropLast().joined(separator: "/")) })
        let nginx = try ChildProcess(
            root + "/" + loader,
            ["--library-path", libraries.sorted().joined(separator: ":"), root + "/usr/sbin/nginx", "-p", root, "-e", "stderr", "-c", work.path("nginx.conf")],
            environment: ["PATH": "/usr/bin:/bin"], logs: work, name: "nginx")
        defer { nginx.signal(SIGKILL) }
        return try await eventualValue("nginx to answer", within: .seconds(20)) {
            guard nginx.isRunning else { throw HarnessError.unexpectedAnswer(request: "nginx", status: 0, body: nginx.logTail()) }
            let answer = try await Tool.run("curl", ["-sS", "--max-time", "5", "http://127.0.0.1:\(port)/"])
            return answer.status == .exited(0) ? answer.output : nil
        }
    }
}

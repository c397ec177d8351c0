import APIModel
import Foundation
import TestSupport
import Testing

/// Behind a real nginx with the configuration that ships, with a base path.
@Suite(.inTurn) struct ReverseProxyTests {
    private let lift: Lift
    private let authority: TestAuthority

    init() async throws {
        lift = try await Lift.make()
        authority = try TestAuthority()
    }

    private func nginx() async throws -> NginxServer {
        let (lift, authority) = (lift, authority)
        return try await NginxServer.start { port in
            var text = try String(contentsOfFile: Lift.repositoryFolder + "/examples/nginx/shiplift.conf", encoding: .utf8)
            let changes = [
                "server 127.0.0.1:8080;": "server 127.0.0.1:\(lift.port);", "listen 443 ssl": "listen 127.0.0.1:\(port) ssl",
                "/etc/nginx/tls/ci.example.com.pem": authority.path("server.pem"), "/etc/nginx/tls/ci.example.com.key": authority.path("server.key"),
            ]
            for (old, new) in changes {
                #expect(text.contains(old), "the shipped configuration has no '\(old)' any more")
                text = text.replacing(old, with: new)
            }
            return text
        }
    }

    private static let settings = ["SHIPLIFT_TRUSTED_PROXIES": "127.0.0.1/32, ::1", "SHIPLIFT_BASE_PATH": "/shiplift"]

    private func token() throws -> String {
        try String(contentsOfFile: lift.folder.path("data/admin-token"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Asks for a promotion by curl, and answers head and body.
    private func post(_ url: String, _ arguments: [String]) async throws -> String {
        try await Tool.check(
            "curl",
            [
                "-sS", "-i", "--max-time", "30", "--cacert", authority.path("ca.pem"), "-H", "Authorization: Bearer \(try token())", "-H", "Prefer: wait=30", "-H",
                "Content-Type: application/json",
            ]
                + arguments + ["-d", #"{"image": "shop/api", "tag": "1.0.0", "from": "dev", "to": "test"}"#, url])
    }

    @Test func locationsLinksAndAddressesAreThoseOfTheCaller() async throws {
        defer { authority.remove() }
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start(with: Self.settings)
        let nginx = try await nginx()
        let base = "https://127.0.0.1:\(nginx.port)/shiplift"

        let answer = try await post("\(base)/v1/promotions", ["--interface", "127.0.0.5", "-H", "X-Request-Id: from-five"])
        let location = try #require(answer.split(whereSeparator: \.isNewline).first { $0.lowercased().hasPrefix("location:") }).dropFirst(10)
        #expect(location.hasPrefix("\(base)/v1/promotions/"), "\(location)")
        let followed = try await Tool.check(
            "curl", ["-sSf", "--cacert", authority.path("ca.pem"), "-H", "Authorization: Bearer \(try token())", String(location).trimmingCharacters(in: .whitespaces)])
        #expect(followed.contains("\"succeeded\""))
        #expect(try await service.line(containing: "milliseconds", "from-five").contains("client=127.0.0.5"))

        // The command with a base path, and its link.
        let environment = ["SHIPLIFT_URL": base + "/", "SHIPLIFT_TOKEN": try token(), "SHIPLIFT_CA_FILE": authority.path("ca.pem")]
        let listed = try await ShipliftProcess.run(["promotions"], environment: environment)
        #expect(listed.status == .exited(0) && listed.output.contains("succeeded"), "\(listed.errors)")

        let metrics = try await Tool.check("curl", ["-sS", "--cacert", authority.path("ca.pem"), "-o", "/dev/null", "-w", "%{http_code}", "\(base)/metrics"])
        #expect(metrics == "404", "metrics stay inside")
        #expect(try await LoopbackHTTP.send("GET", "/shiplift/healthz", port: lift.port).status == 200)
        #expect(try await LoopbackHTTP.send("GET", "/healthz", port: lift.port).status == 200, "probes need no base path")
        #expect(try await LoopbackHTTP.send("GET", "/shipliftv1/tokens", port: lift.port).status == 404)
        #expect(try await LoopbackHTTP.send("GET", "/shiplift/shiplift/healthz", port: lift.port).status == 404, "it is taken off once")
        #expect(try await LoopbackHTTP.send("GET", "/shiplift//v1/tokens", port: lift.port).status >= 400)
        try await service.terminate()
    }

    @Test func whatCallersMakeUpIsNotBelieved() async throws {
        defer { authority.remove() }
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start(with: Self.settings)
        let nginx = try await nginx()
        let forged = [
            "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /evil",
            "Forwarded: for=203.0.113.7;host=evil.example;proto=https",
        ].flatMap { ["-H", $0] }
        // Through nginx, which writes these fields itself; and past it, from an address that is not trusted.
        let proxied = try await post("https://127.0.0.1:\(nginx.port)/shiplift/v1/promotions", forged + ["--interface", "127.0.0.6", "-H", "X-Request-Id: through"])
        let direct = try await post("http://127.0.0.1:\(lift.port)/v1/promotions", forged + ["--interface", "127.0.0.9", "-H", "X-Request-Id: past"])
        #expect(!proxied.contains("evil") && !direct.contains("evil"), "\(proxied)\n\(direct)")
        let (through, past) = (
            try await service.line(containing: "milliseconds", "=through"), try await service.line(containing: "milliseconds", "=past")
        )
        #expect(through.contains("client=127.0.0.6") && past.contains("client=127.0.0.9"), "\(through)\n\(past)")
        #expect(direct.lowercased().contains("location: /shiplift/v1/promotions/"))
        // From the trusted address itself the same fields count: the test would see a belief that is too wide.
        let trusted = try await post("http://127.0.0.1:\(lift.port)/v1/promotions", ["-H", "X-Forwarded-For: 203.0.113.7", "-H", "X-Request-Id: told"])
        #expect(trusted.hasPrefix("HTTP/1.1 200"))
        #expect(try await service.line(containing: "milliseconds", "=told").contains("client=203.0.113.7"))
        try await service.terminate()
    }
}

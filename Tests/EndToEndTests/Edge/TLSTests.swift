import APIModel
import Foundation
import TestSupport
import Testing

/// TLS at the service's own port, asked by curl and by the command.
@Suite(.inTurn) struct TLSTests {
    private static func settings(_ authority: TestAuthority, _ more: [String: String] = [:]) -> [String: String] {
        ["SHIPLIFT_TLS_CERTIFICATE": authority.path("server.pem"), "SHIPLIFT_TLS_KEY": authority.path("server.key")].merging(more) { $1 }
    }

    private static func started(_ lift: Lift, _ settings: [String: String]) async throws -> ShipliftProcess {
        let service = try await lift.launch(with: settings)
        _ = try await service.line(containing: "listening")
        return service
    }

    private static func curl(_ lift: Lift, _ arguments: [String], path: String = "/readyz") async throws -> ToolResult {
        try await Tool.run("curl", ["-sS", "--max-time", "20"] + arguments + ["https://127.0.0.1:\(lift.port)\(path)"])
    }

    private static func command(_ lift: Lift, _ arguments: [String], _ environment: [String: String]) async throws -> ToolResult {
        try await ShipliftProcess.run(
            arguments,
            environment: ["SHIPLIFT_URL": "https://127.0.0.1:\(lift.port)", "SHIPLIFT_TOKEN_FILE": lift.folder.path("data/admin-token")].merging(environment) { $1 })
    }

    @Test func bothVersionsOfHTTPOverTLSAndNoOldTLS() async throws {
        let (lift, authority) = (try await Lift.make(), try TestAuthority())
        defer { authority.remove() }
        let image = try ImageFixture.image(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await Self.started(lift, Self.settings(authority))
        let ask = ["--cacert", authority.path("ca.pem"), "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
        #expect(try await Self.curl(lift, ask + ["--http1.1"]).output == "1.1 200")
        #expect(try await Self.curl(lift, ask + ["--http2"]).output == "2 200")
        #expect(try await Self.curl(lift, ask + ["--tls-max", "1.1"]).status != .exited(0))
        #expect(try await Self.curl(lift, ["-o", "/dev/null"]).status == .exited(60), "nobody trusts an unknown authority")

        // The whole way with the command, by a file with the authority, in two ways.
        let promoted = try await Self.command(
            lift, ["promote", "shop/api:1.0.0", "--from", "dev", "--to", "test", "--wait", "--timeout", "60", "--ca-file", authority.path("ca.pem")], [:])
        #expect(promoted.status == .exited(0), "\(promoted.output)\(promoted.errors)")
        #expect(try await Self.command(lift, ["environments"], ["SHIPLIFT_CA_FILE": authority.path("ca.pem")]).status == .exited(0))
        let untrusting = try await Self.command(lift, ["environments"], [:])
        #expect(untrusting.status == .exited(4) && untrusting.errors.contains("TLS failed"), "\(untrusting.errors)")
        #expect(try await Self.command(lift, ["environments", "--ca-file", "/nowhere"], [:]).status == .exited(2))
        try await service.terminate()
    }

    @Test func theMinimumCanBeRaised() async throws {
        let (lift, authority) = (try await Lift.make(), try TestAuthority())
        defer { authority.remove() }
        let service = try await Self.started(lift, Self.settings(authority, ["SHIPLIFT_TLS_MINIMUM": "1.3"]))
        let ask = ["--cacert", authority.path("ca.pem"), "-o", "/dev/null"]
        #expect(try await Self.curl(lift, ask + ["--tls-max", "1.2"]).status == .exited(35))
        #expect(try await Self.curl(lift, ask).status == .exited(0))
        try await service.terminate()
    }

    /// A request that began under the old certificate ends well; new connections see the new one; a bad pair changes nothing.
    @Test func newFilesAreTakenUpAndNoConnectionIsLost() async throws {
        let (lift, authority) = (try await Lift.make(), try TestAuthority())
        defer { authority.remove() }
        let service = try await Self.started(lift, Self.settings(authority))
        func serial() async throws -> String {
            let seen = try await Tool.check(
                "sh", ["-c", "openssl s_client -connect 127.0.0.1:\(lift.port) </dev/null 2>/dev/null | openssl x509 -noout -serial"])
            return seen.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let before = try await serial()
        // Two requests on one connection, with the change in between: curl says how often it connected.
        let script = """
            curl -sS --cacert \(authority.path("ca.pem")) -w '%{num_connects} %{http_code}\\n' -o /dev/null --rate 12/m \
            https://127.0.0.1:\(lift.port)/healthz --next -sS --cacert \(authority.path("ca.pem")) -w '%{num_connects} %{http_code}\\n' -o /dev/null \
            https://127.0.0.1:\(lift.port)/healthz
            """
        async let overTheChange = Tool.check("sh", ["-c", script])
        try authority.issue("server")
        _ = try await service.line(containing: "the service's certificate was changed")
        let after = try await serial()
        #expect(after != before)
        #expect(try await overTheChange == "1 200\n0 200\n")

        // A key that is not the certificate's: said, and the old pair stays.
        try FileManager.default.removeItem(atPath: authority.path("server.key"))
        try FileManager.default.copyItem(atPath: authority.path("client.key"), toPath: authority.path("server.key"))
        let complaint = try await service.line(containing: "don't belong together")
        #expect(complaint.contains("will be tried again"))
        #expect(try await serial() == after)
        try authority.issue("server", days: -1)
        _ = try await service.line(containing: "the service's certificate has expired")
        try await service.terminate()
    }

    @Test func clientCertificatesAreDemandedOrRead() async throws {
        let (lift, authority, stranger) = (try await Lift.make(), try TestAuthority(), try TestAuthority())
        defer {
            authority.remove()
            stranger.remove()
        }
        let ours = ["--cert", authority.path("client.pem"), "--key", authority.path("client.key")]
        let theirs = ["--cert", stranger.path("client.pem"), "--key", stranger.path("client.key")]
        let ask = ["--cacert", authority.path("ca.pem"), "-o", "/dev/null", "-w", "%{http_code}"]
        let demand = Self.settings(authority, ["SHIPLIFT_TLS_CLIENT_CA": authority.path("ca.pem")])
        var service = try await Self.started(lift, demand)
        #expect(try await Self.curl(lift, ask).status != .exited(0), "none was shown")
        #expect(try await Self.curl(lift, ask + theirs).status != .exited(0), "another authority's")
        #expect(try await Self.curl(lift, ask + ours).output == "200")
        let environment = [
            "SHIPLIFT_CA_FILE": authority.path("ca.pem"), "SHIPLIFT_CLIENT_CERTIFICATE": authority.path("client.pem"),
            "SHIPLIFT_CLIENT_KEY": authority.path("client.key"),
        ]
        #expect(try await Self.command(lift, ["environments"], environment).status == .exited(0))
        #expect(try await Self.command(lift, ["environments"], environment.filter { $0.key != "SHIPLIFT_CLIENT_KEY" }).status == .exited(2))
        try await service.terminate()

        service = try await Self.started(lift, demand.merging(["SHIPLIFT_TLS_CLIENT_CERTIFICATES": "optional"]) { $1 })
        #expect(try await Self.curl(lift, ask, path: "/v1/environments").output == "401", "the certificate is no identity")
        #expect(try await Self.curl(lift, ask + theirs).status != .exited(0), "what is shown must be right")
        for version in ["--http1.1", "--http2"] { _ = try await Self.curl(lift, ask + ours + [version], path: "/v1/with\(version)") }
        for version in ["--http1.1", "--http2"] {
            #expect(try await service.line(containing: "/v1/with\(version)").contains("CN=client"), "the log names who came")
        }
        #expect(try await !service.line(containing: "/v1/environments").contains("CN="))
        try await service.terminate()
    }

    @Test(arguments: [
        (["SHIPLIFT_TLS_KEY": "client.key"], "don't belong together"), (["SHIPLIFT_TLS_KEY": "server.pem"], "holds no private key"),
        (["SHIPLIFT_TLS_CERTIFICATE": "server.key"], "holds no certificates"), (["SHIPLIFT_TLS_CERTIFICATE": "nowhere.pem"], "can't be read"),
        (["SHIPLIFT_TLS_CLIENT_CA": "server.key"], "holds no certificates"),
    ])
    func whatIsWrongWithTheFilesIsSaidAtStart(_ files: [String: String], _ complaint: String) async throws {
        let (lift, authority) = (try await Lift.make(), try TestAuthority())
        defer { authority.remove() }
        let service = try await lift.launch(with: Self.settings(authority, files.mapValues { authority.path($0) }))
        #expect(try await service.waitForExit(within: .seconds(20)) == .exited(2))
        let said = try service.errors()
        #expect(said.contains(complaint) && !said.contains("PRIVATE KEY"), "\(said)")
    }
}

import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Registries behind a real squid with the configuration that ships. Their names exist in squid's own list of hosts alone: who does not
/// go through it does not get there.
@Suite(.inTurn) struct ForwardProxyTests {
    private static let account = (name: "shiplift", password: "p@ss:w/rd-of-the-proxy")

    private let lift: Lift
    private let authority: TestAuthority
    private let secure: DockerRegistry
    private let squid: SquidServer

    init() async throws {
        let (lift, authority) = (try await Lift.make(), try TestAuthority())
        try authority.issue("registry", alternativeNames: "DNS:secure.registry.test")
        var setup = DockerRegistry.Setup()
        setup.tls = (authority.path("registry.pem"), authority.path("registry.key"), nil)
        let secure = try await DockerRegistry.start(setup)
        squid = try await SquidServer.start(
            hosts: ["plain.registry.test": "127.0.0.1", "secure.registry.test": "127.0.0.1", "metadata.registry.test": "169.254.169.254"], account: Self.account
        ) { port, accounts in
            var text = try String(contentsOfFile: Lift.repositoryFolder + "/examples/squid/squid.conf", encoding: .utf8)
            let changes = [
                "http_port 3128": "http_port 127.0.0.1:\(port)", "/etc/squid/shiplift.htpasswd": accounts,
                "registry.example.com .ecr.eu-central-1.amazonaws.com": ".registry.test", "port 443": "port \(secure.port)",
                // The test's registries are on this machine.
                "dst 127.0.0.0/8 10.0.0.0/8": "dst 10.0.0.0/8",
            ]
            for (old, new) in changes {
                #expect(text.contains(old), "the shipped configuration has no '\(old)' any more")
                text = text.replacing(old, with: new)
            }
            return text
        }
        (self.lift, self.authority, self.secure) = (lift, authority, secure)
    }

    /// dev is reached as it is, test by http and staging by https through the proxy.
    private func environments(staging: String = "secure.registry.test", proxy: String = "") throws {
        try lift.folder.write(
            """
            version: 1
            kind: Environments
            environments:
              - { name: dev, registries: [{ name: dev, url: "\(lift.shared.url)", plainHTTP: true, repository: "dev/{image}" }] }
              - { name: test, registries: [{ name: test, url: "http://plain.registry.test:\(lift.shared.port)", plainHTTP: true, repository: "test/{image}"\(proxy) }] }
              - name: staging
                registries: [{ name: staging, url: "https://\(staging):\(secure.port)", repository: "staging/{image}", tls: { ca: "\(authority.path("ca.pem"))" } }]
            """, to: "policies/environments.yaml")
    }

    private func settings(noProxy: String = "127.0.0.1", password: String? = nil) throws -> [String: String] {
        let file = try lift.folder.write("\(Self.account.name):\(password ?? Self.account.password)\n", to: "proxy-login")
        return [
            "SHIPLIFT_PROXY": "http://127.0.0.1:\(squid.port)", "SHIPLIFT_PROXY_CREDENTIALS_FILE": file, "SHIPLIFT_NO_PROXY": noProxy,
            "SHIPLIFT_LOG_LEVEL": "trace",
        ]
    }

    private func end() { authority.remove(); secure.stop() }

    @Test func registriesAreReachedByCONNECTAndPlainly() async throws {
        defer { end() }
        try environments()
        let image = try ImageFixture.index(layers: [300_000, 70_000], labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start(with: settings())
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "test").state == "succeeded")
        let across = try await lift.promote("shop/api:1.0.0", from: "test", to: "staging")
        #expect(across.state == "succeeded", "\(String(describing: across.failure))")
        #expect(try secure.blobIsThere(image, "staging/shop/api"))

        // It tells of a tunnel when it ends.
        try await service.terminate()
        let requests = try squid.requests()
        #expect(requests.contains { $0.contains("CONNECT secure.registry.test:\(secure.port)") })
        #expect(requests.contains { $0.contains("GET http://plain.registry.test:\(lift.shared.port)/v2/") })
        #expect(!requests.contains { $0.contains("127.0.0.1") || $0.contains("/dev/") }, "what no_proxy names is reached directly")
        let said = try service.output() + service.errors()
        #expect(!said.contains(Self.account.password) && !said.contains(Data("\(Self.account.name):\(Self.account.password)".utf8).base64EncodedString()))
    }

    /// A name that leads to a metadata service is not seen by us, when the proxy looks it up: the shipped configuration refuses it.
    @Test func metadataIsNotReachedThroughTheProxyNorPastIt() async throws {
        defer { end() }
        try environments(staging: "metadata.registry.test")
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start(with: settings())
        let denied = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(denied.state == "failed" && denied.failure?.message.contains("the proxy failed: it answered 403") == true, "\(String(describing: denied.failure))")
        #expect(try squid.requests().contains { $0.contains("TCP_DENIED/403 CONNECT metadata.registry.test") })
        try await service.terminate()
    }

    @Test func aWrongPasswordIsSaidWithoutTheWords() async throws {
        defer { end() }
        try environments()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.start(with: settings(password: "not-the-word"))
        let failed = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(failed.state == "failed" && failed.failure?.message.contains("407") == true, "\(String(describing: failed.failure))")
        let said = try service.output() + service.errors()
        #expect(!said.contains("not-the-word") && !said.contains(Data("\(Self.account.name):not-the-word".utf8).base64EncodedString()))
        try await service.terminate()
    }

    /// The variables that other tools know, and a registry's own way past the proxy of all.
    @Test func theUsualVariablesAndNamesOfOneRegistry() async throws {
        defer { end() }
        try environments(proxy: ", proxy: { url: \"http://127.0.0.1:9\", noProxy: [.registry.test] }")
        let image = try ImageFixture.image(labels: Lift.labels)
        try await lift.shared.push(image, to: "dev/shop/api", tag: "1.0.0")
        let login = try #require("\(Self.account.name):\(Self.account.password)".addingPercentEncoding(withAllowedCharacters: .init(charactersIn: ":").union(.alphanumerics)))
        let escaped = login.replacing("p%40ss:w", with: "p%40ss%3Aw")
        let usual = ["HTTPS_PROXY": "http://\(escaped)@127.0.0.1:\(squid.port)/", "NO_PROXY": ".example.com"]
        var service = try await lift.start(with: usual)
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").state == "succeeded")
        let direct = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(direct.failure?.message.contains("could not be resolved") == true, "without the proxy nobody knows the name: \(String(describing: direct.failure))")
        try await service.terminate()

        service = try await lift.start(with: usual.merging(["NO_PROXY": "example.com,secure.registry.test"]) { $1 })
        let past = try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging")
        #expect(past.failure?.message.contains("could not be resolved") == true, "\(String(describing: past.failure))")
        try await service.terminate()

        service = try await lift.start(with: usual.merging(["SHIPLIFT_PROXY": "none"]) { $1 })
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "staging").failure?.message.contains("could not be resolved") == true)
        try await service.terminate()
    }

    @Test(arguments: [
        ["SHIPLIFT_PROXY": "http://user:hidden-word@proxy:3128"], ["SHIPLIFT_PROXY": "gopher://proxy"], ["SHIPLIFT_NO_PROXY": "a"],
        ["HTTPS_PROXY": "ftp://user:hidden-word@proxy:3128"], ["SHIPLIFT_PROXY": "http://proxy:3128", "SHIPLIFT_PROXY_CREDENTIALS_FILE": "/nowhere"],
    ])
    func mistakesAreSaidAtStart(_ settings: [String: String]) async throws {
        defer { end() }
        let service = try await lift.launch(with: settings)
        #expect(try await service.waitForExit(within: .seconds(20)) == .exited(2))
        let said = try service.errors()
        #expect(said.lowercased().contains("proxy") && !said.contains("hidden-word"), "\(said)")
    }
}

extension DockerRegistry {
    /// Whether its storage has every blob of an image linked in the repository; asked of the disk, since it speaks TLS.
    func blobIsThere(_ image: ImageFixture, _ repository: String) throws -> Bool {
        image.blobs.allSatisfy {
            FileManager.default.fileExists(
                atPath: folder.appending(path: "data/docker/registry/v2/repositories/\(repository)/_layers/sha256/\($0.digest.hex)/link").path)
        }
    }
}

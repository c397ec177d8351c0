import Foundation
import OCI
import TestSupport
import Testing

@Suite(.inTurn, .timeLimit(.minutes(15))) struct RegistryServerTests {
    @Test(arguments: ImageFixture.Format.allCases) func aPushedImageIsWholeAndItsFixturesLeaveNoTraceInTheLog(_ format: ImageFixture.Format) async throws {
        let registry = try await RegistryServer.start()
        let image = try ImageFixture.index(layers: [10, 3_000_000], format: format)
        try await registry.push(image, to: "shop/web", tag: "1.0")
        #expect(try await registry.digest(of: "1.0", in: "shop/web") == image.digest)
        #expect(try await registry.isComplete(image, in: "shop/web"))
        #expect(try await registry.tags(of: "shop/web") == ["1.0"])
        #expect(try await registry.requests().isEmpty)

        let answer = try await LoopbackHTTP.send("GET", "/v2/shop/web/tags/list", port: registry.port)
        #expect(answer.text.contains("1.0"))
        let requests = try await registry.requests()
        let entry = try #require(requests.first)
        #expect(requests.count == 1 && entry.method == "GET" && entry.target == "/v2/shop/web/tags/list")
        #expect(entry.status == 200 && entry.bytes == answer.body.count)
        try await registry.stop()
    }

    @Test func theGarbageCollectorTakesWhatNoManifestNames() async throws {
        let registry = try await RegistryServer.start()
        let image = try ImageFixture.image()
        let orphan = BlobFixture(size: 5_000, seed: 77)
        try await registry.push(image, to: "shop/web", tag: "1.0")
        try await registry.push(orphan, to: "shop/web")
        #expect(try await registry.holds(orphan.digest, in: "shop/web"))
        let port = registry.port
        try await registry.garbageCollect()
        #expect(registry.port == port)
        let blobs = registry.storage.appending(path: "docker/registry/v2/blobs/sha256/\(orphan.digest.hex.prefix(2))/\(orphan.digest.hex)")
        #expect(!FileManager.default.fileExists(atPath: blobs.path))
        #expect(try await registry.isComplete(image, in: "shop/web"))
        #expect(try await LoopbackHTTP.send("GET", "/v2/", port: port).status == 200)
        try await registry.stop()
    }

    @Test func basicLoginIsAskedOfAllButTheFixtures() async throws {
        let registry = try await RegistryServer.start(RegistryOptions(access: .basic))
        try await registry.push(ImageFixture.image(), to: "shop/web", tag: "1.0")
        #expect(try await LoopbackHTTP.send("GET", "/v2/", port: registry.port).status == 401)
        for account in [RegistryOptions.Account.deployer, .reader] {
            let login = Data("\(account.name):\(account.password)".utf8).base64EncodedString()
            let fields = [HeaderField("Authorization", "Basic \(login)")]
            #expect(try await LoopbackHTTP.send("GET", "/v2/", port: registry.port, fields: fields).status == 200)
        }
        try await registry.stop()
    }

    @Test func skopeoReadsAFixture() async throws {
        let registry = try await RegistryServer.start()
        try await registry.push(ImageFixture.index(labels: ["org.opencontainers.image.version": "1.4.2"]), to: "shop/web", tag: "1.0")
        let output = try await Tool.check("skopeo", ["inspect", "--tls-verify=false", "docker://\(registry.host)/shop/web:1.0"])
        #expect(output.contains("\"org.opencontainers.image.version\": \"1.4.2\""))
        try await registry.stop()
    }
}

@Suite struct BlobFixtureTests {
    @Test(arguments: [0, 1, 7, 9, (1 << 20) + 5, 3 << 20]) func aSeededBlobHasItsSizeAndItsOwnDigest(_ size: Int) async throws {
        let blob = BlobFixture(size: size, seed: 1)
        #expect(blob == BlobFixture(size: size, seed: 1))
        #expect(size < 8 || blob.digest != BlobFixture(size: size, seed: 2).digest)
        #expect(size == 0 || blob.digest != Digest(hashing: Data(count: size)))
    }
}

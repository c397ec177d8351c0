import Foundation
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Whatever a registry answers to a mount, the image is whole at the end and nothing is believed that is not so.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct MountHazardTests {
    /// What the registry does instead of mounting.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Whether it only says that it mounted.
        let isLie: Bool
        let answer: @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> PeerResponse

        init(_ name: String, isLie: Bool = false, _ answer: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> PeerResponse) {
            testDescription = name
            self.isLie = isLie
            self.answer = answer
        }
    }

    private static let other = Digest(hashing: Data("another blob".utf8))

    static let refusals: [Refusal] =
        [400, 401, 403, 404, 405, 501].map { status in Refusal("\(status)") { _, _ in PeerResponse(status) } } + [
            Refusal("202 with a session") { request, pass in
                var plain = request
                plain.target = request.path
                return try pass(plain)
            },
            Refusal("201 of another digest") { _, _ in PeerResponse(201, ["Docker-Content-Digest": other.description]) },
            Refusal("201 of nothing", isLie: true) { _, _ in PeerResponse(201) },
            Refusal("201 of nothing, with the digest", isLie: true) { request, _ in
                PeerResponse(201, ["Docker-Content-Digest": request.query("mount").first ?? ""])
            },
        ]

    @Test(arguments: refusals) func endsInAnUpload(_ refusal: Refusal) async throws {
        let image = SampleImage.single("not mounted", layers: 2)
        try await withRegistries(1) { harness, registries in
            try registries[0].put(image, in: "dev/app")
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in
                .answer(request.query("mount").isEmpty ? try pass(request) : try refusal.answer(request, pass))
            }
            defer { proxy.stop() }
            let target = try harness.site(proxy.port, "test/app")
            let report = try await harness.copy(image.digest, from: harness.site(proxy.port, "dev/app"), to: target)
            let isWhole = try registries[0].holds(image, in: "test/app")
            #expect(isWhole)
            #expect(report.targets[0].copied.blobs == 3)
            #expect(report.targets[0].mounted.blobs == 0)
            // Each blob is asked for once; what the registry refused is written down, so that nobody asks for it again.
            #expect(proxy.requests.filter { !$0.query("mount").isEmpty }.count == 3)
            let source = try RepositoryName(parsing: "dev/app")
            for digest in image.blobDigests {
                #expect(harness.memory.sightings.contains(.mountRefused(digest, from: source)) == !refusal.isLie)
            }
        }
    }

    /// A token service that grants one scope only: the mount, which needs two, is refused; the upload, which needs one, is not.
    @Test func aTokenThatIsGoodForOneRepositoryOnlyStillTakesTheUpload() async throws {
        let image = SampleImage.single("one scope", layers: 1)
        try await withRegistries(1) { harness, registries in
            try registries[0].put(image, in: "dev/app")
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in
                if request.path == "/token" {
                    // The token is the first scope that was asked for, and no other.
                    let scope = Data((request.query("scope").first ?? "").utf8).base64EncodedString()
                    return .answer(PeerResponse(200, json: #"{"token":"\#(scope)","expires_in":300}"#))
                }
                let token = (request["authorization"] ?? "").dropFirst("Bearer ".count)
                let scope = Data(base64Encoded: String(token)).map { String(decoding: $0, as: UTF8.self) } ?? ""
                let repository = request.path.hasPrefix("/v2/test/app/") ? "test/app" : "dev/app"
                let isMount = !request.query("mount").isEmpty
                guard scope.contains(":\(repository):"), !isMount || request.query("from").allSatisfy({ scope.contains(":\($0):") }) else {
                    return .answer(PeerResponse(401, ["WWW-Authenticate": #"Bearer realm="http://\#(request["host"] ?? "")/token",service="test""#]))
                }
                return .answer(try pass(request))
            }
            defer { proxy.stop() }
            let target = try harness.site(proxy.port, "test/app")
            let source = try harness.site(proxy.port, "dev/app")
            let report = try await harness.copy(image.digest, from: source, to: target)
            let isWhole = try registries[0].holds(image, in: "test/app")
            #expect(isWhole)
            #expect(report.targets[0].copied.blobs == 2)
            for digest in image.blobDigests { #expect(harness.memory.sightings.contains(.mountRefused(digest, from: source.repository))) }
            // Each mount is asked for twice at most: with the token at hand and with a fresh one.
            #expect(proxy.requests.filter { !$0.query("mount").isEmpty }.count <= 6)
        }
    }
}

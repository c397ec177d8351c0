import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// Registries that answer otherwise than the specification's favourite way, and some that lie.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct AnswerTests {
    private static let image = SampleImage.single("answers")
    private static let other = Digest(hashing: Data("other".utf8))
    private let app: RepositoryName
    private let tag: ManifestReference

    init() throws {
        app = try .of("app")
        tag = try .named("v1")
    }

    /// A server that gives the image's manifest with `change`s.
    private func withManifest(
        _ change: @escaping @Sendable (inout PeerResponse) -> Void, _ body: (ScriptedPeer, RegistryClient) async throws -> Void
    ) async throws {
        try await withPeer(
            { _ in
                let document = Self.image.manifests[0]
                var response = PeerResponse(
                    200, ["Content-Type": document.mediaType.description, "Docker-Content-Digest": document.digest.description],
                    body: Array(document.bytes))
                change(&response)
                return .answer(response)
            }, { _ in }, body)
    }

    private func readingFails(
        _ reference: ManifestReference, _ change: @escaping @Sendable (inout PeerResponse) -> Void
    ) async throws -> RegistryError? {
        var found: RegistryError?
        try await withManifest(change) { _, client in
            found = await registryError { () throws(RegistryError) in _ = try await client.manifest(app, reference) }
        }
        return found
    }

    @Test func bytesThatAreNotTheDigestAskedForAreRefused() async throws {
        let error = try await readingFails(.digest(Self.image.digest)) { $0.body[20] ^= 1 }
        guard case .contentMismatch(let place, _) = error else { throw RegistryMismatch(error) }
        #expect(place.reference == Self.image.digest.description)
    }

    @Test func bytesThatAreNotTheRegistrysOwnDigestAreRefused() async throws {
        let error = try await readingFails(tag) { $0["Docker-Content-Digest"] = Self.other.description }
        guard case .contentMismatch = error else { throw RegistryMismatch(error) }
    }

    @Test func aManifestThatIsTooLargeIsRefused() async throws {
        let error = try await readingFails(tag) { $0.body += [UInt8](repeating: 0x20, count: ManifestLimits.bytes) }
        guard case .malformed(_, let reason) = error else { throw RegistryMismatch(error) }
        #expect(reason.contains("\(ManifestLimits.bytes)"))
    }

    @Test(arguments: ["", "[]", "{", #"{"schemaVersion":2}"#, #"{"schemaVersion":1,"name":"old"}"#])
    func aMalformedManifestIsRefused(body: String) async throws {
        let error = try await readingFails(tag) { response in
            response.body = Array(body.utf8)
            response["Docker-Content-Digest"] = nil
        }
        guard case .malformed = error else { throw RegistryMismatch(error) }
    }

    @Test func aManifestServedAsAnotherKindIsRefused() async throws {
        let error = try await readingFails(tag) { $0["Content-Type"] = MediaType.ociIndex.description }
        guard case .malformed = error else { throw RegistryMismatch(error) }
    }

    @Test func aKindThatNobodyKnowsIsCarriedAsItIs() async throws {
        let bytes = Data(#"{"mediaType":"application/vnd.example.thing+json","anything":[1,2]}"#.utf8)
        try await withPeer({ request in
            guard request.method == "GET" else { return .answer(PeerResponse(201)) }
            return .answer(PeerResponse(200, ["Content-Type": "application/vnd.example.thing+json"], body: Array(bytes)))
        }) { peer, client in
            let manifest = try await client.manifest(app, .digest(Digest(hashing: bytes)))
            #expect(manifest.content == .opaque)
            let put = try await client.putManifest(manifest, to: app, as: tag)
            #expect(put == .stored())
            #expect(peer.requests.last?.body == Array(bytes))
            #expect(peer.requests.last?["content-type"] == "application/vnd.example.thing+json")
        }
    }

    @Test func aHeadWithoutDigestIsFollowedByAGet() async throws {
        try await withManifest({ $0["Docker-Content-Digest"] = nil }) { peer, client in
            let found = try await client.headManifest(app, tag)?.digest
            #expect(found == Self.image.digest)
            #expect(peer.requests.map(\.method) == ["HEAD", "GET"])
        }
    }

    @Test(arguments: ["sha256:abc", "latest", "sha256:\(String(repeating: "A", count: 64))"])
    func aHeadWithANonsensicalDigestIsMalformed(text: String) async throws {
        try await withManifest({ $0["Docker-Content-Digest"] = text }) { _, client in
            let error = await registryError { () throws(RegistryError) in _ = try await client.headManifest(app, tag) }
            guard case .malformed = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func aHeadByDigestThatFindsAnotherIsRefused() async throws {
        try await withManifest({ $0["Docker-Content-Digest"] = Self.other.description }) { _, client in
            let error = await registryError { () throws(RegistryError) in
                _ = try await client.headManifest(app, .digest(Self.image.digest))
            }
            guard case .contentMismatch = error else { throw RegistryMismatch(error) }
        }
    }

    @Test(arguments: [nil, image.digest.description, "sha512:\(String(repeating: "0", count: 128))"])
    func aManifestIsStoredWhereTheRegistrySaysSo(digest: String?) async throws {
        try await withManifest({
            $0 = PeerResponse(201)
            $0["Docker-Content-Digest"] = digest
        }) { _, client in
            let manifest = try Self.image.root
            let put = try await client.putManifest(manifest, to: app, as: tag)
            #expect(put == .stored())
        }
    }

    @Test func aManifestStoredUnderAnotherDigestIsAMismatch() async throws {
        try await withManifest({ $0 = PeerResponse(201, ["Docker-Content-Digest": Self.other.description]) }) { _, client in
            let manifest = try Self.image.root
            let error = await registryError { () throws(RegistryError) in _ = try await client.putManifest(manifest, to: app, as: tag) }
            guard case .contentMismatch = error else { throw RegistryMismatch(error) }
        }
    }

    @Test(arguments: [
        (400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", true, true), (400, "BLOB_UNKNOWN", "blob unknown", true, true),
        (404, "BLOB_UNKNOWN", "", false, true), (404, "MANIFEST_UNKNOWN", "manifest unknown", true, true),
        (400, "MANIFEST_INVALID", "manifest invalid: Unknown blob", false, true), (400, "MANIFEST_INVALID", "Failed to copy blob x", false, true),
        (400, "MANIFEST_INVALID", "unknown child", true, true), (400, "MANIFEST_INVALID", "unknown media type", false, false),
        (400, "MANIFEST_INVALID", "manifest invalid", true, false), (412, "DENIED", "immutable tag", true, false),
        (404, "NAME_UNKNOWN", "repository name not known", false, false),
    ])
    func missingContentIsSaidInManyWays(status: Int, code: String, message: String, named: Bool, missing: Bool) async throws {
        let detail = named ? #","detail":{"Digest":"\#(Self.other)"}"# : ""
        let body = #"{"errors":[{"code":"\#(code)","message":"\#(message)"\#(detail)}]}"#
        try await withPeer({ _ in .answer(PeerResponse(status, json: body)) }) { peer, client in
            let manifest = try Self.image.root
            var outcome: ManifestPut?
            let error = await registryError { () throws(RegistryError) in
                outcome = try await client.putManifest(manifest, to: app, as: tag)
            }
            if missing {
                #expect(outcome == .missingContent(named ? [Self.other] : [], message: message))
            } else {
                #expect(error?.answer?.status == status)
                #expect(error?.answer?.code == code)
            }
            #expect(peer.requests.count == 1)
        }
    }

    @Test(arguments: [400, 401, 403, 404, 405]) func aRefusedMountIsAnOutcome(status: Int) async throws {
        try await withPeer({ _ in .answer(PeerResponse(status, json: #"{"errors":[{"code":"DENIED","message":"no"}]}"#)) }) { peer, client in
            guard case .refused(let answer) = try await client.mountBlob(Self.other, to: app, from: app) else { throw RegistryMismatch(nil) }
            #expect(answer.status == status)
            #expect(peer.lines == ["POST /v2/app/blobs/uploads/?mount=sha256%3A\(Self.other.hex)&from=app"])
        }
    }

    @Test func aMountOfAnotherBlobIsNoMount() async throws {
        let wrong = Self.image.digest.description
        try await withPeer({ _ in .answer(PeerResponse(201, ["Docker-Content-Digest": wrong])) }) { _, client in
            guard case .refused(let answer) = try await client.mountBlob(Self.other, to: app, from: app) else { throw RegistryMismatch(nil) }
            #expect(answer.message.contains(wrong))
        }
    }

    @Test(arguments: [(404, "BLOB_UPLOAD_UNKNOWN"), (416, "RANGE_INVALID"), (400, "BLOB_UPLOAD_UNKNOWN")]) func aLostSessionIsSaidSo(status: Int, code: String) async throws {
        try await withPeer({ request in
            if request.method == "POST" { return .answer(PeerResponse(202, ["Location": "/up"])) }
            return .answer(PeerResponse(status, json: #"{"errors":[{"code":"\#(code)"}]}"#))
        }) { peer, client in
            let session = try await client.startUpload(app)
            let error = await registryError { () throws(RegistryError) in
                try await client.finishUpload(session, bytes: Data("x".utf8), digest: Self.other)
            }
            #expect(error.map { if case .uploadLost = $0 { true } else { false } } == true)
            #expect(error?.isTransient == true)
            #expect(peer.requests.count == 2)
        }
    }

    @Test func aBlobWithAFlippedBitIsRefused() async throws {
        var bytes = Self.image.blobs[1]
        bytes[100] ^= 1
        let flipped = bytes
        try await withPeer({ _ in .answer(PeerResponse(200, body: Array(flipped))) }) { _, client in
            let error = await registryError { () throws(RegistryError) in
                _ = try await client.blob(app, Self.image.blobDigests[1], limit: 10_000)
            }
            guard case .contentMismatch = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func aBlobThatIsCutOffIsRefused() async throws {
        try await withPeer({ _ in .cut(PeerResponse(200, body: Array(Self.image.blobs[1])), afterBytes: 1_000) }) { peer, client in
            let error = await registryError { () throws(RegistryError) in
                _ = try await client.blob(app, Self.image.blobDigests[1], limit: 10_000)
            }
            guard case .unreachable(_, .receiveFailed) = error else { throw RegistryMismatch(error) }
            #expect(peer.requests.count == 4)
        }
    }

    @Test(arguments: [#"{"token":""}"#, #"{"token":"a b"}"#, #"{"token":"a\r\nX: y"}"#, "[]", "", #"{"access_token":null}"#])
    func aTokenThatIsNoneIsMalformed(body: String) async throws {
        try await withToken(PeerResponse(200, json: body)) { _, error in
            guard case .malformed = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func aTokenAnswerThatIsTooLargeIsNotTaken() async throws {
        let body = #"{"token":"x"}"# + String(repeating: " ", count: 130 << 10)
        try await withToken(PeerResponse(200, json: body)) { _, error in
            guard case .unreachable(_, .bodyTooLarge) = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func aTokenServiceIsNotFollowedElsewhere() async throws {
        try await withToken(PeerResponse(307, ["Location": "/elsewhere"])) { peer, error in
            #expect(error?.answer?.status == 307)
            #expect(!peer.lines.contains("GET /elsewhere"))
        }
    }

    /// A registry that is its own token service, which answers with `answer`.
    private func withToken(_ answer: PeerResponse, _ body: (ScriptedPeer, RegistryError?) throws -> Void) async throws {
        try await withPeer({ request in
            if request.path == "/token" { return .answer(answer) }
            return .answer(PeerResponse(401, ["WWW-Authenticate": "Bearer realm=\"http://\(request["host"] ?? "")/token\""]))
        }) { peer, client in
            let error = await registryError { () throws(RegistryError) in _ = try await client.headManifest(app, tag) }
            try body(peer, error)
        }
    }
}

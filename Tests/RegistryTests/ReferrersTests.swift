import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// The referrers API: of registries that have it, that have none, and that say they have.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct ReferrersTests {
    private static let image = SampleImage.single("subject")
    private let app: RepositoryName

    init() throws { app = try .of("app") }

    private func artifact(_ name: String, type: String = "application/vnd.example.a") -> SampleImage {
        .artifact(type: type, about: Self.image.document, layers: [SampleLayer("text/plain", Data(name.utf8))], annotations: ["name": name])
    }

    /// A peer that answers every request for referrers with the same response.
    private func asking(
        _ response: PeerResponse, artifactType: String? = nil, _ body: (ReferrersAnswer?, RegistryError?, ScriptedPeer) throws -> Void
    ) async throws {
        try await withPeer({ _ in .answer(response) }) { peer, client in
            var answer: ReferrersAnswer?
            let error = await registryError { () throws(RegistryError) in
                answer = try await client.referrers(app, of: Self.image.digest, artifactType: artifactType, limit: 100)
            }
            try body(answer, error, peer)
        }
    }

    private func index(_ manifests: String) -> String { #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":\#(manifests)}"# }

    @Test func aRegistryThatHasTheAPISaysItTookAReferrerAndListsIt() async throws {
        let referrer = artifact("one")
        let api = ReferrersAPI()
        let registry = try await DockerRegistry.start()
        defer { registry.stop() }
        let peer = try api.peer(before: registry)
        defer { peer.stop() }
        try registry.put(Self.image, in: "app")
        for blob in referrer.blobs { try registry.put(blob, in: "app") }
        try await withClient(of: peer.port) { client in
            let manifest = try referrer.root
            let put = try await client.putManifest(manifest, to: app, as: .digest(manifest.digest))
            #expect(put == .stored(subject: Self.image.digest))
            let answer = try await client.referrers(app, of: Self.image.digest, limit: 100)
            guard case .listed(let list, true) = answer else { throw RegistryMismatch(nil) }
            #expect(list.map(\.digest) == [referrer.digest])
            #expect(list[0].artifactType == "application/vnd.example.a")
            let nobody = try await client.referrers(app, of: referrer.digest, limit: 100)
            #expect(nobody == .listed([], isComplete: true))
        }
    }

    @Test func dockersRegistryHasNoSuchAPI() async throws {
        try await withRegistry { registry, client in
            try registry.put(Self.image, in: "app")
            let answer = try await client.referrers(app, of: Self.image.digest, limit: 100)
            #expect(answer == .noAPI)
        }
    }

    @Test func pagesAreFollowedAndTheirSumIsBounded() async throws {
        let referrers = (0..<7).map { artifact("\($0)") }
        var conduct = ReferrersAPI.Conduct()
        conduct.pageSize = 3
        let api = ReferrersAPI(conduct)
        for referrer in referrers { api.list(referrer.document, under: Self.image.digest) }
        try await withPeer({ request in .answer(try api.answer(request) { _ in PeerResponse(500) }) }) { peer, client in
            let all = try await client.referrers(app, of: Self.image.digest, limit: 100)
            guard case .listed(let list, true) = all else { throw RegistryMismatch(nil) }
            #expect(list.map(\.digest) == referrers.map(\.digest))
            #expect(peer.requests.count == 3)
            let some = try await client.referrers(app, of: Self.image.digest, limit: 3)
            guard case .listed(let first, false) = some else { throw RegistryMismatch(nil) }
            #expect(first.map(\.digest) == referrers.prefix(3).map(\.digest))
            #expect(peer.requests.count == 4)
        }
    }

    @Test(arguments: [true, false]) func aFilterHoldsWhetherOrNotTheRegistryAppliesIt(applies: Bool) async throws {
        let wanted = artifact("wanted", type: "application/vnd.example.b")
        var conduct = ReferrersAPI.Conduct()
        conduct.filters = applies
        let api = ReferrersAPI(conduct)
        api.list(artifact("other").document, under: Self.image.digest, artifactType: "application/vnd.example.a")
        api.list(wanted.document, under: Self.image.digest, artifactType: "application/vnd.example.b")
        try await withPeer({ request in .answer(try api.answer(request) { _ in PeerResponse(500) }) }) { peer, client in
            let answer = try await client.referrers(app, of: Self.image.digest, artifactType: "application/vnd.example.b", limit: 100)
            guard case .listed(let list, true) = answer else { throw RegistryMismatch(nil) }
            #expect(list.map(\.digest) == [wanted.digest])
            #expect(peer.lines == ["GET /v2/app/referrers/\(Self.image.digest)?artifactType=application%2Fvnd.example.b"])
        }
    }

    @Test(arguments: [
        PeerResponse(404, ["Content-Type": "text/plain"], body: Array("404 page not found\n".utf8)), PeerResponse(405), PeerResponse(501),
        PeerResponse(404, json: #"{"errors":[{"code":"UNSUPPORTED"}]}"#), PeerResponse(200, ["Content-Type": "text/html"], body: Array("<html>".utf8)),
        PeerResponse(200, json: #"{"errors":[]}"#), PeerResponse(200, json: "[]"), PeerResponse(204),
    ])
    func noAPIIsAnAnswerAndAskedForOnce(response: PeerResponse) async throws {
        try await asking(response) { answer, error, peer in
            #expect(answer == .noAPI)
            #expect(error == nil)
            #expect(peer.requests.count == 1)
        }
    }

    @Test(arguments: [
        PeerResponse(404, json: #"{"errors":[{"code":"NAME_UNKNOWN"}]}"#), PeerResponse(404, json: #"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#),
        PeerResponse(400, json: #"{"errors":[{"code":"DIGEST_INVALID"}]}"#), PeerResponse(406),
    ])
    func whatSaysNothingOfTheAPIIsNotTakenForItsAbsence(response: PeerResponse) async throws {
        try await asking(response) { answer, _, _ in
            guard case .unclear(let words) = answer else { throw RegistryMismatch(nil) }
            #expect(words.status == response.status)
        }
    }

    @Test(arguments: [401, 403]) func aRefusalIsAnError(status: Int) async throws {
        try await asking(PeerResponse(status)) { answer, error, _ in
            #expect(answer == nil)
            #expect(error?.answer?.status == status)
        }
    }

    /// Harbor served its index as plain JSON for a while (harbor #19690); Go writes an empty list as null.
    @Test(arguments: ["[]", "null"]) func anIndexServedAsPlainJSONIsOne(manifests: String) async throws {
        try await asking(PeerResponse(200, json: index(manifests))) { answer, _, _ in #expect(answer == .listed([], isComplete: true)) }
    }

    @Test(arguments: [
        "", "{", "[]", #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","manifests":[]}"#, #"{"schemaVersion":1}"#,
        #"{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:zz","size":1}]}"#,
        #"{"schemaVersion":2,"manifests":[{"mediaType":"a","size":-1}]}"#,
    ])
    func aListThatIsNoneIsMalformed(body: String) async throws {
        try await asking(PeerResponse(200, ["Content-Type": MediaType.ociIndex.description], body: Array(body.utf8))) { answer, error, _ in
            #expect(answer == nil)
            guard case .malformed = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func anEntryListedTwiceCountsOnce() async throws {
        let entry = #"{"mediaType":"\#(MediaType.ociManifest)","digest":"\#(Self.image.digest)","size":7}"#
        try await asking(PeerResponse(200, ["Content-Type": MediaType.ociIndex.description], body: Array(index("[\(entry),\(entry)]").utf8))) { answer, _, _ in
            guard case .listed(let list, true) = answer else { throw RegistryMismatch(nil) }
            #expect(list.count == 1)
        }
    }

    @Test func pagesWithoutEndAreLeft() async throws {
        try await withPeer({ request in
            let number = Int(request.query("page").first ?? "0") ?? 0
            return .answer(
                PeerResponse(
                    200, ["Content-Type": MediaType.ociIndex.description, "Link": "<\(request.path)?page=\(number + 1)>; rel=\"next\""],
                    body: Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8)))
        }) { peer, client in
            let answer = try await client.referrers(app, of: Self.image.digest, limit: 100)
            #expect(answer == .listed([], isComplete: false))
            #expect(peer.requests.count == 100)
        }
    }

    @Test func theNextPageIsNotSoughtElsewhere() async throws {
        let elsewhere = try ScriptedPeer { _ in .answer(PeerResponse(200)) }
        defer { elsewhere.stop() }
        let link = "<http://\(elsewhere.host)/v2/app/referrers/x>; rel=\"next\""
        try await asking(
            PeerResponse(200, ["Content-Type": MediaType.ociIndex.description, "Link": link], body: Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8))
        ) { answer, error, _ in
            #expect(answer == nil)
            guard case .hostNotAllowed = error else { throw RegistryMismatch(error) }
            #expect(elsewhere.requests.isEmpty)
        }
    }

    @Test func aListThatBreaksOffIsNoList() async throws {
        try await withPeer({ request in
            guard request.query("page").isEmpty else { return .answer(PeerResponse(404)) }
            return .answer(
                PeerResponse(
                    200, ["Content-Type": MediaType.ociIndex.description, "Link": "<?page=2>; rel=\"next\""],
                    body: Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8)))
        }) { _, client in
            let error = await registryError { () throws(RegistryError) in _ = try await client.referrers(app, of: Self.image.digest, limit: 100) }
            guard case .notFound = error else { throw RegistryMismatch(error) }
        }
    }

    @Test(arguments: ["", "sha256:abc", "nonsense"]) func aNonsensicalSubjectIsNotTakenForOne(text: String) async throws {
        try await withPeer({ _ in .answer(PeerResponse(201, ["OCI-Subject": text])) }) { _, client in
            let put = try await client.putManifest(Self.image.root, to: app, as: .digest(Self.image.digest))
            #expect(put == .stored(subject: nil))
        }
    }
}

import Foundation
import HTTPTransport
import OCI
import Registry
import Synchronization
import TestSupport
import Testing
import Transfer

/// Uploads that lose their session, their token, their connection or their way.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct UploadHazardTests {
    private static let image = SampleImage.single("upload", layers: 1)

    /// A copy from a real registry into another, before which `change` decides every answer.
    private func copying(
        _ change: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> ScriptedPeer.Reply?,
        _ body: (Harness, DockerRegistry, ScriptedPeer, TransferError?) async throws -> Void
    ) async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(Self.image, in: "app")
            let proxy = try ScriptedPeer.before(registries[1]) { request, pass in try change(request, pass) ?? .answer(try pass(request)) }
            defer { proxy.stop() }
            let error = await transferError {
                _ = try await harness.copy(
                    Self.image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(proxy.port, "app", named: "target"))
            }
            try await body(harness, registries[1], proxy, error)
        }
    }

    private static func isBlobPut(_ request: PeerRequest) -> Bool { request.method == "PUT" && request.path.contains("/blobs/uploads/") }

    private func isWhole(_ registry: DockerRegistry) throws -> Bool { try registry.holds(Self.image, in: "app") }

    @Test(arguments: [404, 416]) func aSessionThatIsAlwaysLostIsOpenedThreeTimesAndNoMore(status: Int) async throws {
        let spoilt = Self.image.blobDigests[1]
        try await copying({ request, _ in
            Self.isBlobPut(request) && request.query("digest") == [spoilt.description] ? .answer(PeerResponse(status)) : nil
        }) { _, registry, proxy, error in
            guard case .registry(.uploadLost(let place)) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == spoilt.description)
            let puts = proxy.requests.filter { Self.isBlobPut($0) && $0.query("digest") == [spoilt.description] }
            #expect(puts.count == 3)
            #expect(Set(puts.map(\.path)).count == 3)
            #expect(try registry.manifest("app", Self.image.digest.description) == nil)
        }
    }

    /// Whatever became of the first: a second body never goes into the session that took part of one.
    @Test func aBrokenUploadGetsASessionOfItsOwn() async throws {
        let breaks = Countdown(2)
        try await copying({ request, _ in Self.isBlobPut(request) && breaks.next() > 0 ? .drop : nil }) { _, registry, proxy, error in
            #expect(error == nil)
            let isWhole = try isWhole(registry)
            #expect(isWhole)
            let sessions = proxy.requests.filter(Self.isBlobPut).map(\.path)
            #expect(sessions.count == 4)
            #expect(Set(sessions).count == 4)
        }
    }

    @Test func aConnectionThatEndsBeforeTheAnswerToAPostCostsASessionAndNothingElse() async throws {
        let breaks = Countdown(2)
        try await copying({ request, pass in
            guard request.method == "POST", breaks.next() > 0 else { return nil }
            _ = try pass(request)
            return .drop
        }) { _, registry, proxy, error in
            #expect(error == nil)
            let isWhole = try isWhole(registry)
            #expect(isWhole)
            #expect(proxy.requests.filter { $0.method == "POST" }.count == 4)
            #expect(proxy.requests.filter(Self.isBlobPut).count == 2)
        }
    }

    /// Each token is good until a body has been sent with it: the final PUT hears 401 behind its bytes.
    @Test func aTokenThatEndsInTheMiddleOfAnUploadIsReplaced() async throws {
        let tokens = Mutex((made: 0, refused: Set<String>()))
        let ends = Countdown(2)
        try await copying({ request, _ in
            if request.path == "/token" {
                let number = tokens.withLock { state in
                    state.made += 1
                    return state.made
                }
                return .answer(PeerResponse(200, json: #"{"token":"t\#(number)","expires_in":300}"#))
            }
            let authorization = request["authorization"] ?? ""
            let isSpent = tokens.withLock { state in
                if Self.isBlobPut(request), ends.next() > 0 { state.refused.insert(authorization) }
                return !authorization.hasPrefix("Bearer t") || state.refused.contains(authorization)
            }
            guard isSpent else { return nil }
            return .answer(PeerResponse(401, ["WWW-Authenticate": #"Bearer realm="http://\#(request["host"] ?? "")/token",service="test""#]))
        }) { _, registry, proxy, error in
            #expect(error == nil)
            let isWhole = try isWhole(registry)
            #expect(isWhole)
            // No body goes out with a token that was refused before.
            let puts = proxy.requests.filter(Self.isBlobPut)
            let spent = tokens.withLock { $0.refused }
            for token in spent { #expect(proxy.requests.filter { Self.isBlobPut($0) && $0["authorization"] == token }.count <= 2) }
            #expect(puts.count <= 5)
            #expect(puts.count > 2)
        }
    }

    /// Artifactory says of absent blobs that they are there: the manifest's PUT has the last word.
    @Test func aHeadThatLiesIsFoundOutByTheManifest() async throws {
        let failures = Countdown(2)
        try await copying({ request, _ in
            if request.method == "HEAD", request.path.contains("/blobs/") { return .answer(PeerResponse(200)) }
            return Self.isBlobPut(request) && failures.next() > 0 ? .answer(PeerResponse(500)) : nil
        }) { _, registry, proxy, error in
            #expect(error == nil)
            let isWhole = try isWhole(registry)
            #expect(isWhole)
            #expect(proxy.requests.contains { $0.method == "HEAD" && $0.path.contains("/blobs/") })
            #expect(proxy.requests.filter { $0.method == "PUT" && $0.path.contains("/manifests/") }.count == 2)
        }
    }

    @Test func aHeadThatLiesOfABlobThatNeverArrivesEndsWithItsName() async throws {
        let spoilt = Self.image.blobDigests[1]
        try await copying({ request, _ in
            if request.method == "HEAD", request.path.contains("/blobs/") { return .answer(PeerResponse(200)) }
            return Self.isBlobPut(request) && request.query("digest") == [spoilt.description] ? .answer(PeerResponse(500)) : nil
        }) { harness, registry, proxy, error in
            guard case .repairExhausted(_, let digests) = error else { throw Unexpected(error as Any) }
            #expect(digests == [spoilt])
            #expect(proxy.requests.count <= 24)
            #expect(try registry.manifest("app", Self.image.digest.description) == nil)
            // What was found out is known: the next attempt does not begin with the lie.
            let target = try harness.site(proxy.port, "app", named: "target")
            let known = try await harness.memory.snapshot(
                server: target.server, repository: target.repository, blobs: [spoilt], manifests: [Self.image.digest])
            #expect(known.manifests.isEmpty)
            #expect(known.holders[spoilt] == [])
        }
    }

    @Test(arguments: ["file:///etc/passwd", "ftp://HOST/up", "http://STORAGE/up", "//STORAGE/up", "https://STORAGE/up", "http://HOST@STORAGE/up", "http://"])
    func aSessionThatLeadsAstrayIsNotFollowed(location: String) async throws {
        let storage = try ScriptedPeer { _ in .answer(PeerResponse(201)) }
        defer { storage.stop() }
        try await copying({ request, _ in
            guard request.method == "POST" else { return nil }
            let place = location.replacing("HOST", with: request["host"] ?? "").replacing("STORAGE", with: storage.host)
            return .answer(PeerResponse(202, ["Location": place]))
        }) { _, registry, proxy, error in
            switch error {
            case .registry(.hostNotAllowed(let place, _, _)), .registry(.malformed(let place, _)): #expect(place.registry == "target")
            default: throw Unexpected(error as Any)
            }
            #expect(error?.isTransient == false)
            #expect(storage.requests.isEmpty)
            #expect(!proxy.requests.contains { $0.method == "PUT" })
            #expect(try registry.manifest("app", Self.image.digest.description) == nil)
        }
    }

    /// A session that points at itself: the PUT is answered by a redirect, which nobody follows with a body.
    @Test func aSessionThatLeadsInACircleEnds() async throws {
        try await copying({ request, _ in Self.isBlobPut(request) ? .answer(PeerResponse(307, ["Location": request.target])) : nil }) { _, registry, proxy, error in
            guard case .registry(.refused(_, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(answer.status == 307)
            #expect(proxy.requests.filter(Self.isBlobPut).count <= 2)
            #expect(try registry.manifest("app", Self.image.digest.description) == nil)
        }
    }
}

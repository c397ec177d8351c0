import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

@testable import Transfer

/// The last step: the tag.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct TagTests {
    private static let old = SampleImage.single("old")
    private static let new = SampleImage.single("new")
    private let tag: OCI.Tag

    init() throws { tag = try OCI.Tag(parsing: "v1") }

    /// A target that holds both images, behind a peer that may spoil its answers.
    private func withTarget(
        tagged: SampleImage? = nil, _ change: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> ScriptedPeer.Reply? = { _, _ in nil },
        _ body: (Harness, DockerRegistry, ScriptedPeer, Site) async throws -> Void
    ) async throws {
        try await withRegistries(1) { harness, registries in
            for image in [Self.old, Self.new] { try registries[0].put(image, in: "app") }
            if let tagged { try registries[0].put(tagged.manifests[0], in: "app", as: "v1") }
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in
                try change(request, pass) ?? .answer(try pass(request))
            }
            defer { proxy.stop() }
            try await body(harness, registries[0], proxy, harness.site(proxy.port, "app"))
        }
    }

    private func move(_ harness: Harness, _ site: Site, seen: Digest? = nil, within limit: Duration = .seconds(20)) async throws -> TagWrite {
        try await harness.engine.moveTag(tag, to: Self.new.digest, at: site, seen: seen.map(TagSighting.names), deadline: .now + limit, meter: RequestMeter())
    }

    @Test func aNewTag() async throws {
        try await withTarget { harness, registry, proxy, site in
            let write = try await move(harness, site)
            #expect(write == TagWrite(tag: tag, previous: nil, written: true))
            #expect(try registry.manifest("app", "v1") == Self.new.manifests[0].bytes)
            #expect(proxy.requests.filter { $0.path.hasSuffix("v1") }.map(\.method) == ["HEAD", "PUT", "HEAD"])
        }
    }

    @Test func aTagThatMoves() async throws {
        try await withTarget(tagged: Self.old) { harness, registry, _, site in
            let write = try await move(harness, site)
            #expect(write == TagWrite(tag: tag, previous: Self.old.digest, written: true))
            #expect(try registry.manifest("app", "v1") == Self.new.manifests[0].bytes)
        }
    }

    @Test func aTagThatIsThereAlreadyIsNotWritten() async throws {
        try await withTarget(tagged: Self.new) { harness, _, proxy, site in
            let write = try await move(harness, site)
            #expect(write == TagWrite(tag: tag, previous: Self.new.digest, written: false))
            #expect(proxy.requests.map(\.method) == ["HEAD"])
        }
    }

    @Test func whatWasSeenIsNotLookedUpAgain() async throws {
        try await withTarget(tagged: Self.old) { harness, _, proxy, site in
            let write = try await move(harness, site, seen: Self.old.digest)
            #expect(write.previous == Self.old.digest)
            #expect(proxy.requests.filter { $0.path.hasSuffix("v1") }.map(\.method) == ["PUT", "HEAD"])
        }
    }

    @Test func whatWasSeenToBeAbsentIsNotLookedUpAgain() async throws {
        try await withTarget { harness, _, proxy, site in
            let write = try await harness.engine.moveTag(
                tag, to: Self.new.digest, at: site, seen: .absent, deadline: .now + .seconds(20), meter: RequestMeter())
            #expect(write == TagWrite(tag: tag, previous: nil, written: true))
            #expect(proxy.requests.filter { $0.path.hasSuffix("v1") }.map(\.method) == ["PUT", "HEAD"])
        }
    }

    @Test func aTagThatSomebodyElseMovesIsNoSuccess() async throws {
        try await withTarget({ request, pass in
            guard request.method == "PUT" else { return nil }
            let answer = try pass(request)
            var other = request
            other.body = Array(Self.old.manifests[0].bytes)
            _ = try pass(other)
            return .answer(answer)
        }) { harness, _, _, site in
            let error = await transferError { _ = try await move(harness, site) }
            guard case .tagMoved(let place, Self.new.digest, Self.old.digest) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == "v1")
            #expect(error?.isTransient == false)
        }
    }

    @Test func aRegistryThatOnlySaysItWroteIsNotBelieved() async throws {
        try await withTarget({ request, _ in request.method == "PUT" ? .answer(PeerResponse(201)) : nil }) { harness, _, _, site in
            let error = await transferError { _ = try await move(harness, site) }
            guard case .tagMoved(_, _, nil) = error else { throw Unexpected(error as Any) }
        }
    }

    @Test func noWriteBeginsAfterTheDeadline() async throws {
        try await withTarget { harness, registry, proxy, site in
            let error = await transferError { _ = try await move(harness, site, seen: Self.old.digest, within: .zero) }
            guard case .registry(.timedOut) = error else { throw Unexpected(error as Any) }
            #expect(!proxy.requests.contains { $0.method == "PUT" })
            #expect(try registry.manifest("app", "v1") == nil)
        }
    }

    @Test func anImmutableTagIsSaidInTheRegistrysWords() async throws {
        try await withTarget({ request, _ in
            guard request.method == "PUT" else { return nil }
            return .answer(PeerResponse(412, json: #"{"errors":[{"code":"PRECONDITION","message":"tag v1 is immutable"}]}"#))
        }) { harness, _, _, site in
            let error = await transferError { _ = try await move(harness, site) }
            #expect(error?.description == "app:v1 in registry test: the registry refused (412 PRECONDITION tag v1 is immutable)")
        }
    }

    /// A collector took a blob between the copy and the tag: the tag stays, and the next attempt brings the blob.
    @Test func anImageThatWasCollectedIsForgotten() async throws {
        try await withTarget(tagged: Self.old) { harness, registry, _, site in
            try await harness.memory.record(
                [.manifest(Self.new.digest, blobs: Self.new.blobDigests)], server: site.server, repository: site.repository)
            try registry.forget(Self.new.blobDigests[1], in: "app")
            let error = await transferError { _ = try await move(harness, site) }
            guard case .repairExhausted(_, let digests) = error else { throw Unexpected(error as Any) }
            #expect(digests == [Self.new.blobDigests[1]])
            #expect(error?.isTransient == true)
            #expect(try registry.manifest("app", "v1") == Self.old.manifests[0].bytes)
            let known = try await harness.memory.snapshot(
                server: site.server, repository: site.repository, blobs: Self.new.blobDigests, manifests: [Self.new.digest])
            #expect(known.manifests.isEmpty)
            #expect(known.holders[Self.new.blobDigests[1]] == [])
        }
    }
}

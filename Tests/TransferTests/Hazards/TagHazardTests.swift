import Foundation
import OCI
import Registry
import Synchronization
import TestSupport
import Testing

@testable import Transfer

/// Tags whose answers are lost, and tags that two write at once.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct TagHazardTests {
    private static let old = SampleImage.single("old")
    private static let new = SampleImage.single("new")
    private let tag: OCI.Tag

    init() throws { tag = try OCI.Tag(parsing: "v1") }

    private func withTarget(
        _ change: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> ScriptedPeer.Reply?,
        _ body: (Harness, DockerRegistry, ScriptedPeer, Site) async throws -> Void
    ) async throws {
        try await withRegistries(1) { harness, registries in
            for image in [Self.old, Self.new] { try registries[0].put(image, in: "app") }
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in try change(request, pass) ?? .answer(try pass(request)) }
            defer { proxy.stop() }
            try await body(harness, registries[0], proxy, harness.site(proxy.port, "app"))
        }
    }

    private func move(_ image: SampleImage, _ harness: Harness, _ site: Site) async throws -> TagWrite {
        try await harness.engine.moveTag(tag, to: image.digest, at: site, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter())
    }

    private static let isImmutable = PeerResponse(412, json: #"{"errors":[{"code":"PRECONDITION","message":"tag v1 is immutable"}]}"#)

    /// The write was done, its answer was lost, and the registry refuses the repetition since the tag exists by now.
    @Test func anImmutableTagThatWeWroteOurselvesIsASuccess() async throws {
        let writes = Countdown(1)
        try await withTarget({ request, pass in
            guard request.method == "PUT" else { return nil }
            guard writes.next() > 0 else { return .answer(Self.isImmutable) }
            _ = try pass(request)
            return .drop
        }) { harness, registry, proxy, site in
            let write = try await move(Self.new, harness, site)
            #expect(write == TagWrite(tag: tag, previous: nil, written: true))
            #expect(try registry.manifest("app", "v1") == Self.new.manifests[0].bytes)
            #expect(proxy.requests.filter { $0.method == "PUT" }.count == 2)
        }
    }

    @Test func anImmutableTagOfSomethingElseStaysARefusal() async throws {
        try await withTarget({ request, pass in
            guard request.method == "PUT" else { return nil }
            // Somebody else was there first.
            var other = request
            other.body = Array(Self.old.manifests[0].bytes)
            _ = try pass(other)
            return .answer(Self.isImmutable)
        }) { harness, registry, _, site in
            let error = await transferError { _ = try await move(Self.new, harness, site) }
            guard case .registry(.refused(_, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(answer.status == 412)
            #expect(try registry.manifest("app", "v1") == Self.old.manifests[0].bytes)
        }
    }

    /// Both look, both write, and only then does either read back: no registry tells them apart.
    @Test func ofTwoWhoWriteOneTagAtOnceOnlyOneSucceeds() async throws {
        let writes = Mutex(0)
        let bothLooked = Gate()
        let bothWrote = Gate()
        let looks = Mutex(0)
        try await withTarget({ request, pass in
            guard request.path.hasSuffix("/manifests/v1") else { return nil }
            if request.method == "PUT" {
                let answer = try pass(request)
                let count = writes.withLock { count in
                    count += 1
                    return count
                }
                if count == 2 { bothWrote.open() }
                return .answer(answer)
            }
            let number = looks.withLock { count in
                count += 1
                return count
            }
            if number == 2 { bothLooked.open() }
            if number <= 2 { bothLooked.wait() } else { bothWrote.wait() }
            return nil
        }) { harness, registry, _, site in
            var ends: [Result<TagWrite, any Error>] = []
            await withTaskGroup(of: Result<TagWrite, any Error>.self) { group in
                for image in [Self.old, Self.new] {
                    group.addTask {
                        do { return .success(try await move(image, harness, site)) } catch { return .failure(error) }
                    }
                }
                for await end in group { ends.append(end) }
            }
            #expect(ends.filter { if case .success = $0 { true } else { false } }.count == 1)
            let names = try #require(try registry.manifest("app", "v1"))
            for case .failure(let error) in ends {
                guard case .tagMoved(_, let expected, let found) = error as? TransferError else { throw Unexpected(error) }
                #expect(found == Digest(hashing: names))
                #expect(expected != found)
            }
        }
    }
}

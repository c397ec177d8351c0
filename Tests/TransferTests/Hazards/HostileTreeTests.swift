import Foundation
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Sources whose manifests are made to harm: each is refused after few requests, and no target is asked for anything.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct HostileTreeTests {
    /// A source that serves these manifests and nothing else.
    private func copying(
        _ root: Digest, of manifests: [Digest: Data], _ body: (TransferError?, ScriptedPeer) async throws -> Void
    ) async throws {
        let source = try ScriptedPeer { request in
            let name = request.path.split(separator: "/").last ?? ""
            let found = manifests.first { $0.key.description == name }?.value
            return .answer(found.map { PeerResponse(200, ["Content-Type": MediaType.ociIndex.description], body: Array($0)) } ?? PeerResponse(404))
        }
        defer { source.stop() }
        let target = try ScriptedPeer { _ in .answer(PeerResponse(500)) }
        defer { target.stop() }
        try await withHarness { harness in
            let error = await transferError {
                _ = try await harness.copy(root, from: harness.site(source.port, "app", named: "source"), to: harness.site(target.port, "app"))
            }
            #expect(target.requests.isEmpty)
            #expect(harness.memory.manifestCount <= ManifestLimits.depth + 5)
            try await body(error, source)
        }
    }

    private static func child(_ digest: Digest, size: Int = 2) -> String {
        #"{"mediaType":"\#(MediaType.ociIndex)","digest":"\#(digest)","size":\#(size)}"#
    }

    private static func index(_ children: [String], note: String = "") -> Data {
        Data(#"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","annotations":{"note":"\#(note)"},"manifests":[\#(children.joined(separator: ","))]}"#.utf8)
    }

    /// Digests of nothing that exists.
    private static func digests(_ count: Int, from first: Int = 0) throws -> [Digest] {
        try (first..<first + count).map { number in
            let digits = String(number, radix: 16)
            return try Digest(parsing: "sha256:" + String(repeating: "0", count: 64 - digits.count) + digits)
        }
    }

    @Test func aManifestOf100MegabytesIsNotTaken() async throws {
        let huge = Data(repeating: 0x20, count: 100_000_000)
        let root = try Self.digests(1)[0]
        try await copying(root, of: [root: huge]) { error, source in
            guard case .registry(.malformed(let place, let reason)) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == root.description)
            #expect(reason.contains("\(ManifestLimits.bytes)"))
            #expect(source.requests.count == 1)
        }
    }

    @Test func aHundredIndexesInEachOtherAreLeftAtTheLimit() async throws {
        var manifests: [Digest: Data] = [:]
        var inner = Self.index([])
        for _ in 0..<100 {
            manifests[Digest(hashing: inner)] = inner
            inner = Self.index([Self.child(Digest(hashing: inner), size: inner.count)])
        }
        let root = Digest(hashing: inner)
        manifests[root] = inner
        try await copying(root, of: manifests) { error, source in
            guard case .tree(root, _) = error else { throw Unexpected(error as Any) }
            #expect(source.requests.count == ManifestLimits.depth + 1)
        }
    }

    /// 100,000 are too many bytes; 20,000 are few enough bytes and too many children.
    @Test(arguments: [100_000, 20_000]) func anIndexOfTooManyChildrenIsRefusedWhole(count: Int) async throws {
        let index = Self.index(try Self.digests(count).map { Self.child($0) })
        let root = Digest(hashing: index)
        try await copying(root, of: [root: index]) { error, source in
            guard case .registry(.malformed(let place, _)) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == root.description)
            #expect(source.requests.count == 1)
        }
    }

    @Test func tooManyManifestsInOneTreeAreRefusedBeforeTheyAreRead() async throws {
        let part = ManifestLimits.manifests / 2
        let parts = try (0..<3).map { Self.index(try Self.digests(part, from: $0 * part).map { Self.child($0) }) }
        let whole = Self.index(parts.map { Self.child(Digest(hashing: $0), size: $0.count) })
        let root = Digest(hashing: whole)
        try await copying(root, of: Dictionary(uniqueKeysWithValues: (parts + [whole]).map { (Digest(hashing: $0), $0) })) { error, source in
            guard case .tree(root, _) = error else { throw Unexpected(error as Any) }
            #expect(source.requests.count == 4)
        }
    }

    /// Each of them is small enough; all of them together are not.
    @Test func manifestsThatAreLargeTogetherAreNotAllRead() async throws {
        let filling = String(repeating: "x", count: ManifestLimits.bytes - 1_000)
        let children = (0..<40).map { Self.index([], note: "\($0)\(filling)") }
        let whole = Self.index(children.map { Self.child(Digest(hashing: $0), size: $0.count) })
        let root = Digest(hashing: whole)
        try await copying(root, of: Dictionary(uniqueKeysWithValues: (children + [whole]).map { (Digest(hashing: $0), $0) })) { error, _ in
            guard case .tree(root, let reason) = error else { throw Unexpected(error as Any) }
            #expect(reason.contains("\(ManifestLimits.treeBytes)"))
        }
    }

    /// A manifest can't hold its own digest: who names itself is not what was asked for.
    @Test func anIndexThatNamesItselfIsRefused() async throws {
        let root = try Self.digests(1)[0]
        try await copying(root, of: [root: Self.index([Self.child(root)])]) { error, source in
            guard case .registry(.contentMismatch(let place, _)) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == root.description)
            #expect(source.requests.count == 1)
        }
    }

    @Test func aChildThatIsNamedTenThousandTimesIsReadAndWrittenOnce() async throws {
        let child = SampleImage.single("often")
        let text = child.manifests.map { #"{"mediaType":"\#($0.mediaType)","digest":"\#($0.digest)","size":\#($0.bytes.count)}"# }
        let index = Self.index((0..<ManifestLimits.children).flatMap { _ in text })
        let root = Digest(hashing: index)
        try await withRegistries(1) { harness, registries in
            try registries[0].put(child, in: "app")
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                let isRoot = request.path.hasSuffix(root.description)
                return .answer(isRoot ? PeerResponse(200, ["Content-Type": MediaType.ociIndex.description], body: Array(index)) : try pass(request))
            }
            defer { source.stop() }
            let target = try ScriptedPeer { request in
                switch request.method {
                case "POST": .answer(PeerResponse(202, ["Location": "/up?s=\(UUID())"]))
                default: .answer(PeerResponse(201))
                }
            }
            defer { target.stop() }
            _ = try await harness.copy(root, from: harness.site(source.port, "app"), to: harness.site(target.port, "app"))
            #expect(source.requests.filter { $0.path.contains("/manifests/") }.count == 2)
            #expect(target.requests.filter { $0.path.contains("/manifests/") }.count == 2)
            #expect(target.requests.filter { $0.method == "POST" }.count == child.blobs.count)
        }
    }
}

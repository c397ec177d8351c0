import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Sources that lack, spoil or invent content.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct SourceFaultTests {
    private static let image = SampleImage.index([.single("a"), .single("b")])

    /// Copies the image from a source whose answers `change` may spoil; nothing of it may be complete at the target afterwards.
    private func copying(
        of image: SampleImage = image, _ change: @escaping @Sendable (PeerRequest, inout PeerResponse) -> ScriptedPeer.Reply?,
        _ body: (TransferError?, ScriptedPeer) throws -> Void
    ) async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                var response = try pass(request)
                return change(request, &response) ?? .answer(response)
            }
            defer { source.stop() }
            let error = await transferError {
                _ = try await harness.copy(
                    image.digest, from: harness.site(source.port, "app", named: "source"), to: harness.site(registries[1].port, "app"))
            }
            try body(error, source)
            #expect(try registries[1].manifest("app", image.digest.description) == nil)
        }
    }

    @Test func aBlobThatIsMissingIsNamed() async throws {
        let missing = Self.image.blobDigests[1]
        try await copying({ request, response in
            if request.path.hasSuffix(missing.description) { response = PeerResponse(404) }
            return nil
        }) { error, source in
            guard case .missingAtSource(let place, let digest) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "source")
            #expect(digest == missing)
            #expect(error?.isTransient == false)
            #expect(source.requests.filter { $0.path.hasSuffix(missing.description) }.count == 1)
        }
    }

    @Test func everyChildManifestThatIsMissingIsNamedBeforeAnythingMoves() async throws {
        let missing = Self.image.manifests.dropLast().map(\.digest)
        try await copying({ request, response in
            if missing.contains(where: { request.path.hasSuffix($0.description) }) { response = PeerResponse(404) }
            return nil
        }) { error, source in
            guard case .childrenMissing(let place, let children) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == Self.image.digest.description)
            #expect(children.map(\.digest) == missing)
            #expect(error?.description.contains("linux/amd64 \(missing[0]), linux/arm64 \(missing[1])") == true)
            #expect(error?.isTransient == false)
            #expect(!source.requests.contains { $0.path.contains("/blobs/") })
        }
    }

    @Test func aBlobWithAFlippedBitNeverArrives() async throws {
        let spoilt = Self.image.blobDigests[1]
        try await copying({ request, response in
            if request.path.hasSuffix(spoilt.description) { response.body[7] ^= 1 }
            return nil
        }) { error, source in
            guard case .registry(.contentMismatch(let place, _)) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == spoilt.description)
            #expect(source.requests.filter { $0.path.hasSuffix(spoilt.description) }.count == 1)
        }
    }

    @Test func aManifestWithOtherBytesNeverArrives() async throws {
        let spoilt = Self.image.manifests[1].digest
        try await copying({ request, response in
            if request.path.hasSuffix(spoilt.description) { response.body.append(0x20) }
            response["Content-Length"] = nil
            return nil
        }) { error, _ in
            guard case .registry(.contentMismatch(let place, _)) = error else { throw Unexpected(error as Any) }
            #expect(place.reference == spoilt.description)
        }
    }

    @Test func aBlobThatIsAlwaysCutOffNeverArrives() async throws {
        let spoilt = Self.image.blobDigests[1]
        try await copying({ request, response in
            request.path.hasSuffix(spoilt.description) ? .cut(response, afterBytes: 100) : nil
        }) { error, _ in
            guard case .registry(.unreachable) = error else { throw Unexpected(error as Any) }
            #expect(error?.isTransient == true)
        }
    }

    /// The 200 to a Range request is a fault of its own; the hash has the last word.
    @Test func aBlobThatIsCutOffOnceArrives() async throws {
        let image = SampleImage.single("cut once", layers: 1, layerBytes: 500_000)
        let cuts = Countdown(1)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                let response = try pass(request)
                let isCut = request.path.hasSuffix(image.blobDigests[1].description) && cuts.next() > 0
                return isCut ? .cut(response, afterBytes: 200_000) : .answer(response)
            }
            defer { source.stop() }
            _ = try await harness.copy(
                image.digest, from: harness.site(source.port, "app"), to: harness.site(registries[1].port, "app"))
            let isWhole = try registries[1].holds(image, in: "app")
            #expect(isWhole)
            let reads = source.requests.filter { $0.path.hasSuffix(image.blobDigests[1].description) }
            #expect(reads.map { $0["range"] != nil } == [false, true])
        }
    }

    @Test func anIndexThatIsNestedTooDeepIsRefused() async throws {
        let depth = ManifestLimits.depth + 1
        var image = SampleImage.single("deep")
        for _ in 0..<depth { image = .index([image]) }
        let deep = image
        try await copying(of: deep, { _, _ in nil }) { error, source in
            guard case .tree(let root, let reason) = error else { throw Unexpected(error as Any) }
            #expect(root == deep.digest)
            #expect(reason.contains("\(ManifestLimits.depth)"))
            #expect(source.requests.count == depth)
        }
    }

    @Test func anIndexThatIsNestedJustDeepEnoughArrives() async throws {
        var image = SampleImage.single("deep")
        for _ in 0..<ManifestLimits.depth { image = .index([image]) }
        let deep = image
        try await withRegistries(2) { harness, registries in
            try registries[0].put(deep, in: "app")
            _ = try await harness.copy(
                deep.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            let isWhole = try registries[1].holds(deep, in: "app")
            #expect(isWhole)
        }
    }

    @Test func aCancelledCopyEndsWithoutAManifest() async throws {
        let held = Gate()
        defer { held.open() }
        try await withRegistries(2) { harness, registries in
            try registries[0].put(Self.image, in: "app")
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                if request.path.contains("/blobs/") { held.wait() }
                return .answer(try pass(request))
            }
            defer { source.stop() }
            let from = try harness.site(source.port, "app")
            let target = try harness.site(registries[1].port, "app")
            let error = try await withThrowingTaskGroup(of: TransferError?.self) { group in
                group.addTask { await transferError { _ = try await harness.copy(Self.image.digest, from: from, to: target) } }
                try await eventually("a request") { source.requests.contains(where: { $0.path.contains("/blobs/") }) }
                group.cancelAll()
                return try await group.next() ?? nil
            }
            #expect(error == .cancelled)
            #expect(try registries[1].manifest("app", Self.image.digest.description) == nil)
        }
    }
}

import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Beliefs that were wrong, mounts that are refused, uploads that break: what the engine does about it.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct RepairTests {
    /// A copy to a target that was done once, after which `change` spoils the target; then the copy again, under a new root.
    private func withStaleBelief(
        _ change: (DockerRegistry, SampleImage) throws -> Void,
        _ body: (Harness, DockerRegistry, SampleImage, TransferReport) async throws -> Void
    ) async throws {
        let first = SampleImage.single("first", layers: 3)
        let second = SampleImage.single("second", layers: 1, shared: Array(first.blobs.dropFirst()))
        try await withRegistries(2) { harness, registries in
            for image in [first, second] { try registries[0].put(image, in: "app") }
            let source = try harness.site(registries[0].port, "app")
            let target = try harness.site(registries[1].port, "app")
            _ = try await harness.copy(first.digest, from: source, to: target)
            try change(registries[1], first)
            let report = try await harness.copy(second.digest, from: source, to: target)
            let isWhole = try registries[1].holds(second, in: "app")
            #expect(isWhole)
            try await body(harness, registries[1], second, report)
        }
    }

    @Test func aBlobThatACollectorTookIsBroughtAgain() async throws {
        try await withStaleBelief({ try $0.forget($1.blobDigests[1], in: "app") }) { harness, _, _, report in
            // Two layers are there, the third, the new layer and the new configuration were sent; nothing is counted twice.
            #expect(report.targets[0].present.blobs == 2)
            #expect(report.targets[0].copied.blobs == 3)
        }
    }

    @Test func allBlobsThatACollectorTookAreBroughtAgain() async throws {
        try await withStaleBelief({ registry, image in
            for digest in image.blobDigests { try registry.forget(digest, in: "app") }
        }) { _, _, _, report in
            #expect(report.targets[0].present.blobs == 0)
            #expect(report.targets[0].copied.blobs == 5)
        }
    }

    @Test func aChildManifestThatWasDeletedIsPutAgain() async throws {
        let children = [SampleImage.single("a"), .single("b")]
        let index = SampleImage.index(children)
        let other = SampleImage.index(children.reversed())
        try await withRegistries(2) { harness, registries in
            for image in [index, other] { try registries[0].put(image, in: "app") }
            let source = try harness.site(registries[0].port, "app")
            let target = try harness.site(registries[1].port, "app")
            _ = try await harness.copy(index.digest, from: source, to: target)
            try registries[1].send(PeerRequest("DELETE", "/v2/app/manifests/\(children[0].digest)"))
            try registries[1].forget(children[0].blobDigests[0], in: "app")
            let repaired = try await harness.copy(other.digest, from: source, to: target)
            #expect(repaired.targets[0].manifests == 2)
            let isWhole = try registries[1].holds(other, in: "app")
            #expect(isWhole)
            // What was repaired is known again.
            let again = try await harness.copy(other.digest, from: source, to: target)
            #expect(again.targets[0].requests == [:])
        }
    }

    @Test func aMountThatIsRefusedBecomesAnUploadInItsSession() async throws {
        let image = SampleImage.single("refused mount", layers: 1)
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let source = try harness.site(registries[0].port, "app")
            let target = try harness.site(registries[1].port, "app")
            // Believed to be somewhere on the target's server, where nothing is.
            let elsewhere = try RepositoryName(parsing: "elsewhere")
            try await harness.memory.record(image.blobDigests.map(Sighting.blob), server: target.server, repository: elsewhere)
            let report = try await harness.copy(image.digest, from: source, to: target)
            let isWhole = try registries[1].holds(image, in: "app")
            #expect(isWhole)
            #expect(report.targets[0].copied.blobs == 2)
            // The session of each refused mount takes the blob.
            #expect(report.targets[0].requests == ["post": 2, "put": 3])
            for digest in image.blobDigests { #expect(harness.memory.sightings.contains(.mountRefused(digest, from: elsewhere))) }
            let snapshot = try await harness.memory.snapshot(
                server: target.server, repository: target.repository, blobs: image.blobDigests, manifests: [])
            #expect(snapshot.holders.values.allSatisfy { $0 == [BlobHolder(repository: target.repository, isCommitted: true)] })
        }
    }

    @Test(arguments: [401, 403, 405]) func aMountThatIsForbiddenBecomesAnUpload(status: Int) async throws {
        let image = SampleImage.single("forbidden mount", layers: 1)
        try await withRegistries(1) { harness, registries in
            try registries[0].put(image, in: "dev/app")
            let proxy = try ScriptedPeer.before(registries[0]) { request, pass in
                request.query("mount").isEmpty ? .answer(try pass(request)) : .answer(PeerResponse(status))
            }
            defer { proxy.stop() }
            let report = try await harness.copy(
                image.digest, from: harness.site(proxy.port, "dev/app"), to: harness.site(proxy.port, "test/app"))
            let isWhole = try registries[0].holds(image, in: "test/app")
            #expect(isWhole)
            #expect(report.targets[0].copied.blobs == 2)
        }
    }

    /// The target's answer to a blob's PUT is spoilt so many times; the blob arrives nevertheless, or it does not.
    private func copying(
        _ image: SampleImage, spoiling times: Int, _ spoil: @escaping @Sendable (PeerRequest, (PeerRequest) throws -> PeerResponse) throws -> ScriptedPeer.Reply,
        _ body: (Harness, DockerRegistry, ScriptedPeer, TransferError?) async throws -> Void
    ) async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let left = Countdown(times)
            let proxy = try ScriptedPeer.before(registries[1]) { request, pass in
                let isUpload = request.method == "PUT" && request.path.contains("/blobs/uploads/")
                return isUpload && left.next() > 0 ? try spoil(request, pass) : .answer(try pass(request))
            }
            defer { proxy.stop() }
            let error = await transferError {
                _ = try await harness.copy(
                    image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(proxy.port, "app", named: "target"))
            }
            try await body(harness, registries[1], proxy, error)
        }
    }

    private static let one = SampleImage.single("one", layers: 0)

    @Test(arguments: [401, 404, 416, 500, 503]) func anUploadThatFailsTwiceIsDoneAgain(status: Int) async throws {
        try await copying(Self.one, spoiling: 2, { _, _ in .answer(PeerResponse(status)) }) { _, registry, _, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.one, in: "app")
            #expect(isWhole)
        }
    }

    @Test func anUploadThatKeepsFailingEnds() async throws {
        try await copying(Self.one, spoiling: .max, { _, _ in .answer(PeerResponse(500)) }) { _, registry, proxy, error in
            guard case .registry(.serverError(let place, _)) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "target")
            #expect(place.reference == Self.one.blobDigests[0].description)
            #expect(proxy.requests.filter { $0.method == "PUT" && $0.path.contains("/blobs/") }.count == 3)
            #expect(try registry.manifest("app", Self.one.digest.description) == nil)
        }
    }

    @Test func aRefusedUploadIsNotRepeated() async throws {
        try await copying(Self.one, spoiling: .max, { _, _ in .answer(PeerResponse(413)) }) { _, _, proxy, error in
            #expect(error.map { if case .registry(.refused) = $0 { true } else { false } } == true)
            #expect(proxy.requests.filter { $0.method == "PUT" && $0.path.contains("/blobs/") }.count == 1)
        }
    }

    /// The blob is stored, but the answer gets lost, or says that somebody else was faster: a look decides.
    @Test(arguments: [nil, 500, 400, 409]) func aLookDecidesWhereTheAnswerIsInDoubt(status: Int?) async throws {
        try await copying(
            Self.one, spoiling: 1,
            { request, pass in
                _ = try pass(request)
                return status.map { .answer(PeerResponse($0)) } ?? .drop
            }
        ) { _, registry, proxy, error in
            #expect(error == nil)
            let isWhole = try registry.holds(Self.one, in: "app")
            #expect(isWhole)
            #expect(proxy.requests.filter { $0.method == "PUT" && $0.path.contains("/blobs/") }.count == 1)
        }
    }

    @Test func aShortPauseIsKeptAndALongOneIsGivenBack() async throws {
        let began = ContinuousClock.now
        try await copying(Self.one, spoiling: 1, { _, _ in .answer(PeerResponse(429, ["Retry-After": "2"])) }) { _, _, _, error in
            #expect(error == nil)
            #expect(began.duration(to: .now) >= .seconds(2))
        }
        try await copying(Self.one, spoiling: 1, { _, _ in .answer(PeerResponse(429, ["Retry-After": "60"])) }) { _, _, proxy, error in
            guard case .registry(.rateLimited(_, _, retryAfter: 60)) = error else { throw Unexpected(error as Any) }
            #expect(proxy.requests.filter { $0.method == "PUT" && $0.path.contains("/blobs/") }.count == 1)
        }
    }

    @Test func aTargetThatAlwaysMissesSomethingIsGivenUp() async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(Self.one, in: "app")
            let missing = Self.one.blobDigests[0]
            let proxy = try ScriptedPeer.before(registries[1]) { request, pass in
                guard request.method == "PUT", request.path.contains("/manifests/") else { return .answer(try pass(request)) }
                return .answer(PeerResponse(400, json: #"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":{"Digest":"\#(missing)"}}]}"#))
            }
            defer { proxy.stop() }
            let error = await transferError {
                _ = try await harness.copy(
                    Self.one.digest, from: harness.site(registries[0].port, "app"), to: harness.site(proxy.port, "app"))
            }
            guard case .repairExhausted(_, let digests) = error else { throw Unexpected(error as Any) }
            #expect(digests == [missing])
            #expect(proxy.requests.filter { $0.path.contains("/manifests/") }.count <= 4)
        }
    }

    @Test func aCopyThatWasStoppedGoesOnWhereItEnded() async throws {
        let image = SampleImage.single("resumed", layers: 6)
        let stop = image.blobDigests[3]
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let isBroken = Countdown(3)
            let source = try ScriptedPeer.before(registries[0]) { request, pass in
                let isStop = request.path.contains(stop.hex) && isBroken.next() > 0
                return isStop ? .answer(PeerResponse(500)) : .answer(try pass(request))
            }
            defer { source.stop() }
            let target = try harness.site(registries[1].port, "app")
            let error = await transferError { _ = try await harness.copy(image.digest, from: harness.site(source.port, "app"), to: target) }
            #expect(error?.isTransient == true)
            #expect(try registries[1].manifest("app", image.digest.description) == nil)
            // What had arrived before is known, so it is neither asked about nor sent again.
            #expect(harness.memory.sightings.contains { if case .blob = $0 { true } else { false } })
            let report = try await harness.copy(image.digest, from: harness.site(source.port, "app"), to: target)
            let isWhole = try registries[1].holds(image, in: "app")
            #expect(isWhole)
            #expect(report.targets[0].present.blobs > 0)
            #expect(report.targets[0].copied.blobs < 7)
        }
    }
}

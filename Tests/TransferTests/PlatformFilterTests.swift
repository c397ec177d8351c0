import Foundation
import OCI
import Registry
import TestSupport
import Testing

@testable import Transfer

/// Copies of some platforms of an index: only where they are asked for, and where the target takes an index with gaps.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct PlatformFilterTests {
    private let amd64 = SampleImage.single("amd64")
    private let arm64 = SampleImage.single("arm64")
    private let image: SampleImage
    private let attestations: [SampleImage]
    private let linuxAMD64 = PlatformFilter([Platform(os: "linux", architecture: "amd64")])

    init() {
        attestations = [amd64, arm64].map { platform in
            SampleImage.artifact(layers: [SampleLayer("application/vnd.in-toto+json", Data("about \(platform.digest)".utf8))])
        }
        image = .index(of: [
            (amd64, #","platform":{"os":"linux","architecture":"amd64"}"#), (arm64, #","platform":{"os":"linux","architecture":"arm64"}"#),
            (attestations[0], Self.attestation(of: amd64)), (attestations[1], Self.attestation(of: arm64)),
        ])
    }

    /// As BuildKit puts them into an index.
    private static func attestation(of platform: SampleImage) -> String {
        #","platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest","#
            + #""vnd.docker.reference.digest":"\#(platform.digest)"}"#
    }

    private func filtered(_ filter: PlatformFilter) -> CopyOptions { CopyOptions(platforms: filter) }

    /// A registry that takes an index with gaps so many times, as registries may: the children that it misses are there while it looks.
    private func lenient(_ registry: DockerRegistry, times: Int) throws -> ScriptedPeer {
        let (image, gaps, left) = (image, [arm64, attestations[1]], Countdown(times))
        return try ScriptedPeer.before(registry) { request, pass in
            guard request.method == "PUT", request.body == Array(image.document.bytes), left.next() > 0 else { return .answer(try pass(request)) }
            for gap in gaps { try registry.put(gap, in: "app") }
            let response = try pass(request)
            for gap in gaps { try registry.send(PeerRequest("DELETE", "/v2/app/manifests/\(gap.digest)")) }
            return .answer(response)
        }
    }

    @Test func attestationsInsideAnIndexTravelAsItsChildren() async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            _ = try await harness.copy(image.digest, from: harness.site(registries[0].port, "app"), to: harness.site(registries[1].port, "app"))
            for part in [image] + attestations { #expect(try registries[1].holds(part, in: "app")) }
        }
    }

    @Test func aRegistryThatWantsAllChildrenNamesThoseThatStayedBehind() async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let (source, target) = (try harness.site(registries[0].port, "app"), try harness.site(registries[1].port, "app", named: "prod"))
            let error = await transferError {
                _ = try await harness.engine.copy(image.digest, from: source, to: [target], options: filtered(linuxAMD64), leavingRoot: true) { _ in }
            }
            guard case .sparseIndexRefused(let place, let children) = error else { throw Unexpected(error as Any) }
            #expect(place.registry == "prod")
            #expect(children.map(\.digest) == [arm64.digest, attestations[1].digest])
            #expect(error?.isTransient == false)
            #expect(error?.description.contains("does not take an index without linux/arm64 \(arm64.digest)") == true)
            #expect(try registries[1].manifest("app", image.digest.description) == nil)
        }
    }

    @Test func onlyThePlatformsAskedForAndTheirAttestationsMove() async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            let peer = try lenient(registries[1], times: 2)
            defer { peer.stop() }
            let (source, target) = (try harness.site(registries[0].port, "app"), try harness.site(peer.port, "app"))
            let report = try await harness.engine.copy(image.digest, from: source, to: [target], options: filtered(linuxAMD64)) { _ in }
            #expect(report.targets[0].manifests == 3)
            for part in [amd64, attestations[0]] { #expect(try registries[1].holds(part, in: "app")) }
            #expect(try registries[1].manifest("app", image.digest.description) == image.document.bytes)
            #expect(!peer.requests.contains { $0.path.hasSuffix(arm64.digest.description) })
            _ = try await harness.engine.moveTag(
                try Tag(parsing: "v1"), to: image.digest, at: target, seen: nil, deadline: .now + .seconds(20), meter: RequestMeter(), isSparse: true)
            // Its index is there, which proves nothing of the rest: the whole image still arrives whole.
            _ = try await harness.copy(image.digest, from: source, to: target)
            for part in [image, arm64, attestations[1]] { #expect(try registries[1].holds(part, in: "app")) }
        }
    }

    @Test func aPlatformThatTheImageDoesNotHaveIsRefused() async throws {
        try await withRegistries(1) { harness, registries in
            try registries[0].put(image, in: "app")
            let site = try harness.site(registries[0].port, "app")
            let windows = PlatformFilter([Platform(os: "windows", architecture: "amd64")])
            let error = await transferError { _ = try await harness.engine.plan(image.digest, from: site, to: [], options: filtered(windows)) }
            guard case .tree(image.digest, let reason) = error else { throw Unexpected(error as Any) }
            #expect(reason == "\(image.digest) has none of the platforms asked for")
        }
    }

    @Test func childrenThatSayNothingOfAPlatformAreKept() {
        func child(_ name: String, _ platform: Platform?, about other: String? = nil) -> Descriptor {
            Descriptor(
                mediaType: .ociManifest, digest: Digest(hashing: Data(name.utf8)), size: 1, platform: platform,
                annotations: other.map { ["vnd.docker.reference.digest": Digest(hashing: Data($0.utf8)).description] } ?? [:])
        }
        let (linux, unknown) = (Platform(os: "linux", architecture: "arm", variant: "v7"), Platform(os: "unknown", architecture: "unknown"))
        let children = [
            child("arm", linux), child("amd64", Platform(os: "linux", architecture: "amd64")), child("chart", nil), child("note", unknown),
            child("about arm", unknown, about: "arm"), child("about amd64", unknown, about: "amd64"),
        ]
        let kept = PlatformFilter([Platform(os: "linux", architecture: "arm")]).kept(children)
        #expect(kept == [children[0], children[2], children[3], children[4]])
        #expect(PlatformFilter([Platform(os: "linux", architecture: "arm", variant: "v6")]).kept(children) == [children[2], children[3]])
    }

    /// What was deleted at the source is no platform filter.
    @Test func childrenThatTheSourceLacksAreNamed() async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "app")
            for gap in [arm64, attestations[1]] { try registries[0].send(PeerRequest("DELETE", "/v2/app/manifests/\(gap.digest)")) }
            let (source, target) = (try harness.site(registries[0].port, "app"), try harness.site(registries[1].port, "app"))
            let error = await transferError { _ = try await harness.copy(image.digest, from: source, to: target) }
            guard case .childrenMissing(_, let children) = error else { throw Unexpected(error as Any) }
            #expect(children.map(\.digest) == [arm64.digest, attestations[1].digest])
        }
    }
}

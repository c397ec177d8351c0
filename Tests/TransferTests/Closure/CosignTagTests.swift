import Foundation
import OCI
import Registry
import TestSupport
import Testing

@testable import Transfer

/// What cosign keeps under tags, between real registries.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct CosignTagTests {
    private let image = SampleImage.index([.single("a"), .single("b")])

    private var platform: SampleImage.Document { image.manifests[1] }

    private func withImage(_ body: (Harness, DockerRegistry, Site, DockerRegistry, Site) async throws -> Void) async throws {
        try await withRegistries(2) { harness, registries in
            try registries[0].put(image, in: "dev/app", tag: "v1")
            try await body(
                harness, registries[0], harness.site(registries[0].port, "dev/app", named: "dev"), registries[1],
                harness.site(registries[1].port, "app", named: "prod"))
        }
    }

    private func signature(_ signers: String..., of subject: Digest? = nil) -> SampleImage {
        .cosignSignature(of: subject ?? image.digest, by: signers)
    }

    @Test func allKindsTravelForEveryPlatformAndForEachOther() async throws {
        let attestation = SampleImage.artifact(
            config: SampleLayer(MediaType.ociConfig.description, Data("{}".utf8)),
            layers: [
                SampleLayer(
                    "application/vnd.dsse.envelope.v1+json", Data("attested".utf8), annotations: ["predicateType": "https://slsa.dev/provenance/v1"])
            ])
        let sbom = SampleImage.artifact(layers: [SampleLayer("text/spdx+json", Data("packages".utf8))])
        let attestationSignature = signature("ci", of: attestation.digest)
        try await withImage { harness, registry, source, other, target in
            try registry.tag(signature("ci"), .signatures, of: image.digest, in: "dev/app")
            try registry.tag(attestation, .attestations, of: platform.digest, in: "dev/app")
            try registry.tag(sbom, .sbom, of: platform.digest, in: "dev/app")
            try registry.tag(attestationSignature, .signatures, of: attestation.digest, in: "dev/app")
            let report = try await harness.carry(image.digest, from: source, to: [target], knowledge: ReferrersKnowledge(.tagSchema, source, target))
            for (kind, artifact, subject) in [
                (CosignTag.Kind.signatures, signature("ci"), image.digest), (.attestations, attestation, platform.digest), (.sbom, sbom, platform.digest),
                (.signatures, attestationSignature, attestation.digest),
            ] {
                #expect(try other.holds(artifact, in: "app"))
                #expect(try other.tagged(kind, of: subject, in: "app") == artifact.document.bytes)
            }
            #expect(report.closure?.referrers.map(\.depth).sorted() == [1, 1, 1, 2])
            #expect(report.targets[0].attachments.count == 4)
            // The manifest of the image and its two children, one list of tags, four tags, and the blobs: nothing is asked twice.
            let blobs = image.blobs.count + Set([signature("ci"), attestation, sbom, attestationSignature].flatMap(\.blobDigests)).count
            #expect(report.sourceRequests == ["get": 3 + 1 + 4 + blobs])
            let again = try await harness.carry(image.digest, from: source, to: [target], knowledge: ReferrersKnowledge(.tagSchema, source, target))
            #expect(again.targets[0].requests == ["head": 4])
            #expect(again.sourceRequests == ["get": 5])
        }
    }

    @Test func signaturesThatWereMadeAtTheTargetStay() async throws {
        try await withImage { harness, registry, source, other, target in
            try registry.tag(signature("ci", "scanner"), .signatures, of: image.digest, in: "dev/app")
            try other.tag(signature("ci", "production"), .signatures, of: image.digest, in: "app")
            let report = try await harness.carry(image.digest, from: source, to: [target])
            let bytes = try #require(try other.tagged(.signatures, of: image.digest, in: "app"))
            let joined = try Manifest(bytes: bytes, servedAs: nil, expected: nil)
            guard case .image(let config, let layers) = joined.content else { throw Unexpected(joined.content) }
            #expect(layers.compactMap { $0.annotations["dev.cosignproject.cosign/signature"] } == ["by ci", "by production", "by scanner"])
            #expect(try other.blob("app", config.digest) != nil)
            #expect(try other.blob("app", layers[2].digest) != nil)
            let previous = signature("ci", "production").digest
            let tag = try #require(CosignTag(.signatures, of: image.digest)).tag
            #expect(report.targets[0].attachments.map(\.way) == [.tag(tag, previous: previous, digest: joined.digest, written: true)])
            // It is whole now: nothing more is written.
            let again = try await harness.carry(image.digest, from: source, to: [target])
            #expect(again.targets[0].attachments.contains { $0.isWritten } == false)
            #expect(try other.tagged(.signatures, of: image.digest, in: "app") == bytes)
        }
    }

    @Test(arguments: [(["ci"], ["ci", "production"], ["by ci", "by production"]), (["ci", "scanner"], ["ci"], ["by ci", "by scanner"])])
    func whoeverHoldsAllWins(source: [String], target: [String], expected: [String]) async throws {
        let (ours, theirs) = (SampleImage.cosignSignature(of: image.digest, by: source), SampleImage.cosignSignature(of: image.digest, by: target))
        try await withImage { harness, registry, from, other, to in
            try registry.tag(ours, .signatures, of: image.digest, in: "dev/app")
            try other.tag(theirs, .signatures, of: image.digest, in: "app")
            _ = try await harness.carry(image.digest, from: from, to: [to])
            let winner = source.count > target.count ? ours : theirs
            #expect(try other.tagged(.signatures, of: image.digest, in: "app") == winner.document.bytes)
        }
    }

    /// cosign replaces an attached SBOM: it has one owner, who builds the image.
    @Test func anSBOMReplacesTheOlderOne() async throws {
        let sboms = ["new", "old"].map { SampleImage.artifact(layers: [SampleLayer("text/spdx+json", Data($0.utf8))]) }
        try await withImage { harness, registry, source, other, target in
            try registry.tag(sboms[0], .sbom, of: image.digest, in: "dev/app")
            try other.tag(sboms[1], .sbom, of: image.digest, in: "app")
            let report = try await harness.carry(image.digest, from: source, to: [target])
            #expect(try other.tagged(.sbom, of: image.digest, in: "app") == sboms[0].document.bytes)
            guard case .tag(_, sboms[1].digest, sboms[0].digest, true)? = report.targets[0].attachments.first?.way else {
                throw Unexpected(report.targets[0].attachments)
            }
        }
    }

    /// Harbor can lock cosign's tags together with the image's (harbor #17332).
    @Test func aTagThatIsLockedIsSaidInTheRegistrysWords() async throws {
        try await withImage { harness, registry, source, other, _ in
            try registry.tag(signature("ci"), .signatures, of: image.digest, in: "dev/app")
            let proxy = try ScriptedPeer.before(other) { request, pass in
                guard request.method == "PUT", request.path.hasSuffix(".sig") else { return .answer(try pass(request)) }
                return .answer(PeerResponse(412, json: #"{"errors":[{"code":"PRECONDITION","message":"immutable tag"}]}"#))
            }
            defer { proxy.stop() }
            let target = try harness.site(proxy.port, "app")
            let error = await transferError { _ = try await harness.carry(image.digest, from: source, to: [target]) }
            guard case .registry(.refused(_, let answer)) = error else { throw Unexpected(error as Any) }
            #expect(answer.message == "immutable tag")
        }
    }

    @Test func aSignatureThatIsWrittenOverIsWrittenAgain() async throws {
        let writes = Countdown(1)
        try await withImage { harness, registry, source, other, _ in
            try registry.tag(signature("ci"), .signatures, of: image.digest, in: "dev/app")
            try other.put(signature("production"), in: "app")
            let proxy = try ScriptedPeer.before(other) { request, pass in
                let response = try pass(request)
                if request.method == "PUT", request.path.hasSuffix(".sig"), writes.next() > 0 {
                    try other.tag(SampleImage.cosignSignature(of: self.image.digest, by: ["production"]), .signatures, of: self.image.digest, in: "app")
                }
                return .answer(response)
            }
            defer { proxy.stop() }
            _ = try await harness.carry(image.digest, from: source, to: [harness.site(proxy.port, "app")])
            let joined = try Manifest(bytes: #require(try other.tagged(.signatures, of: image.digest, in: "app")), servedAs: nil, expected: nil)
            guard case .image(_, let layers) = joined.content else { throw Unexpected(joined.content) }
            #expect(layers.compactMap { $0.annotations["dev.cosignproject.cosign/signature"] } == ["by production", "by ci"])
        }
    }

    @Test func aSignatureThatACollectorTookIsBroughtAgain() async throws {
        try await withImage { harness, registry, source, other, target in
            let ours = signature("ci")
            try registry.tag(ours, .signatures, of: image.digest, in: "dev/app")
            _ = try await harness.carry(image.digest, from: source, to: [target])
            try other.send(PeerRequest("DELETE", "/v2/app/manifests/\(ours.digest)"))
            try other.forget(ours.blobDigests[1], in: "app")
            let report = try await harness.carry(image.digest, from: source, to: [target])
            #expect(try other.holds(ours, in: "app"))
            #expect(try other.tagged(.signatures, of: image.digest, in: "app") == ours.document.bytes)
            #expect(report.targets[0].manifests == 1)
        }
    }

    /// With many tags, or none to be listed, each is looked at.
    @Test(arguments: [403, 405]) func aRegistryThatGivesNoListOfTagsIsAskedForEach(status: Int) async throws {
        try await withImage { harness, registry, _, other, target in
            try registry.tag(signature("ci"), .signatures, of: image.digest, in: "dev/app")
            try registry.attach([SignedImage.signature(of: image, by: "bundle")], to: image.digest, in: "dev/app")
            let proxy = try ScriptedPeer.before(registry) { request, pass in
                request.path.hasSuffix("/tags/list") ? .answer(PeerResponse(status)) : .answer(try pass(request))
            }
            defer { proxy.stop() }
            let report = try await harness.carry(image.digest, from: harness.site(proxy.port, "dev/app"), to: [target])
            #expect(report.closure?.referrers.count == 2)
            #expect(try other.tagged(.signatures, of: image.digest, in: "app") == signature("ci").document.bytes)
            #expect(try other.listed(image.digest, in: "app")?.count == 1)
        }
    }

    @Test func aListOfTagsThatDoesNotEndIsLeft() async throws {
        try await withImage { harness, registry, _, other, target in
            try registry.tag(signature("ci"), .signatures, of: image.digest, in: "dev/app")
            let proxy = try ScriptedPeer.before(registry) { request, pass in
                guard request.path.hasSuffix("/tags/list") else { return .answer(try pass(request)) }
                let page = Int(request.query("page").first ?? "0") ?? 0
                return .answer(PeerResponse(200, ["Link": "</v2/dev/app/tags/list?page=\(page + 1)>; rel=\"next\""], json: #"{"tags":["v\#(page)"]}"#))
            }
            defer { proxy.stop() }
            _ = try await harness.carry(image.digest, from: harness.site(proxy.port, "dev/app"), to: [target])
            #expect(try other.tagged(.signatures, of: image.digest, in: "app") == signature("ci").document.bytes)
            #expect(proxy.requests.filter { $0.path.hasSuffix("/tags/list") }.count == 5)
        }
    }
}

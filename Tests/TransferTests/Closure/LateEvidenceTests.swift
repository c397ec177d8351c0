import Foundation
import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// Signatures, SBOMs and scans that appear after the promotion.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct LateEvidenceTests {
    private let image = SampleImage.index([.single("a"), .single("b")])
    private let knowledge = ReferrersKnowledge()

    private var options: CopyOptions { CopyOptions(closure: ClosureOrder(.all, knowledge: knowledge)) }

    /// An image that was promoted to every target before anything spoke about it.
    private func withPromoted(_ count: Int = 1, _ body: (Harness, DockerRegistry, Site, [DockerRegistry], [Site]) async throws -> Void) async throws {
        try await withRegistries(1 + count) { harness, registries in
            try registries[0].put(image, in: "dev/app", tag: "v1")
            let source = try harness.site(registries[0].port, "dev/app", named: "dev")
            let targets = try registries.dropFirst().enumerated().map { try harness.site($1.port, "app", named: "prod \($0)") }
            _ = try await harness.carry(image.digest, from: source, to: targets, knowledge: knowledge)
            try await body(harness, registries[0], source, Array(registries.dropFirst()), targets)
        }
    }

    @Test func whatAppearsLaterFollows() async throws {
        let signature = SignedImage.signature(of: image, by: "ci")
        let scan = SampleImage.artifact(
            type: "application/vnd.example.scan+json", about: image.manifests[1], layers: [SampleLayer("application/json", Data("findings".utf8))])
        let scanSignature = SignedImage.signature(of: scan, by: "scanner")
        let cosigned = SampleImage.cosignSignature(of: image.digest, by: ["ci"])
        try await withPromoted { harness, registry, source, others, targets in
            let nothing = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            #expect(nothing.targets.map(\.outcome) == [.upToDate])
            // Nobody asks the targets where the source has nothing: one list of tags is all it costs.
            #expect(nothing.sourceRequests == ["get": 1])
            #expect(nothing.targets[0].report.requests == [:])

            try registry.attach([signature], to: image.digest, in: "dev/app")
            try registry.tag(cosigned, .signatures, of: image.digest, in: "dev/app")
            let first = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            #expect(first.targets.map(\.outcome) == [.carried([signature.digest, cosigned.digest])])
            #expect(try others[0].listed(image.digest, in: "app")?.map(\.digest) == [signature.digest])
            #expect(try others[0].tagged(.signatures, of: image.digest, in: "app") == cosigned.document.bytes)

            try registry.attach([scan], to: image.manifests[1].digest, in: "dev/app")
            try registry.attach([scanSignature], to: scan.digest, in: "dev/app")
            let second = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            #expect(second.targets.map(\.outcome) == [.carried([scan.digest, scanSignature.digest])])
            #expect(try others[0].holds(scanSignature, in: "app"))

            let third = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            #expect(third.targets.map(\.outcome) == [.upToDate])
            #expect(third.targets[0].report.manifests == 0)
        }
    }

    /// What an overwritten list lost is found again, whoever overwrote it.
    @Test func anEntryThatTheTargetsListLostComesBack() async throws {
        let signature = SignedImage.signature(of: image, by: "ci")
        let own = SignedImage.signature(of: image, by: "production")
        try await withPromoted { harness, registry, source, others, targets in
            try registry.attach([signature], to: image.digest, in: "dev/app")
            _ = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            try others[0].attach([own], to: image.digest, in: "app")
            let report = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            #expect(report.targets.map(\.outcome) == [.carried([signature.digest])])
            #expect(try others[0].listed(image.digest, in: "app")?.map(\.digest) == [own.digest, signature.digest])
        }
    }

    @Test func besideAnImageThatIsGoneNothingIsLeft() async throws {
        let signature = SignedImage.signature(of: image, by: "ci")
        try await withPromoted(2) { harness, registry, source, others, targets in
            try registry.attach([signature], to: image.digest, in: "dev/app")
            try others[0].send(PeerRequest("DELETE", "/v2/app/manifests/\(image.digest)"))
            let report = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            #expect(report.targets.map(\.outcome) == [.imageAbsent, .carried([signature.digest])])
            #expect(try others[0].manifest("app", signature.digest.description) == nil)
            #expect(try others[1].holds(signature, in: "app"))
        }
    }

    @Test(arguments: ["HEAD", "PUT"]) func aTargetThatFailsDoesNotStopTheOthers(method: String) async throws {
        let signature = SignedImage.signature(of: image, by: "ci")
        try await withPromoted(2) { harness, registry, source, others, targets in
            try registry.attach([signature], to: image.digest, in: "dev/app")
            let broken = try ScriptedPeer.before(others[0]) { request, pass in
                request.method == method && request.path.contains("/manifests/") ? .answer(PeerResponse(403)) : .answer(try pass(request))
            }
            defer { broken.stop() }
            let sites = [try harness.site(broken.port, "app", named: "eu"), targets[1]]
            let report = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: sites, options: options)
            guard case .failed(.registry(.forbidden(let place, _))) = report.targets[0].outcome else { throw Unexpected(report.targets[0].outcome) }
            #expect(place.registry == "eu")
            #expect(report.targets[1].outcome == .carried([signature.digest]))
        }
    }

    @Test func aSourceThatCanNotBeReadIsAnError() async throws {
        try await withPromoted { harness, registry, _, _, targets in
            let broken = try ScriptedPeer { _ in .answer(PeerResponse(403)) }
            defer { broken.stop() }
            let source = try harness.site(broken.port, "dev/app", named: "dev")
            let error = await transferError {
                _ = try await harness.engine.carryLateEvidence(about: image.digest, from: source, to: targets, options: options)
            }
            guard case .registry(.forbidden) = error else { throw Unexpected(error as Any) }
        }
    }
}

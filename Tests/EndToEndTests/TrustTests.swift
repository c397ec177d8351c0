import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Policy that demands signatures and attestations, on real registries: what hangs on an image decides whether it goes on.
@Suite(.inTurn) struct TrustTests {
    private let hand = SigningHand()
    private let builder = "https://github.com/actions/runner/github-hosted"

    private func lift(gates: String) async throws -> Lift {
        let lift = try await Lift.make()
        let environments = try String(contentsOfFile: lift.folder.path("policies/environments.yaml"), encoding: .utf8)
        try lift.folder.write(environments + "\ntrust:\n  release: { keyFile: keys/release.pub }\n", to: "policies/environments.yaml")
        try lift.folder.write(hand.publicKey, to: "policies/keys/release.pub")
        try lift.folder.write(
            """
            version: 1
            kind: Policy
            name: dev-to-test
            match: { images: ["shop/**"], from: dev, to: test }
            gates:
            \(gates)
            """, to: "policies/dev-to-test.yaml")
        return lift
    }

    /// A new image each time; what is attached to one says nothing of the next.
    private func image(_ lift: Lift, _ tag: String, seed: UInt64) async throws -> ImageFixture {
        let image = try ImageFixture.index(labels: Lift.labels, seed: seed)
        try await lift.shared.push(image, to: "dev/shop/api", tag: tag)
        return image
    }

    private func reasons(_ promotion: PromotionResource) -> String { (promotion.decision?.gates ?? []).map(\.reason).joined(separator: "; ") }

    @Test func onlyWhatTheTrustedKeySignedGoesOn() async throws {
        let lift = try await lift(gates: "  - signatures: { by: [release] }")
        let service = try await lift.start()

        _ = try await image(lift, "1.0.0", seed: 1)
        let unsigned = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(unsigned.state == "denied" && reasons(unsigned).contains("no signature is known"), "\(reasons(unsigned))")

        let byTag = try await image(lift, "1.0.1", seed: 2)
        try await lift.shared.attach(try hand.signature(of: byTag.digest), to: byTag.root, as: "sig", in: "dev/shop/api")
        let signed = try await lift.promote("shop/api:1.0.1", from: "dev", to: "test")
        #expect(signed.state == "succeeded" && reasons(signed).contains("signed by release"), "\(signed.state) \(reasons(signed))")

        let byReferrer = try await image(lift, "1.0.2", seed: 3)
        try await lift.shared.attach([try hand.bundle("https://sigstore.dev/cosign/sign/v1", "{}", about: byReferrer.root)], to: byReferrer.root, in: "dev/shop/api")
        let referred = try await lift.promote("shop/api:1.0.2", from: "dev", to: "test")
        #expect(referred.state == "succeeded", "\(reasons(referred))")

        let byOther = try await image(lift, "1.0.3", seed: 4)
        try await lift.shared.attach(try SigningHand().signature(of: byOther.digest), to: byOther.root, as: "sig", in: "dev/shop/api")
        let other = try await lift.promote("shop/api:1.0.3", from: "dev", to: "test")
        #expect(other.state == "denied" && reasons(other).contains("it is signed by no key that is trusted"), "\(reasons(other))")

        let moved = try await image(lift, "1.0.4", seed: 5)
        try await lift.shared.attach(try hand.signature(of: byTag.digest), to: moved.root, as: "sig", in: "dev/shop/api")
        let stolen = try await lift.promote("shop/api:1.0.4", from: "dev", to: "test")
        #expect(stolen.state == "denied" && reasons(stolen).contains("it was signed for \(byTag.digest)"), "\(reasons(stolen))")

        // A statement about something else is no signature, though its signature verifies.
        let stated = try await image(lift, "1.0.5", seed: 6)
        try await lift.shared.attach([try hand.bundle("https://spdx.dev/Document", "{}", about: stated.root)], to: stated.root, in: "dev/shop/api")
        #expect(try await lift.promote("shop/api:1.0.5", from: "dev", to: "test").state == "denied")
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }

    private func provenance(_ workflow: String) -> String {
        #"{"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1","externalParameters":{"workflow":{"ref":"refs/heads/main","repository":"https://github.com/shop/api","path":"\#(workflow)"}}},"runDetails":{"builder":{"id":"\#(builder)"}}}"#
    }

    @Test func onlyWhatTheRightWorkflowBuiltGoesOn() async throws {
        let lift = try await lift(
            gates: """
                  - provenance: { by: [release], source: "https://github.com/shop/api", workflow: "shop/api/.github/workflows/release.yml@refs/heads/main" }
                """)
        let service = try await lift.start()
        _ = try await image(lift, "1.0.0", seed: 1)
        let none = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(none.state == "denied" && reasons(none).contains("no provenance is known"), "\(reasons(none))")

        let wrong = try await image(lift, "1.0.1", seed: 2)
        let byOther = try hand.bundle("https://slsa.dev/provenance/v1", provenance(".github/workflows/nightly.yml"), about: wrong.root)
        try await lift.shared.attach([byOther], to: wrong.root, in: "dev/shop/api")
        let denied = try await lift.promote("shop/api:1.0.1", from: "dev", to: "test")
        #expect(denied.state == "denied" && reasons(denied).contains("nightly.yml@refs/heads/main"), "\(reasons(denied))")

        let right = try await image(lift, "1.0.2", seed: 3)
        let attestation = try hand.attestation("https://slsa.dev/provenance/v1", provenance(".github/workflows/release.yml"), about: right.digest)
        try await lift.shared.attach(attestation, to: right.root, as: "att", in: "dev/shop/api")
        let allowed = try await lift.promote("shop/api:1.0.2", from: "dev", to: "test")
        #expect(allowed.state == "succeeded", "\(reasons(allowed))")
        try await service.terminate()
    }

    @Test func attestedScansAndSBOMsOpenTheirGates() async throws {
        let lift = try await lift(
            gates: """
                  - sbom: { formats: [cyclonedx], by: [release], missing: deny }
                  - vulnerabilities: { below: high, by: [release], missing: deny }
                """)
        let service = try await lift.start()
        func scan(_ severity: String) -> String {
            #"{"scanner":{"uri":"pkg:trivy","version":"1","db":{},"result":{"SchemaVersion":2,"ArtifactName":"x","ArtifactType":"container_image","Results":[{"Target":"x","Class":"os-pkgs","Type":"debian","Vulnerabilities":[{"VulnerabilityID":"CVE-2026-1","PkgName":"openssl","InstalledVersion":"1","Severity":"\#(severity)"}]}]}},"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:01Z"}}"#
        }
        for (tag, severity, state) in [("1.0.0", "CRITICAL", "denied"), ("1.0.1", "LOW", "succeeded")] {
            let image = try await image(lift, tag, seed: severity == "LOW" ? 1 : 2)
            let vuln = try hand.bundle("https://cosign.sigstore.dev/attestation/vuln/v1", scan(severity), about: image.root)
            let sbom = try hand.bundle("https://cyclonedx.org/bom", #"{"bomFormat":"CycloneDX"}"#, about: image.root)
            try await lift.shared.attach([vuln, sbom], to: image.root, in: "dev/shop/api")
            let promotion = try await lift.promote("shop/api:\(tag)", from: "dev", to: "test")
            #expect(promotion.state == state, "\(reasons(promotion))")
            if state == "denied" { #expect(reasons(promotion).contains("CVE-2026-1")) }
        }
        try await service.terminate()
    }

    /// Whoever may write to the source repository must neither open the gate nor close it.
    @Test func aBrokenSignatureBesideAGoodOneHindersNothing() async throws {
        let lift = try await lift(gates: "  - signatures: { by: [release] }")
        let service = try await lift.start()
        let image = try await image(lift, "1.0.0", seed: 1)
        let elsewhere = try hand.bundle("https://sigstore.dev/cosign/sign/v1", "{}", about: try ImageFixture.index(labels: Lift.labels, seed: 99).root)
        let stolen = try ImageFixture.artifact(
            type: "application/vnd.dev.sigstore.bundle.v0.3+json", about: image.root,
            content: elsewhere.blobs.prefix(1).map { ("application/vnd.dev.sigstore.bundle.v0.3+json", $0) })
        try await lift.shared.attach([stolen], to: image.root, in: "dev/shop/api")
        let forged = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(forged.state == "denied" && reasons(forged).contains("does not verify and is not counted: it was signed for"), "\(reasons(forged))")
        let good = try hand.bundle("https://sigstore.dev/cosign/sign/v1", "{}", about: image.root)
        try await lift.shared.attach([stolen, good], to: image.root, in: "dev/shop/api")
        let signed = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(signed.state == "succeeded" && reasons(signed).contains("signed by release; a signature that says to be of release does not verify"), "\(reasons(signed))")
        try await service.terminate()
    }

    /// A signature that was pushed to one region alone counts; what no region has does not.
    @Test func evidenceInTheSecondRegistryIsFound() async throws {
        let lift = try await lift(gates: "  - signatures: { by: [release] }")
        let environments = try String(contentsOfFile: lift.folder.path("policies/environments.yaml"), encoding: .utf8)
        let second = #"{ name: dev-west, url: "\#(lift.toStaging.url)", plainHTTP: true, repository: "west/{image}" }"#
        try lift.folder.write(
            environments.replacing(#"repository: "dev/{image}" }] }"#, with: #"repository: "dev/{image}" }, \#(second)] }"#), to: "policies/environments.yaml")
        let service = try await lift.start()
        let image = try await image(lift, "1.0.0", seed: 1)
        let alone = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(alone.state == "denied" && reasons(alone).contains("no signature is known"), "the second registry does not have the image: \(reasons(alone))")
        try await lift.staging.push(image, to: "west/shop/api", tag: "1.0.0")
        #expect(try await lift.promote("shop/api:1.0.0", from: "dev", to: "test").state == "denied")
        try await lift.staging.attach([try hand.bundle("https://sigstore.dev/cosign/sign/v1", "{}", about: image.root)], to: image.root, in: "west/shop/api")
        let signed = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(signed.state == "succeeded" && reasons(signed).contains("signed by release"), "\(reasons(signed))")
        // An image that only the second region has goes as well.
        let west = try ImageFixture.index(labels: Lift.labels, seed: 7)
        try await lift.staging.push(west, to: "west/shop/api", tag: "2.0.0")
        try await lift.staging.attach([try hand.bundle("https://sigstore.dev/cosign/sign/v1", "{}", about: west.root)], to: west.root, in: "west/shop/api")
        let decision = try await Caller.admin(of: lift).decision("shop/api", "2.0.0")
        #expect(decision.outcome == "allow", "\(decision.summary)")
        try await service.terminate()
    }

    @Test func aKeyThatIsMissingOrBrokenPutsNoPolicyInForce() async throws {
        let lift = try await lift(gates: "  - signatures: { by: [release] }")
        try lift.folder.write("no key", to: "policies/keys/release.pub")
        let checked = try await lift.command("policy", "check", lift.folder.path("policies"))
        #expect(checked.status == .exited(2) && checked.errors.contains("signer 'release': the public key is malformed"), "\(checked.errors)")
        try FileManager.default.removeItem(atPath: lift.folder.path("policies/keys/release.pub"))
        let missing = try await lift.command("policy", "check", lift.folder.path("policies"))
        #expect(missing.errors.contains("the file 'keys/release.pub' is not in the policy folder"), "\(missing.errors)")
    }
}

import Foundation
import OCI
import Testing

@testable import PolicyEngine

/// Facts and decisions are stored for years: what was written once is read for ever.
@Suite("Stored facts and decisions")
struct FactsCodingTests {
    /// As the first version wrote it.
    private let firstFacts = """
        {"annotations":{"a":"b"},"artifactType":"application/vnd.oci.image.config.v1+json","created":"2026-11-01T00:00:00Z",
        "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","from":"staging","image":"shop/api",
        "mediaType":"application/vnd.oci.image.manifest.v1+json",
        "platforms":[{"labels":{"l":"m"},"platform":{"architecture":"amd64","os":"linux"},"user":"1000"}],"presentInSource":true,
        "requestedTargetTags":["1.4"],"requester":"token:1","sizeBytes":42,"tag":"1.4.2",
        "targetTags":[{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","tag":"1.4.2"}],"to":"production"}
        """

    private let firstDecision = """
        {"gates":[{"gate":"tag","isWarning":false,"outcome":"wait","policy":"p","reason":"r","retryAt":1795528496,"source":"p.yaml:3"},
        {"gate":"tag","isWarning":true,"outcome":"allow","policy":"p","reason":"r","source":"p.yaml:3"}],"outcome":"wait",
        "policyVersion":{"contentDigest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"targetTags":["1.4.2"]}
        """

    private func decode<Value: Decodable>(_: Value.Type, _ text: String) throws -> Value {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        return try decoder.decode(Value.self, from: Data(text.utf8))
    }

    private func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .secondsSince1970
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    @Test func factsOfTheFirstVersionAreRead() throws {
        let facts = try decode(PromotionFacts.self, firstFacts)
        #expect(facts.image.description == "shop/api" && facts.platforms.first?.user == "1000" && facts.targetTags.count == 1)
        #expect(
            facts.requesterIdentity == nil && facts.presence == nil && facts.firstSeen == nil && facts.signatures == nil && facts.sboms == nil
                && facts.provenance == nil)
        #expect(facts.scans == nil && facts.evidence == nil && facts.approvals == nil && facts.recentPromotions == nil && facts.override == nil)
        #expect(facts.platforms.first?.digest == nil && facts.askedBy == Identity(id: "token:1"))
        #expect(try encode(facts) == firstFacts.replacing("\n", with: ""))
    }

    @Test func factsOfTheFirstVersionOpenNoGateThatNeedsMore() throws {
        let facts = try decode(PromotionFacts.self, firstFacts)
        let gates = [
            "soak: { for: 1h }", "path: { through: all }", "quota: { max: 9, per: 1h }", "approvals: { from: [managers] }", "evidence: { kind: e2e }",
            "sbom: {}",
            "signatures: { by: [build], missing: wait }", "vulnerabilities: { below: critical }", "provenance: { by: [build], missing: wait }",
            "age: { max: 3650d, of: firstSeen }",
        ]
        for gate in gates {
            for text in [gate, "not: { \(gate) }", "anyOf: [{ \(gate) }]", "allOf: [{ \(gate) }]"] {
                let decision = try Samples.set(Samples.policy("p", "gates: [{ \(text) }]")).evaluate(facts, at: Samples.now)
                #expect(decision.outcome == .wait, "\(text): \(decision.summary)")
            }
        }
    }

    @Test func decisionsOfTheFirstVersionAreRead() throws {
        let decision = try decode(Decision.self, firstDecision)
        #expect(decision.gates.map(\.evidence) == [[], []] && decision.gates.map(\.isOverridden) == [false, false])
        #expect(decision.retryAt == Date(timeIntervalSince1970: 1_795_528_496))
        #expect(try decode(Decision.self, encode(decision)) == decision)
    }

    @Test func everythingIsReadBack() throws {
        var facts = try decode(PromotionFacts.self, firstFacts)
        let alice = Identity(id: "oidc:1", issuer: "https://idp", claims: ["groups": ["a", "b"]], name: "Alice")
        let time = Date(timeIntervalSince1970: 1_795_528_496.5)
        facts.requesterIdentity = alice
        facts.presence = [EnvironmentPresence(environment: facts.from, firstSeen: time, since: nil)]
        facts.firstSeen = time
        facts.signatures = [SignatureFact(signer: "build", identity: "k", digest: facts.digest, failure: "f", evidence: facts.digest)]
        facts.provenance = [
            ProvenanceFact(
                signer: "build", digest: facts.digest, builder: "b", source: "s", ref: "r", workflow: "w", failure: "f", evidence: facts.digest)
        ]
        facts.sboms = [SBOMFact(format: .cyclonedx, digest: facts.digest, signer: "build", evidence: facts.digest)]
        facts.scans = [
            ScanFact(
                scanner: "s", digest: facts.digest, completedAt: time,
                findings: [Finding(id: "A", aliases: ["B"], severity: nil, package: "p", fixedIn: "1")],
                signer: "scanner", postedBy: alice, evidence: facts.digest)
        ]
        facts.evidence = [
            EvidenceFact(kind: "e2e", digest: facts.digest, result: "passed", recordedAt: time, postedBy: alice, signer: nil, evidence: nil)
        ]
        facts.approvals = [ApprovalFact(by: alice, verdict: .reject, at: time, digest: facts.digest, policyVersion: "v", comment: "c")]
        facts.recentPromotions = [RecentPromotion(image: facts.image, requester: "r", at: time)]
        facts.override = OverrideFact(by: alice, reason: "r", at: time)
        #expect(try decode(PromotionFacts.self, encode(facts)) == facts)
        let result = GateResult(
            gate: "g", policy: "p", outcome: .allow, reason: "r", source: "s", isWarning: true, retryAt: time, evidence: [facts.digest],
            isOverridden: true)
        #expect(try decode(GateResult.self, encode(result)) == result)
    }
}

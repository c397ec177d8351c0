import AuditLog
import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

/// What decisions were made on is kept once, and comes back exactly.
@Suite(.inTurn) struct FactContentTests {
    private func facts(_ promotion: Promotion, findings: Int, seed: String = "") -> PromotionFacts {
        var facts = PromotionFacts(
            image: promotion.image, from: promotion.from, to: promotion.to, digest: promotion.digest, tag: promotion.sourceTag, requestedTargetTags: [],
            requester: "token:test", mediaType: .ociManifest, artifactType: nil, platforms: [], annotations: ["a": seed], sizeBytes: 1, created: nil,
            presentInSource: true, targetTags: [])
        let report = (0..<findings).map { Finding(id: "CVE-\($0)", aliases: ["GHSA-\($0)"], severity: .high, package: "p\($0)", fixedIn: "\($0)") }
        facts.scans = ["trivy", "grype"].map {
            ScanFact(
                scanner: $0, digest: promotion.digest, completedAt: Date(timeIntervalSince1970: 1_764_000_000.123456), findings: $0 == "trivy" ? report : [],
                postedBy: Identity(id: "token:1", claims: ["g": ["a"]]))
        }
        facts.firstSeen = Date(timeIntervalSince1970: 1_763_999_999.987654)
        return facts
    }

    /// A promotion that waits and is looked at several times, each time with the facts that are given.
    private func look(_ fixture: StoreFixture, _ times: [(Promotion) -> PromotionFacts], seed: String = "a") async throws -> Promotion {
        let promotion = try fixture.promotion("shop/api", seed: seed)
        try await fixture.create(promotion)
        var leased = try await fixture.claim()
        _ = try await fixture.move(leased, from: .requested, to: .evaluating)
        for (index, facts) in times.enumerated() {
            if index > 0 {
                try await fixture.pool.execute("UPDATE jobs SET run_at = now() WHERE promotion_id = \(promotion.id.uuid)")
                leased = try await fixture.claim()
                _ = try await fixture.move(leased, from: .waiting, to: .evaluating)
            }
            var change = StateChange(promotion: promotion.id, from: [.evaluating], to: .waiting, audit: try fixture.entry("promotion.waiting", promotion: promotion))
            change.decision = Decision(outcome: .wait, gates: [], targetTags: [], policyVersion: fixture.policies.version)
            change.facts = facts(promotion)
            _ = try await fixture.store.move([change], lease: leased.lease)
        }
        return promotion
    }

    private func count(_ fixture: StoreFixture, _ what: SQL) async throws -> Int {
        try #require(try await fixture.pool.query(what).first).decode("n", as: Int.self)
    }

    @Test func looksThatSeeTheSameKeepItOnce() async throws {
        let fixture = try await StoreFixture.make()
        let same: (Promotion) -> PromotionFacts = { facts($0, findings: 2_000) }
        let promotion = try await look(fixture, Array(repeating: same, count: 5) + [{ facts($0, findings: 2_000, seed: "other") }])
        #expect(try await count(fixture, "SELECT count(*)::int AS n FROM evaluations") == 6)
        // The report, the empty one, and the rest of the facts in two versions.
        #expect(try await count(fixture, "SELECT count(*)::int AS n FROM fact_contents") == 4)
        #expect(try await count(fixture, "SELECT sum(octet_length(content::text))::int AS n FROM fact_contents") < 300_000, "one report has about 200 KB")
        let page = try await PostgresDecisionLog(pool: fixture.pool).decisions(since: .distantPast, cursor: nil, limit: 100)
        #expect(page.items.count == 6 && page.items.allSatisfy { $0.id == promotion.id.description })
        for (index, item) in page.items.enumerated() { #expect(item.facts == facts(promotion, findings: 2_000, seed: index == 5 ? "other" : "")) }
    }

    /// Rows of before this was so hold the facts themselves.
    @Test func factsThatStandInTheRowAreReadAsBefore() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try await look(fixture, [{ facts($0, findings: 3) }])
        let old = facts(promotion, findings: 7)
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .secondsSince1970
        let text = String(decoding: try encoder.encode(old), as: UTF8.self)
        try await fixture.pool.execute(
            """
            INSERT INTO evaluations (promotion_id, version, policy_version, outcome, decision, facts)
            SELECT promotion_id, version + 100, policy_version, outcome, decision, \(JSONB(text)) FROM evaluations
            """)
        let page = try await PostgresDecisionLog(pool: fixture.pool).decisions(since: .distantPast, cursor: nil, limit: 1)
        let rest = try await PostgresDecisionLog(pool: fixture.pool).decisions(since: .distantPast, cursor: page.next, limit: 10)
        #expect((page.items + rest.items).map(\.facts) == [facts(promotion, findings: 3), old])
    }

    @Test func contentsAreNeverChanged() async throws {
        let fixture = try await StoreFixture.make()
        _ = try await look(fixture, [{ facts($0, findings: 1) }])
        await #expect(throws: PostgresError.self) { try await fixture.pool.execute("UPDATE fact_contents SET content = '{}'") }
        await #expect(throws: PostgresError.self) { try await fixture.pool.execute("DELETE FROM fact_contents") }
    }

    /// Whoever carries events out finds those about policies beside those about promotions.
    @Test func policiesThatAreAdoptedOrRefusedAreEvents() async throws {
        let fixture = try await StoreFixture.make()
        let records = PostgresPolicyRecords(pool: fixture.pool)
        let refusal = PolicyRefusal(revision: "bad", commit: nil, at: Date(), mistakes: [])
        #expect(try await records.refuse(refusal, audit: try fixture.entry("policy.refused")))
        #expect(try await !records.refuse(refusal, audit: try fixture.entry("policy.refused")))
        let other = try PolicySet(
            files: fixture.policies.files + [PolicyFile(path: "more.yaml", text: "version: 1\nkind: Policy\nname: more\nmatch: { images: ['**'] }\n")], commit: nil)
        _ = try await records.adopt(other, commit: nil, audit: try fixture.entry("policy.loaded"))
        _ = try await records.adopt(other, commit: nil, audit: try fixture.entry("policy.loaded"))
        let events = try await fixture.pool.query(
            "SELECT type, payload->>'action' AS action FROM outbox WHERE promotion_id IS NULL AND at > now() - interval '1 minute' ORDER BY type, at")
        let types = try events.map { row in try row.decode("type", as: String.self) }
        #expect(types.filter { $0 == "policy.refused" }.count == 1 && types.contains("policy.loaded"))
        #expect(try events.allSatisfy { row in try row.decode("action", as: String.self).hasPrefix("policy.") })
    }
}

import AuditLog
import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

/// What people and pipelines say is kept for ever, and wakes what waits for it and nothing else.
@Suite(.inTurn) struct StatementTests {
    private func identity(_ name: String) -> Identity { Identity(id: "token:\(name)", issuer: "shiplift", claims: ["groups": ["managers"]], name: name) }

    private func id() -> UUID {
        var random = SystemRandomNumberGenerator()
        return UUID.version7(at: Date(), random: &random)
    }

    /// A promotion that waits without a known time.
    @discardableResult
    private func waiting(_ fixture: StoreFixture, _ image: String = "shop/api", seed: String = "a", platform: Digest? = nil, arriving: () async throws -> Void = {})
        async throws -> Promotion
    {
        let promotion = try fixture.promotion(image, seed: seed)
        try await fixture.create(promotion)
        let leased = try await fixture.claim()
        #expect(leased.promotion.id == promotion.id)
        _ = try await fixture.move(leased, from: .requested, to: .evaluating)
        try await arriving()
        return try await wait(fixture, leased, platform)
    }

    private func wait(_ fixture: StoreFixture, _ leased: LeasedPromotion, _ platform: Digest? = nil) async throws -> Promotion {
        let promotion = leased.promotion
        var change = StateChange(promotion: promotion.id, from: [.evaluating], to: .waiting, audit: try fixture.entry("promotion.waiting", promotion: promotion))
        change.decision = Decision(outcome: .wait, gates: [], targetTags: [], policyVersion: fixture.policies.version)
        change.facts = PromotionFacts(
            image: promotion.image, from: promotion.from, to: promotion.to, digest: promotion.digest, tag: promotion.sourceTag, requestedTargetTags: [],
            requester: "token:test", mediaType: .ociManifest, artifactType: nil,
            platforms: platform.map { [PlatformFacts(platform: Platform(os: "linux", architecture: "arm64"), labels: [:], user: nil, digest: $0)] } ?? [],
            annotations: [:], sizeBytes: 1, created: nil, presentInSource: true, targetTags: [])
        _ = try await fixture.store.move([change], lease: leased.lease)
        return try #require(try await fixture.store.promotion(promotion.id))
    }

    private func statements(_ fixture: StoreFixture) -> PostgresStatementStore { PostgresStatementStore(pool: fixture.pool) }
    private func facts(_ fixture: StoreFixture) -> PostgresFactStore { PostgresFactStore(pool: fixture.pool) }

    @discardableResult
    private func say(_ fixture: StoreFixture, _ kind: PromotionVerdict.Kind, _ promotion: Promotion, by name: String, _ comment: String? = nil) async throws -> Promotion {
        let verdict = PromotionVerdict(
            id: id(), promotion: promotion.id, kind: kind, by: identity(name), at: Date(), digest: promotion.digest,
            policyVersion: fixture.policies.version.description, comment: comment)
        return try await statements(fixture).record(
            verdict, audit: try fixture.entry("promotion.\(kind.rawValue)", promotion: promotion),
            revival: try fixture.entry("promotion.retried", promotion: promotion))
    }

    @discardableResult
    private func post(
        _ fixture: StoreFixture, _ kind: String, _ result: String, about digest: Digest, by name: String = "ci", image: String? = nil
    ) async throws -> [PromotionID] {
        let fact = EvidenceFact(
            kind: kind, digest: digest, result: result, recordedAt: Date(), postedBy: identity(name), evidence: Digest(hashing: Data(result.utf8)))
        let posted = PostedEvidence(id: id(), fact: fact, image: try image.map { try ImageName(parsing: $0) }, details: #"{"a":1}"#, url: "https://ci.example.test")
        return try await statements(fixture).record(posted, audit: try fixture.entry("evidence.posted"))
    }

    private func isDue(_ fixture: StoreFixture, _ promotion: Promotion) async throws -> Bool {
        try await fixture.asSuperuser("SELECT (run_at <= now())::text FROM jobs WHERE promotion_id = '\(promotion.id)'") == ["true"]
    }

    @Test func aVerdictIsKeptAndWakesItsPromotion() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try await waiting(fixture)
        #expect(try await !isDue(fixture, promotion))
        try await say(fixture, .reject, promotion, by: "ada", "not yet")
        #expect(try await isDue(fixture, promotion))
        try await say(fixture, .approve, promotion, by: "ada", "now")
        let kept = try await facts(fixture).verdicts(on: promotion.id)
        #expect(kept.map(\.kind) == [.reject, .approve] && kept.map(\.comment) == ["not yet", "now"], "history is kept, in its order")
        #expect(kept.first?.by == identity("ada") && kept.first?.digest == promotion.digest)
        let actions = try await fixture.asSuperuser("SELECT action FROM audit_entries WHERE action IN ('promotion.approve', 'promotion.reject') ORDER BY occurred_at")
        #expect(actions == ["promotion.reject", "promotion.approve"])
        await #expect(throws: (any Error).self) { try await fixture.pool.execute("UPDATE verdicts SET comment = 'x'") }
        await #expect(throws: (any Error).self) { try await fixture.pool.execute("DELETE FROM verdicts") }
    }

    /// What arrives between the look at the facts and the wait is not lost.
    @Test func whatArrivesDuringTheDecisionIsLookedAtToo() async throws {
        let fixture = try await StoreFixture.make()
        let digest = Digest(hashing: Data("a".utf8))
        let promotion = try await waiting(fixture) { try await post(fixture, "tests", "passed", about: digest) }
        #expect(try await isDue(fixture, promotion))
        let again = try await fixture.claim()
        #expect(again.promotion.id == promotion.id)
        _ = try await fixture.move(again, from: .waiting, to: .evaluating)
        _ = try await wait(fixture, again)
        #expect(try await !isDue(fixture, promotion), "once")
    }

    /// A rejection that was accepted counts, though the decision to go on was already made without it.
    @Test func aDecisionThatWasOvertakenIsMadeAgain() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        try await fixture.create(promotion)
        let leased = try await fixture.claim()
        _ = try await fixture.move(leased, from: .requested, to: .evaluating)
        try await say(fixture, .reject, promotion, by: "ada")
        let decision = Decision(outcome: .allow, gates: [], targetTags: [], policyVersion: fixture.policies.version)
        await #expect(throws: StoreError.overtaken) { try await fixture.move(leased, from: .evaluating, to: .queued, decision: decision) }
        #expect(try await fixture.store.promotion(promotion.id)?.state == .evaluating)
        try await fixture.queue.giveBack(leased.lease, after: .zero, countsAsFailure: false)
        let again = try await fixture.claim()
        #expect(try await fixture.move(again, from: .evaluating, to: .denied, decision: decision).state == .denied)
    }

    /// Of two hundred and two that wait, those about the digest or one of its platforms are touched.
    @Test func evidenceTouchesThoseThatItIsAbout() async throws {
        let fixture = try await StoreFixture.make()
        let platform = Digest(hashing: Data("arm64".utf8))
        for index in 0..<200 { try await waiting(fixture, "shop/other\(index % 5)", seed: "o\(index)") }
        let first = try await waiting(fixture, seed: "a")
        let second = try await waiting(fixture, "shop/web", seed: "b", platform: platform)
        let others = "SELECT md5(string_agg(xmin::text || run_at::text, ',' ORDER BY id)) FROM jobs WHERE promotion_id NOT IN ('\(first.id)', '\(second.id)')"
        let before = try await fixture.asSuperuser(others)
        #expect(try await post(fixture, "tests", "passed", about: first.digest) == [first.id])
        #expect(try await post(fixture, "tests", "passed", about: platform) == [second.id])
        #expect(try await post(fixture, "tests", "passed", about: Digest(hashing: Data("nothing".utf8))).isEmpty)
        #expect(try await fixture.asSuperuser(others) == before)
        for promotion in [first, second] { #expect(try await isDue(fixture, promotion)) }
        #expect(try await fixture.queue.claim(owner: UUID(), limit: 10, duration: .seconds(30)).count == 2)
    }

    @Test func aPolicyPutInForceWakesWhatWaitsByAnother() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try await waiting(fixture)
        try await fixture.catalog.adopt(fixture.policies, audit: try fixture.entry("policy.loaded"))
        #expect(try await !isDue(fixture, promotion), "the same version says the same")
        let changed = try PolicySet(
            files: fixture.policies.files + [PolicyFile(path: "q.yaml", text: "version: 1\nkind: Policy\nname: q\nmatch: { images: ['x'] }\n")], commit: nil)
        try await fixture.catalog.adopt(changed, audit: try fixture.entry("policy.loaded"))
        try await eventually("its turn") { try await isDue(fixture, promotion) }
    }

    @Test func aVerdictComesInTimeOrNotAtAll() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        try await fixture.create(promotion)
        let leased = try await fixture.claim()
        _ = try await fixture.move(leased, from: .requested, to: .evaluating)
        _ = try await fixture.move(leased, from: .evaluating, to: .denied)
        await #expect(throws: StoreError.stale(current: .denied)) { try await say(fixture, .approve, promotion, by: "ada") }
        #expect(try await facts(fixture).verdicts(on: promotion.id).isEmpty)
        let revived = try await say(fixture, .override, promotion, by: "ada", "INC-1")
        #expect(revived.state == .requested)
        #expect(try await fixture.claim().promotion.id == promotion.id)
        await #expect(throws: StoreError.notFound) { try await say(fixture, .approve, try fixture.promotion(seed: "z"), by: "ada") }
    }

    /// One poster's word does not hide another's; the newest of each counts, for the image that it is about.
    @Test func theNewestOfEachPosterIsAFact() async throws {
        let fixture = try await StoreFixture.make()
        let digest = Digest(hashing: Data("a".utf8))
        for (result, name, image) in [("failed", "ci", nil), ("passed", "ci", nil), ("failed", "stranger", nil), ("passed", "web-ci", "shop/web")] {
            try await post(fixture, "tests", result, about: digest, by: name, image: image)
        }
        try await post(fixture, "other", "passed", about: digest)
        let found = try await facts(fixture).evidence(about: [digest], image: try ImageName(parsing: "shop/api"), kinds: ["tests"])
        #expect(Set(found.map { "\($0.postedBy?.name ?? "") \($0.result)" }) == ["ci passed", "stranger failed"])
        let web = try await facts(fixture).evidence(about: [digest], image: try ImageName(parsing: "shop/web"), kinds: ["tests", "other"])
        #expect(web.count == 4)
        var seen: [PostedFact] = []
        var cursor: String?
        repeat {
            let page = try await statements(fixture).statements(about: digest, cursor: cursor, limit: 2)
            seen += page.items
            cursor = page.next
        } while cursor != nil
        #expect(seen.count == 5 && Set(seen.map(\.id)).count == 5)
        await #expect(throws: StoreError.invalidCursor) { try await statements(fixture).statements(about: digest, cursor: "AAAA", limit: 2) }
    }

    @Test func scansAreFactsToo() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try await waiting(fixture)
        for (day, severity) in [(2.0, Severity.critical), (1.0, .low)] {
            let at = Date(timeIntervalSince1970: 1_770_000_000 - day * 86_400)
            let fact = ScanFact(
                scanner: "trivy", digest: promotion.digest, completedAt: at, findings: [Finding(id: "CVE-1", aliases: ["G"], severity: severity, package: "p")],
                postedBy: identity("ci"), evidence: Digest(hashing: Data("r".utf8)))
            let posted = PostedScan(id: id(), fact: fact, image: nil, format: .trivy, recordedAt: at)
            #expect(try await statements(fixture).record(posted, audit: try fixture.entry("scan.posted")) == [promotion.id])
        }
        let found = try await facts(fixture).scans(of: [promotion.digest], image: promotion.image)
        #expect(found.count == 1 && found.first?.findings == [Finding(id: "CVE-1", aliases: ["G"], severity: .low, package: "p")])
        #expect(found.first?.completedAt == Date(timeIntervalSince1970: 1_770_000_000 - 86_400))
    }

    @Test func decisionsComeBackAsTheyWereMade() async throws {
        let fixture = try await StoreFixture.make()
        for index in 0..<5 { try await waiting(fixture, seed: "\(index)") }
        var found: [RecordedDecision] = []
        var cursor: String?
        let log = PostgresDecisionLog(pool: fixture.pool)
        let since = Date(timeIntervalSinceNow: -3600)
        repeat {
            let page = try await log.decisions(since: since, cursor: cursor, limit: 2)
            found += page.items
            cursor = page.next
        } while cursor != nil
        #expect(found.count == 5 && Set(found.map(\.id)).count == 5 && found.map(\.at) == found.map(\.at).sorted())
        #expect(found.first?.facts.digest == Digest(hashing: Data("0".utf8)) && found.first?.decision.outcome == .wait)
        #expect(try await log.decisions(since: Date(timeIntervalSinceNow: 60), cursor: nil, limit: 2).items.isEmpty)
    }
}

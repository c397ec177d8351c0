import AuditLog
import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

/// Sightings, drift and the state at a time, in PostgreSQL.
@Suite(.inTurn) struct InventoryStoreTests {
    private let image: ImageName
    private let tag: OCI.Tag
    private let environment: EnvironmentName
    private let target: TargetRepository

    init() throws {
        image = try ImageName(parsing: "shop/api")
        tag = try OCI.Tag(parsing: "1.0.0")
        environment = try #require(EnvironmentName(parsing: "test"))
        target = TargetRepository(registry: "test", repository: try RepositoryName(parsing: "test/shop/api"))
    }

    private func digest(_ seed: String) -> Digest { Digest(hashing: Data(seed.utf8)) }

    @discardableResult
    private func see(_ fixture: StoreFixture, _ seed: String?, age: Duration = .zero) async throws -> TagChanges {
        try await PostgresInventory(pool: fixture.pool).observe(
            [TagLook(tag: tag, digest: seed.map(digest))], of: image, at: target, in: environment, age: age, seenBy: "scan")
    }

    /// A promotion of `seed` that has written the tag.
    @discardableResult
    private func promote(_ fixture: StoreFixture, _ seed: String, until state: PromotionState = .succeeded) async throws -> LeasedPromotion {
        try await fixture.create(try fixture.promotion("shop/api", seed: seed))
        let leased = try await fixture.claim()
        try await fixture.queue(leased)
        _ = try await fixture.move(leased, from: .queued, to: .copying)
        _ = try await fixture.move(leased, from: .copying, to: .committing)
        guard state == .succeeded else { return leased }
        try await end(leased, fixture, seed)
        return leased
    }

    private func end(_ leased: LeasedPromotion, _ fixture: StoreFixture, _ seed: String) async throws {
        var change = StateChange(promotion: leased.promotion.id, from: [.committing], to: .succeeded, audit: try fixture.entry("promotion.succeeded", promotion: leased.promotion))
        change.tagMoves = [TagMove(target: target, tag: tag, previous: nil, digest: digest(seed), written: true)]
        _ = try await fixture.store.move([change], lease: leased.lease)
    }

    private func drifts(_ fixture: StoreFixture, open: Bool? = true) async throws -> [Drift] {
        var filter = DriftFilter()
        filter.isOpen = open
        return try await PostgresInventory(pool: fixture.pool).drifts(filter, cursor: nil, limit: 100).items
    }

    @Test func whatOthersDoToOurTagIsDriftUntilItIsUndone() async throws {
        let fixture = try await StoreFixture.make()
        try await see(fixture, "before")
        let promotion = try await promote(fixture, "ours")
        #expect(try await drifts(fixture).isEmpty, "what others did before us is none")
        try await see(fixture, "ours")
        #expect(try await drifts(fixture).isEmpty)
        try await see(fixture, "theirs")
        let drift = try #require(try await drifts(fixture).first)
        #expect(drift.expected == digest("ours") && drift.found == digest("theirs") && drift.promotion == promotion.promotion.id && drift.image == image)
        // More of it is the same drift.
        try await see(fixture, nil)
        #expect(try await drifts(fixture).map(\.found) == [nil])
        try await see(fixture, "ours")
        #expect(try await drifts(fixture, open: nil).map(\.resolution) == [.returned])
        // Once more: it is as we made it, so it is drift again.
        try await see(fixture, "theirs")
        #expect(try await drifts(fixture).count == 1)
        try await promote(fixture, "next")
        #expect(try await drifts(fixture).isEmpty)
        #expect(Set(try await drifts(fixture, open: false).map(\.resolution)) == [.returned, .promoted])
        var filter = AuditFilter()
        filter.environment = environment
        let acts = try await fixture.trail.entries(filter, order: .newest, cursor: nil, limit: 100).items
            .map { try AuditEntry(canonical: $0.canonicalText).action }.filter { $0.hasPrefix("drift") }
        #expect(acts.filter { $0 == "drift.detected" }.count == 2 && acts.filter { $0 == "drift.resolved" }.count == 2)
    }

    /// A look that began before our write was written down says nothing about what is there now.
    @Test func anOldLookDoesNotUndoWhatWasWrittenSince() async throws {
        let fixture = try await StoreFixture.make()
        try await see(fixture, "before")
        try await promote(fixture, "ours")
        #expect(try await see(fixture, "before", age: .seconds(30)) == TagChanges())
        #expect(try await drifts(fixture).isEmpty)
        #expect(try await PostgresInventory(pool: fixture.pool).tags(of: target) == [tag: digest("ours")])
    }

    /// Between a promotion's write and its record, its own digest is no news.
    @Test func whatAPromotionIsAboutToRecordIsNoDrift() async throws {
        let fixture = try await StoreFixture.make()
        try await promote(fixture, "first")
        let leased = try await promote(fixture, "second", until: .committing)
        #expect(try await see(fixture, "second") == TagChanges())
        #expect(try await drifts(fixture).isEmpty)
        try await see(fixture, "theirs")
        #expect(try await drifts(fixture).count == 1, "what is neither is drift all the same")
        try await end(leased, fixture, "second")
        #expect(try await drifts(fixture).isEmpty)
    }

    @Test func theStateAtATimeIsWhatWasThereThen() async throws {
        let fixture = try await StoreFixture.make()
        let inventory = PostgresInventory(pool: fixture.pool)
        var times: [(Date, Digest?)] = []
        for seed in ["a", "b", nil, "c"] {
            try await see(fixture, seed)
            try await Task.sleep(for: .milliseconds(20))
            times.append((Date(), seed.map(digest)))
            try await Task.sleep(for: .milliseconds(20))
        }
        for (time, expected) in times {
            #expect(try await inventory.state(of: environment, image: nil, at: time, cursor: nil, limit: 10).items.first?.digest == expected)
        }
        #expect(try await inventory.state(of: environment, image: nil, at: times[0].0.addingTimeInterval(-60), cursor: nil, limit: 10).items.isEmpty)
        let moves = try await inventory.moves(of: image, environment: environment, tag: nil, since: nil, until: nil, cursor: nil, limit: 10).items
        #expect(moves.map(\.to) == [digest("c"), nil, digest("b"), digest("a")] && moves.map(\.from) == [nil, digest("b"), digest("a"), nil])
        #expect(moves.allSatisfy { $0.promotion == nil && $0.seenBy == "scan" })
    }

    @Test func earlierStatesAreFoundByTimeByDigestAndByLastMove() async throws {
        let fixture = try await StoreFixture.make()
        let inventory = PostgresInventory(pool: fixture.pool)
        try await promote(fixture, "a")
        try await Task.sleep(for: .milliseconds(20))
        let time = Date()
        try await Task.sleep(for: .milliseconds(20))
        try await promote(fixture, "b")
        let previous = try await inventory.earlier(.previous, in: environment, image: image, tags: [], limit: 10)
        #expect(previous.map(\.digest) == [digest("a")] && previous.first?.isCurrent == false && previous.first?.step?.description == "dev")
        #expect(try await inventory.earlier(.state(time), in: environment, image: nil, tags: [], limit: 10).map(\.digest) == [digest("a")])
        #expect(try await inventory.earlier(.digest(digest("a")), in: environment, image: image, tags: [], limit: 10).map(\.tag) == [tag])
        #expect(try await inventory.earlier(.digest(digest("b")), in: environment, image: image, tags: [], limit: 10).map(\.isCurrent) == [true])
        #expect(try await inventory.earlier(.digest(digest("c")), in: environment, image: image, tags: [], limit: 10).isEmpty)
    }

    /// The database itself: a promotion to where it comes from is a rollback, and what makes it one is fixed.
    @Test func onlyARollbackStaysInItsEnvironment() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        func made(_ rollback: Rollback?) throws -> Promotion {
            var random = SystemRandomNumberGenerator()
            return Promotion(
                id: PromotionID(UUID.version7(at: Date(), random: &random)), image: promotion.image, from: promotion.to, to: promotion.to, digest: promotion.digest,
                sourceTag: nil, requestedTags: [tag], reason: nil, requestedBy: promotion.requestedBy, requestID: nil, createdAt: Date(), rollback: rollback)
        }
        await #expect(throws: StoreError.self) { try await fixture.create(try made(nil)) }
        let rollback = Rollback(step: promotion.from, state: Date(timeIntervalSince1970: 1_790_000_000))
        let stored = try made(rollback)
        try await fixture.create(stored)
        #expect(try await fixture.store.promotion(stored.id)?.rollback == rollback)
        await #expect(throws: (any Error).self) { try await fixture.asSuperuser("UPDATE promotions SET rollback = '{\"step\":\"x\"}' WHERE id = '\(stored.id)'") }
    }

    @Test func searchesFindByWordsAndByWhatTagsName() async throws {
        let fixture = try await StoreFixture.make()
        let inventory = PostgresInventory(pool: fixture.pool)
        for (name, seed, labels) in [
            ("web/nginx", "n", ["org.opencontainers.image.title": "A fast proxy", "org.opencontainers.image.revision": "abc123", "team": "edge"]),
            ("shop/api", "s", ["org.opencontainers.image.revision": "def456", "team": "shop"]),
        ] {
            let image = try ImageName(parsing: name)
            let target = TargetRepository(registry: "test", repository: try RepositoryName(parsing: "test/\(name)"))
            _ = try await inventory.observe([TagLook(tag: tag, digest: digest(seed))], of: image, at: target, in: environment, age: .zero, seenBy: "scan")
            try await inventory.describe(
                [
                    ArtifactDescription(
                        digest: digest(seed), mediaType: .ociManifest, artifactType: nil, subject: nil, size: name == "shop/api" ? 10 : 5_000_000,
                        created: Date(timeIntervalSince1970: 1_790_000_000), platforms: [Platform(os: "linux", architecture: "amd64")], labels: labels, blobs: [],
                        isComplete: true)
                ], of: image)
        }
        func find(_ change: (inout ImageSearch) -> Void) async throws -> [String] {
            var search = ImageSearch()
            change(&search)
            return try await inventory.search(search, cursor: nil, limit: 10).items.map(\.summary.image.description)
        }
        #expect(try await find { _ in } == ["shop/api", "web/nginx"])
        #expect(try await find { $0.text = "ngin" } == ["web/nginx"])
        #expect(try await find { $0.text = "proxy" } == ["web/nginx"], "by its description")
        #expect(try await find { $0.text = "edge" } == ["web/nginx"], "by a label")
        #expect(try await find { $0.text = "%" }.isEmpty)
        #expect(try await find { $0.text = "it's \\ 'quoted' & | ! :*" }.isEmpty, "words are words")
        #expect(try await find { $0.labels = ["team": "shop"] } == ["shop/api"])
        #expect(try await find { $0.labels = ["team": Optional<String>.none] } == ["shop/api", "web/nginx"])
        #expect(try await find { $0.revision = "abc" } == ["web/nginx"])
        #expect(try await find { $0.digestPrefix = String(self.digest("s").hex.prefix(7)) } == ["shop/api"])
        #expect(try await find { $0.minimumSize = 1_000 } == ["web/nginx"])
        #expect(try await find { $0.platform = Platform(os: "linux", architecture: "arm64") }.isEmpty)
        let two = try OCI.Tag(parsing: "2.0.0")
        #expect(try await find { $0.tag = two }.isEmpty)
        #expect(try await find { $0.environment = EnvironmentName(parsing: "dev") }.isEmpty)
        // Pages.
        let first = try await inventory.search(ImageSearch(), cursor: nil, limit: 1)
        #expect(try await inventory.search(ImageSearch(), cursor: first.next, limit: 1).items.map(\.summary.image.description) == ["web/nginx"])
        #expect(first.items.first?.matches.first?.digest == digest("s"))
    }
}

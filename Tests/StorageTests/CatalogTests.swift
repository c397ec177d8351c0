import Logging
import TestSupport
import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import Testing

@Suite(.inTurn) struct CatalogTests {
    private let image = "shop/api"

    private func observe(_ fixture: StoreFixture, _ tag: String, _ seed: String?, image: String = "shop/api") async throws {
        try await fixture.catalog.observe(
            tag: try Tag(parsing: tag), target: TargetRepository(registry: "dev", repository: try RepositoryName(parsing: "dev/\(image)")),
            image: try ImageName(parsing: image), environment: try #require(EnvironmentName(parsing: "dev")),
            digest: seed.map { Digest(hashing: Data($0.utf8)) }, seenBy: "test")
    }

    private func history(_ fixture: StoreFixture, history: Bool = true) async throws -> [TagPeriod] {
        try await fixture.catalog.tags(image: try ImageName(parsing: image), environment: nil, tag: nil, history: history, cursor: nil, limit: 100).items
    }

    @Test func everyMoveIsKeptAndEqualSightingsAreNot() async throws {
        let fixture = try await StoreFixture.make()
        for seed in ["a", "a", "b", "b", nil, nil, "a"] { try await observe(fixture, "1.0.0", seed) }
        let periods = try await history(fixture)
        #expect(periods.map(\.digest) == ["a", nil, "b", "a"].map { $0.map { Digest(hashing: Data($0.utf8)) } })
        #expect(periods.dropFirst().allSatisfy { $0.until != nil } && periods[0].until == nil)
        #expect(try await history(fixture, history: false).count == 1)
    }

    /// Each makes image and repository known, if nobody has: none may hold one of them while it waits for another.
    @Test func newTagsOfNewImagesAtOnceDoNotWaitInACircle() async throws {
        let fixture = try await StoreFixture.make()
        for round in 0..<6 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<24 { group.addTask { try await observe(fixture, "1.0.\(index)", "a", image: "shop/new-\(round)") } }
                try await group.waitForAll()
            }
        }
        // Backends hand in their counts when they are idle, a second later at most.
        try await Task.sleep(for: .seconds(2))
        #expect(try await fixture.asSuperuser("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").last == "0")
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM tag_history").last == "144")
    }

    @Test func manyObserversAtOnceAgree() async throws {
        let fixture = try await StoreFixture.make()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<24 { group.addTask { try await observe(fixture, "1.0.0", index.isMultiple(of: 2) ? "a" : "b") } }
            try await group.waitForAll()
        }
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM tag_history WHERE upper_inf(valid)").last == "1")
    }

    @Test func knowsWhereAnArtifactIs() async throws {
        let fixture = try await StoreFixture.make()
        let memory = PostgresContentMemory(pool: fixture.pool)
        let digest = Digest(hashing: Data("a".utf8))
        try await observe(fixture, "1.0.0", "a")
        try await memory.record(
            server: "https://one.example.test", repository: try RepositoryName(parsing: "dev/shop/api"), blobs: [], committed: [digest], manifests: [digest],
            goneBlobs: [], goneManifests: [], refusedMounts: [])
        let found = try #require(try await fixture.catalog.artifact(digest))
        #expect(found.locations.map(\.environment.description) == ["dev"] && found.locations[0].tags.map(\.description) == ["1.0.0"])
        #expect(try await fixture.catalog.artifact(Digest(hashing: Data("b".utf8))) == nil)
        let holders = try await memory.holders(server: "https://one.example.test", blobs: [digest])
        #expect(holders.map(\.isCommitted) == [true])
        try await memory.record(
            server: "https://one.example.test", repository: try RepositoryName(parsing: "dev/shop/api"), blobs: [], committed: [], manifests: [],
            goneBlobs: [digest], goneManifests: [digest], refusedMounts: [])
        #expect(try await memory.holders(server: "https://one.example.test", blobs: [digest]).isEmpty)
    }

    /// The database itself refuses bytes that are not their digest's.
    @Test func keptManifestsAreTheirDigests() async throws {
        let fixture = try await StoreFixture.make()
        let digest = Digest(hashing: Data("{}".utf8)).bytes
        await #expect(throws: (any Error).self) {
            try await fixture.pool.execute("INSERT INTO artifacts (digest, media_type, bytes) VALUES (\([1] + digest), 'x', \(Array("{ }".utf8)))")
        }
        try await fixture.pool.execute("INSERT INTO artifacts (digest, media_type, bytes) VALUES (\([1] + digest), 'x', \(Array("{}".utf8)))")
    }

    @Test func theLastPolicyIsRemembered() async throws {
        let fixture = try await StoreFixture.make()
        #expect(try await fixture.catalog.lastPolicy()?.map(\.path) == ["environments.yaml", "p.yaml"])
        try await fixture.catalog.adopt(fixture.policies, audit: try fixture.entry("policy.loaded"))
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_entries WHERE action = 'policy.loaded'").last == "1", "the same version again is no act")
    }
}

/// Policies that were put in force, and those that were refused.
@Suite(.inTurn) struct PolicyRecordsTests {
    private let commit = PolicyCommit(
        id: String(repeating: "0a", count: 20), author: "Alice <alice@acme.test>", committedAt: Date(timeIntervalSince1970: 1_795_528_496), subject: "Change",
        signature: CommitSignature(scheme: .ssh, signer: "alice@acme.test", key: "SHA256:x"))

    @Test func aCommitIsRememberedWithItsFiles() async throws {
        let fixture = try await StoreFixture.make()
        let records = PostgresPolicyRecords(pool: fixture.pool)
        #expect(try await records.inForce()?.commit == nil)
        let files = fixture.policies.files
        let set = try PolicySet(files: files, commit: commit.id)
        let since = try await records.adopt(set, commit: commit, audit: try fixture.entry("policy.loaded"))
        #expect(try await records.inForce() == StoredPolicy(files: files, commit: commit, since: since))
        #expect(try await records.adopt(set, commit: commit, audit: try fixture.entry("policy.loaded")) == since, "the same again changes nothing")
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_entries WHERE action = 'policy.loaded'").last == "2")
        // The same commit with other files, of another folder: what was decided must stay explainable.
        let other = try PolicySet(files: files.filter { $0.path == "environments.yaml" }, commit: commit.id)
        await #expect(throws: StoreError.self) { try await records.adopt(other, commit: commit, audit: try fixture.entry("policy.loaded")) }
        #expect(try await records.inForce()?.files == files)
    }

    @Test func aRefusalIsWrittenDownOnce() async throws {
        let fixture = try await StoreFixture.make()
        let records = PostgresPolicyRecords(pool: fixture.pool)
        let mistake = PolicyDiagnostic(file: "p.yaml", line: 4, column: 1, problem: "unknown", remedy: "mend it")
        let refusal = PolicyRefusal(revision: commit.id, commit: commit, at: Date(timeIntervalSince1970: 1), mistakes: [mistake])
        #expect(try await records.refuse(refusal, audit: try fixture.entry("policy.refused")))
        #expect(try await !records.refuse(refusal, audit: try fixture.entry("policy.refused")))
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_entries WHERE action = 'policy.refused'").last == "1")
    }
}

/// What policy asks of our memory.
@Suite(.inTurn) struct FactStoreTests {
    @Test func aTagThatIsWrittenAnewIsNoBreakAndOneThatMovedIs() async throws {
        let fixture = try await StoreFixture.make()
        let facts = PostgresFactStore(pool: fixture.pool)
        let image = try ImageName(parsing: "shop/api")
        let target = TargetRepository(registry: "test", repository: try RepositoryName(parsing: "test/shop/api"))
        let (mine, other) = (Digest(hashing: Data("mine".utf8)), Digest(hashing: Data("other".utf8)))
        func see(_ digest: Digest?, _ tag: String = "1.0.0") async throws {
            try await fixture.catalog.observe(
                tag: try Tag(parsing: tag), target: target, image: image, environment: try #require(EnvironmentName(parsing: "test")), digest: digest,
                seenBy: "test")
        }
        #expect(try await facts.sightings(of: mine, image: image).isEmpty)
        try await see(mine)
        let first = try #require(try await facts.sightings(of: mine, image: image).first)
        #expect(first.registry == "test" && first.since == first.firstSeen)
        // A second tag takes over: the digest was there all the time.
        try await see(mine, "latest")
        try await see(other)
        #expect(try await facts.sightings(of: mine, image: image).first?.since == first.since)
        try await see(other, "latest")
        let gone = try #require(try await facts.sightings(of: mine, image: image).first)
        #expect(gone.firstSeen == first.firstSeen && gone.since == nil)
        try await see(mine)
        let back = try #require(try await facts.sightings(of: mine, image: image).first)
        #expect(back.firstSeen == first.firstSeen && back.since.map { $0 > first.firstSeen } == true)
    }

    @Test func whatEnteredAnEnvironmentIsCounted() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion())
        let leased = try await fixture.claim()
        try await fixture.queue(leased)
        let facts = PostgresFactStore(pool: fixture.pool)
        let test = try #require(EnvironmentName(parsing: "test"))
        #expect(try await facts.promotions(into: test, since: .distantPast).isEmpty, "what is under way has not entered")
        _ = try await fixture.move(leased, from: .queued, to: .copying)
        _ = try await fixture.move(leased, from: .copying, to: .committing)
        _ = try await fixture.move(leased, from: .committing, to: .succeeded)
        let entered = try await facts.promotions(into: test, since: Date(timeIntervalSinceNow: -60))
        #expect(entered.map(\.image.description) == ["shop/api"] && entered.map(\.requester) == ["token:test"])
        #expect(try await facts.promotions(into: test, since: Date(timeIntervalSinceNow: 60)).isEmpty)
    }
}

@Suite(.inTurn) struct MigratorTests {
    /// Roles belong to the cluster, migrations to a database: two databases that are made at once both need the same roles.
    @Test func databasesOfOneClusterAreMigratedSideBySide() async throws {
        let server = try await PostgresServer.start()
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Migrations")
        let urls = (0..<6).map { server.url(database: "side\($0)") }
        for index in urls.indices { _ = try await server.run("CREATE DATABASE side\(index)", in: "postgres") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for url in urls {
                group.addTask {
                    _ = try await SchemaMigrator(configuration: PostgresConfiguration(parsing: url), logger: Logger(label: "test"))
                        .migrate(Migration.read(folder: folder))
                }
            }
            try await group.waitForAll()
        }
        try await server.stop()
    }

    @Test func refusesAChangedMigrationAndANewerDatabase() async throws {
        let fixture = try await StoreFixture.make()
        var configuration = try PostgresConfiguration(parsing: fixture.server.url(database: fixture.name))
        configuration.schema = SchemaMigrator.schema
        let migrator = SchemaMigrator(configuration: configuration, logger: .init(label: "test"))
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Migrations")
        let migrations = try Migration.read(folder: folder)
        #expect(try await migrator.migrate(migrations).isEmpty, "nothing is applied twice")
        await #expect(throws: MigrationError.self) {
            _ = try await migrator.migrate(migrations.map { Migration(number: $0.number, name: $0.name, sql: $0.sql + " ") })
        }
        try await fixture.asSuperuser("INSERT INTO migrations (number, name, checksum) VALUES (99, 'future', 'x')")
        await #expect(throws: MigrationError.self) { _ = try await migrator.migrate(migrations) }
    }
}

import AuditLog
import Foundation
import Logging
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

/// A migrated database of its own, with the service's rights and nothing more.
struct StoreFixture {
    let name: String
    let server: PostgresServer
    let pool: PostgresPool
    let store: PostgresPromotionStore
    let queue: PostgresWorkQueue
    let trail: PostgresAuditTrail
    let catalog: PostgresCatalog
    let policies: PolicySet
    let signer = CheckpointSigner(generatingFor: "test-log")

    static func make() async throws -> StoreFixture {
        let server = try await PostgresServer.shared()
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Migrations")
        let logger = Logger(label: "test")
        let database = try await server.freshDatabase(from: "storage_template") { url in
            _ = try await SchemaMigrator(configuration: PostgresConfiguration(parsing: url), logger: logger).migrate(Migration.read(folder: folder))
        }
        var configuration = try PostgresConfiguration(parsing: database.url)
        configuration.role = "shiplift_app"
        configuration.schema = SchemaMigrator.schema
        configuration.poolSize = 6
        configuration.poolTimeout = .seconds(30)
        let pool = PostgresPool(configuration: configuration, logger: logger)
        let fixture = StoreFixture(
            name: database.name, server: server, pool: pool, store: PostgresPromotionStore(pool: pool),
            queue: PostgresWorkQueue(pool: pool, listener: PostgresListener(configuration: configuration, channels: ["shiplift_jobs"], logger: logger)),
            trail: PostgresAuditTrail(pool: pool, origin: "test-log"), catalog: PostgresCatalog(pool: pool), policies: try PolicySet(files: files, commit: nil))
        try await fixture.catalog.adopt(fixture.policies, audit: try fixture.entry("policy.loaded"))
        return fixture
    }

    private static let files = [
        PolicyFile(
            path: "environments.yaml",
            text: """
                version: 1
                kind: Environments
                environments:
                  - { name: dev, registries: [{ name: dev, url: "https://one.example.test", repository: "dev/{image}" }] }
                  - { name: test, registries: [{ name: test, url: "https://one.example.test", repository: "test/{image}" }] }
                """),
        PolicyFile(path: "p.yaml", text: "version: 1\nkind: Policy\nname: p\nmatch: { images: ['**'], from: dev, to: test }\n"),
    ]

    func entry(_ action: String, promotion: Promotion? = nil) throws -> AuditEntry {
        try AuditEntry(
            id: UUID(), time: Date(), actor: AuditActor(id: "token:test", authentication: .token), action: action, outcome: .success,
            subject: AuditEntry.Subject(image: promotion?.image.description, promotionID: promotion?.id.description))
    }

    /// So many entries of single acts.
    func append(_ count: Int) async throws {
        for index in 0..<count { try await trail.append(try entry("test.act-\(index)")) }
    }

    func promotion(_ image: String = "shop/api", seed: String = "a", tag: String = "1.0.0") throws -> Promotion {
        var random = SystemRandomNumberGenerator()
        return Promotion(
            id: PromotionID(UUID.version7(at: Date(), random: &random)), image: try ImageName(parsing: image), from: try #require(EnvironmentName(parsing: "dev")),
            to: try #require(EnvironmentName(parsing: "test")), digest: Digest(hashing: Data(seed.utf8)), sourceTag: try Tag(parsing: tag), requestedTags: [],
            reason: "because", requestedBy: SubjectID(stored: "token:test"), requestID: RequestID(parsing: "r-1"), createdAt: Date())
    }

    @discardableResult
    func create(_ promotion: Promotion, key: IdempotencyKey? = nil) async throws -> CreatedPromotion {
        try await store.create(promotion, key: key, audit: try entry("promotion.requested", promotion: promotion))
    }

    func claim(lease: Duration = .seconds(30)) async throws -> LeasedPromotion {
        try #require(try await queue.claim(owner: UUID(), limit: 1, duration: lease).first)
    }

    func move(_ leased: LeasedPromotion, from: PromotionState, to: PromotionState, decision: Decision? = nil) async throws -> Promotion {
        var change = StateChange(promotion: leased.promotion.id, from: [from], to: to, audit: try entry("promotion.\(to.rawValue)", promotion: leased.promotion))
        if let decision {
            change.decision = decision
            change.facts = PromotionFacts(
                image: leased.promotion.image, from: leased.promotion.from, to: leased.promotion.to, digest: leased.promotion.digest, tag: leased.promotion.sourceTag,
                requestedTargetTags: [], requester: "token:test", mediaType: .ociManifest, artifactType: nil, platforms: [], annotations: [:], sizeBytes: 1,
                created: nil, presentInSource: true, targetTags: [])
            change.targets = [TargetRepository(registry: "test", repository: try RepositoryName(parsing: "test/\(leased.promotion.image)"))]
            change.tags = decision.targetTags
        }
        let before = try #require(try await store.promotion(leased.promotion.id))
        let answered = zip([change], try await store.move([change], lease: leased.lease)).reduce(before) { $0.after($1.0, $1.1) }
        // What a worker goes on with is what is stored.
        #expect(try await store.promotion(leased.promotion.id) == answered)
        return answered
    }

    /// Takes a claimed promotion to `queued`.
    func queue(_ leased: LeasedPromotion) async throws {
        _ = try await move(leased, from: .requested, to: .evaluating)
        let decision = Decision(outcome: .allow, gates: [], targetTags: [leased.promotion.sourceTag].compactMap(\.self), policyVersion: policies.version)
        _ = try await move(leased, from: .evaluating, to: .queued, decision: decision)
    }

    /// Runs SQL with superuser rights, as an intruder would.
    @discardableResult
    func asSuperuser(_ sql: String) async throws -> [String] { try await server.run("SET search_path = shiplift, public; " + sql, in: name) }
}

public import AuditLog
import Foundation
public import OCI
public import PolicyEngine
public import Postgres
public import PromotionCore

/// What is where, as last seen, in PostgreSQL.
public struct PostgresCatalog: Catalog {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func tags(
        image: ImageName, environment: EnvironmentName?, tag: Tag?, history: Bool, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<TagPeriod> {
        let scope = "tags \(image) \(environment?.description ?? "") \(tag?.description ?? "") \(history)"
        let before = try cursor.map { text throws(StoreError) in Int64(try Cursor(parsing: text, scope: scope).position) }
        let periods = try await storing {
            try await pool.query(
                """
                SELECT t.id, e.environment, e.name AS registry, r.name AS repository, t.tag, t.digest, lower(t.valid) AS since, upper(t.valid) AS until, t.promotion_id
                  FROM images i JOIN image_repositories ir ON ir.image_id = i.id JOIN environment_registries e ON e.name = ir.registry_name
                  JOIN repositories r ON r.id = ir.repository_id JOIN tag_history t ON t.repository_id = ir.repository_id
                 WHERE i.name = \(image.description) AND (\(environment?.description)::text IS NULL OR e.environment = \(environment?.description))
                   AND (\(tag?.description)::text IS NULL OR t.tag = \(tag?.description))
                   AND (\(history) OR (upper_inf(t.valid) AND t.digest IS NOT NULL))
                   AND (\(before ?? nil)::bigint IS NULL OR t.id < \(before ?? nil))
                 ORDER BY t.id DESC LIMIT \(limit + 1)
                """
            ).map { row in (try row.decode("id", as: Int64.self), try Self.period(row)) }
        }
        let page = Page(periods, limit: limit, scope: scope) { String($0.0) }
        return Page(items: page.items.map(\.1), next: page.next)
    }

    private static func period(_ row: PostgresRow) throws(PostgresError) -> TagPeriod {
        TagPeriod(
            environment: try row.parsed("environment", EnvironmentName.init(parsing:)), registry: try row.decode("registry"),
            repository: try row.parsed("repository", RepositoryName.init(parsing:)), tag: try row.parsed("tag", Tag.init(parsing:)),
            digest: try row.digestIfPresent("digest"), since: try row.decode("since"), until: try row.decodeOptional("until"),
            promotion: try row.decodeOptional("promotion_id", as: UUID.self).map(PromotionID.init))
    }

    public func artifact(_ digest: Digest) async throws(StoreError) -> ArtifactSummary? {
        try await storing {
            let stored = digest.stored
            let known = try await pool.query("SELECT media_type, octet_length(bytes) AS size FROM artifacts WHERE digest = \(stored)").first
            let locations = try await pool.query(
                """
                SELECT e.environment, e.name AS registry, i.name AS image, r.name AS repository, m.seen_at,
                       (SELECT coalesce(array_agg(t.tag::text ORDER BY t.tag), '{}') FROM tag_history t
                         WHERE t.repository_id = m.repository_id AND upper_inf(t.valid) AND t.digest = m.digest) AS tags
                  FROM manifest_locations m JOIN repositories r ON r.id = m.repository_id JOIN image_repositories ir ON ir.repository_id = m.repository_id
                  JOIN environment_registries e ON e.name = ir.registry_name JOIN environments v ON v.name = e.environment JOIN images i ON i.id = ir.image_id
                 WHERE m.digest = \(stored) ORDER BY v.position, e.name LIMIT 1000
                """
            ).map { row in try Self.location(row) }
            guard known != nil || !locations.isEmpty else { return nil }
            return ArtifactSummary(
                digest: digest, mediaType: try known?.decode("media_type", as: String.self).asMediaType, sizeBytes: try known?.decode("size", as: Int.self),
                locations: locations)
        }
    }

    private static func location(_ row: PostgresRow) throws(PostgresError) -> ArtifactLocation {
        ArtifactLocation(
            environment: try row.parsed("environment", EnvironmentName.init(parsing:)), registry: try row.decode("registry"),
            image: try row.parsed("image", ImageName.init(parsing:)), repository: try row.parsed("repository", RepositoryName.init(parsing:)),
            tags: try row.decode("tags", as: [String].self).compactMap { text in do { return try Tag(parsing: text) } catch { return nil } },
            seenAt: try row.decode("seen_at"))
    }

    public func observe(
        tag: Tag, target: TargetRepository, image: ImageName, environment: EnvironmentName, digest: Digest?, seenBy: String, age: Duration
    ) async throws(StoreError) {
        try await storing {
            if try await isKnown(tag, target, image, digest) { return }
            try await pool.withTransaction { connection in
                let inserts = SharedInserts(connection: connection)
                let repository = try await inserts.repository(target)
                let imageID = try await inserts.image(image)
                try await inserts.place(imageID, in: repository, of: target.registry)
                _ = try await TagSightings(connection: connection, image: image, environment: environment, target: target, repository: repository)
                    .observe([TagLook(tag: tag, digest: digest)], age: age, seenBy: seenBy)
            }
        }
    }

    /// Whether the tag was last seen to name just this: the usual case, answered without a lock.
    private func isKnown(_ tag: Tag, _ target: TargetRepository, _ image: ImageName, _ digest: Digest?) async throws -> Bool {
        guard let digest else { return false }
        let rows = try await pool.query(
            """
            SELECT 1 AS one FROM images i JOIN image_repositories ir ON ir.image_id = i.id AND ir.registry_name = \(target.registry)
              JOIN repositories r ON r.id = ir.repository_id AND r.name = \(target.repository.description)
              JOIN tag_history t ON t.repository_id = r.id AND t.tag = \(tag.description) AND upper_inf(t.valid)
             WHERE i.name = \(image.description) AND t.digest = \(digest.stored)
            """)
        return !rows.isEmpty
    }

    public func adopt(_ policies: PolicySet, audit: AuditEntry) async throws(StoreError) {
        try await storing { try await pool.withTransaction { connection in try await Self.adopt(policies, audit: audit, connection) } }
    }

    static func adopt(_ policies: PolicySet, audit: AuditEntry, _ connection: PostgresConnection) async throws {
        let files = try StoredJSON.encode(policies.files.map { ["path": $0.path, "text": $0.text] })
        for environment in policies.environments {
            try await connection.execute(
                """
                INSERT INTO environments (name, position) VALUES (\(environment.name.description), \(environment.position))
                ON CONFLICT (name) DO UPDATE SET position = excluded.position, retired = false
                """)
            for registry in environment.registries { try await adopt(registry, environment.name, connection) }
        }
        let names = policies.environments.map(\.name.description)
        try await connection.execute("UPDATE environments SET retired = true WHERE NOT name = ANY (\(names)) AND NOT retired")
        try await connection.execute(
            """
            INSERT INTO policy_versions (version, content_sha256, files)
            VALUES (\(policies.version.description), \(policies.version.contentDigest.bytes), \(files)) ON CONFLICT (version) DO NOTHING
            """)
        let changed = try await connection.execute(
            """
            INSERT INTO policy_in_force (singleton, version) VALUES (true, \(policies.version.description))
            ON CONFLICT (singleton) DO UPDATE SET version = excluded.version, since = now() WHERE policy_in_force.version <> excluded.version
            """)
        if changed > 0 {
            try await SharedInserts(connection: connection).audit(audit)
            try await SharedInserts(connection: connection).event(audit)
        }
        try await Waking(connection: connection).promotionsDecidedUnderOthers(than: policies.version.description)
    }

    private struct StoredFile: Decodable {
        let path: String
        let text: String
    }

    public func lastPolicy() async throws(StoreError) -> [PolicyFile]? {
        try await storing {
            let rows = try await pool.query("SELECT v.files FROM policy_in_force f JOIN policy_versions v ON v.version = f.version")
            return try rows.first?.json("files", as: [StoredFile].self)?.map { PolicyFile(path: $0.path, text: $0.text) }
        }
    }

    private static func adopt(_ registry: RegistryDefinition, _ environment: EnvironmentName, _ connection: PostgresConnection) async throws {
        try await connection.execute("INSERT INTO registries (url) VALUES (\(registry.url)) ON CONFLICT (url) DO NOTHING")
        try await connection.execute(
            """
            INSERT INTO environment_registries (name, environment, registry_id)
            SELECT \(registry.name), \(environment.description), id FROM registries WHERE url = \(registry.url)
            ON CONFLICT (name) DO UPDATE SET environment = excluded.environment, registry_id = excluded.registry_id
            """)
    }
}

extension String {
    var asMediaType: MediaType { MediaType(self) }
}

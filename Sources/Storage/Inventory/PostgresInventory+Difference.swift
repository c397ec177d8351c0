import Foundation
public import OCI
public import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresInventory: InventoryQueries {
    public func difference(
        from: EnvironmentName, to: EnvironmentName, image: ImageName?, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<ImageStanding> {
        let scope = "difference \(from) \(to) \(image?.description ?? "")"
        let after = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        let names = try await imagesOfBoth(from, to, image, after, limit + 1)
        let page = Page(names, limit: limit, scope: scope) { $0 }
        let tags = try await tagDifferences(from, to, page.items)
        let differences = try await storing {
            try page.items.map { name in ImageStanding(image: try ImageName(parsing: name), tags: tags[name] ?? []) }
        }
        return Page(items: differences, next: page.next)
    }

    private func imagesOfBoth(
        _ from: EnvironmentName, _ to: EnvironmentName, _ image: ImageName?, _ after: String?, _ limit: Int
    ) async throws(StoreError) -> [String] {
        let (ends, wanted) = ([from.description, to.description], image?.description)
        return try await storing {
            try await pool.query(
                """
                SELECT i.name FROM images i
                 WHERE (\(wanted)::text IS NULL OR i.name = \(wanted)) AND (\(after)::text IS NULL OR i.name > \(after))
                   AND EXISTS (SELECT FROM image_repositories ir JOIN environment_registries e ON e.name = ir.registry_name AND e.environment = ANY (\(ends))
                                 JOIN tag_history t ON t.repository_id = ir.repository_id AND upper_inf(t.valid) AND t.digest IS NOT NULL
                                                   AND t.tag NOT LIKE \(Self.hidden)
                                WHERE ir.image_id = i.id)
                 ORDER BY i.name LIMIT \(limit)
                """
            ).map { row in try row.decode("name", as: String.self) }
        }
    }

    /// Of an environment with several registries, what its tag was moved to last counts.
    private func tagDifferences(
        _ from: EnvironmentName, _ to: EnvironmentName, _ images: [String]
    ) async throws(StoreError) -> [String: [TagDifference]] {
        guard !images.isEmpty else { return [:] }
        let (first, second) = (from.description, to.description)
        let rows = try await storing {
            try await pool.query(
                """
                WITH named AS (
                  SELECT DISTINCT ON (e.environment, i.id, t.tag::text) e.environment, i.id AS image_id, i.name AS image, t.tag::text AS tag, t.digest::bytea AS digest,
                         lower(t.valid) AS since
                    FROM images i JOIN image_repositories ir ON ir.image_id = i.id JOIN environment_registries e ON e.name = ir.registry_name
                    JOIN tag_history t ON t.repository_id = ir.repository_id AND upper_inf(t.valid) AND t.digest IS NOT NULL AND t.tag NOT LIKE \(Self.hidden)
                   WHERE i.name = ANY (\(images)) AND e.environment IN (\(first), \(second))
                   ORDER BY e.environment, i.id, t.tag::text, lower(t.valid) DESC),
                pairs AS (
                  SELECT coalesce(f.image, s.image) AS image, coalesce(f.image_id, s.image_id) AS image_id, coalesce(f.tag, s.tag) AS tag, f.digest AS from_digest,
                         f.since AS from_since, s.digest AS to_digest, s.since AS to_since
                    FROM (SELECT * FROM named WHERE environment = \(first)) f
                    FULL JOIN (SELECT * FROM named WHERE environment = \(second)) s ON s.image_id = f.image_id AND s.tag = f.tag)
                SELECT p.*, fd.size AS from_size, fd.created AS from_created, fd.revision AS from_revision,
                       fd.labels ->> 'org.opencontainers.image.source' AS from_source, td.size AS to_size, td.created AS to_created, td.revision AS to_revision,
                       td.labels ->> 'org.opencontainers.image.source' AS to_source,
                       EXISTS (SELECT FROM image_repositories ir JOIN environment_registries e ON e.name = ir.registry_name AND e.environment = \(first)
                                 JOIN tag_history h ON h.repository_id = ir.repository_id AND h.digest = p.to_digest WHERE ir.image_id = p.image_id) AS from_had,
                       EXISTS (SELECT FROM image_repositories ir JOIN environment_registries e ON e.name = ir.registry_name AND e.environment = \(second)
                                 JOIN tag_history h ON h.repository_id = ir.repository_id AND h.digest = p.from_digest WHERE ir.image_id = p.image_id) AS to_had,
                       m.blobs, m.bytes
                  FROM pairs p LEFT JOIN artifact_details fd ON fd.digest = p.from_digest LEFT JOIN artifact_details td ON td.digest = p.to_digest,
                       LATERAL (SELECT count(*) AS blobs, coalesce(sum(b.size), 0)::bigint AS bytes FROM artifact_blobs b
                                 WHERE b.digest = p.from_digest AND p.from_digest IS DISTINCT FROM p.to_digest
                                   AND EXISTS (SELECT FROM environment_registries e WHERE e.environment = \(second)
                                                  AND NOT EXISTS (SELECT FROM blob_locations l WHERE l.registry_id = e.registry_id AND l.digest = b.blob))) m
                 ORDER BY p.image, p.tag
                """
            ).map { row in (try row.decode("image", as: String.self), try Self.tagDifference(row)) }
        }
        return Dictionary(grouping: rows, by: \.0).mapValues { $0.map(\.1) }
    }

    private static func tagDifference(_ row: PostgresRow) throws(PostgresError) -> TagDifference {
        let from = try row.digestIfPresent("from_digest").map { digest throws(PostgresError) in
            ComparedArtifact(
                digest: digest, size: try row.decodeOptional("from_size"), created: try row.decodeOptional("from_created"),
                revision: try row.decodeOptional("from_revision"), source: try row.decodeOptional("from_source"), since: try row.decode("from_since"))
        }
        let to = try row.digestIfPresent("to_digest").map { digest throws(PostgresError) in
            ComparedArtifact(
                digest: digest, size: try row.decodeOptional("to_size"), created: try row.decodeOptional("to_created"),
                revision: try row.decodeOptional("to_revision"), source: try row.decodeOptional("to_source"), since: try row.decode("to_since"))
        }
        return TagDifference(
            tag: try row.parsed("tag", Tag.init(parsing:)), from: from, to: to,
            standing: TagDifference.standing(from, to, fromHadOther: try row.decode("from_had"), toHadOther: try row.decode("to_had")),
            missingBlobs: try row.decode("blobs", as: Int.self), missingBytes: try row.decode("bytes", as: Int64.self))
    }
}

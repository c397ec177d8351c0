public import Foundation
public import OCI
public import PolicyEngine
public import Postgres
public import PromotionCore

/// What policy asks of our memory, from the history of tags and of promotions.
public struct PostgresFactStore: FactStore {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func verdicts(on promotion: PromotionID) async throws(StoreError) -> [PromotionVerdict] {
        try await storing { try await pool.query(VerdictRow.of(promotion)).map { row in try VerdictRow.decode(row) } }
    }

    /// Of each kind, digest and poster the newest: one poster's words don't hide another's.
    public func evidence(about digests: [Digest], image: ImageName, kinds: Set<String>) async throws(StoreError) -> [EvidenceFact] {
        try await storing {
            try await pool.query(
                """
                SELECT * FROM (
                  SELECT DISTINCT ON (kind, digest, posted_by) id, digest, image, kind, result, NULL::jsonb AS details, url, content_sha256, identity, recorded_at
                    FROM evidence WHERE digest = ANY (\(digests.map(\.stored))) AND kind = ANY (\(kinds.sorted()))
                     AND (image IS NULL OR image = \(image.description))
                   ORDER BY kind, digest, posted_by, id DESC) AS newest
                 ORDER BY id DESC LIMIT 500
                """
            ).map { row in try StatementRow.evidence(row).fact }
        }
    }

    public func scans(of digests: [Digest], image: ImageName) async throws(StoreError) -> [ScanFact] {
        try await storing {
            try await pool.query(
                """
                SELECT * FROM (
                  SELECT DISTINCT ON (scanner, digest, posted_by) id, digest, image, scanner, format, completed_at, findings, report_sha256, identity, recorded_at
                    FROM scans WHERE digest = ANY (\(digests.map(\.stored))) AND (image IS NULL OR image = \(image.description))
                   ORDER BY scanner, digest, posted_by, completed_at DESC, id DESC) AS newest
                 ORDER BY completed_at DESC LIMIT 100
                """
            ).map { row in try StatementRow.scan(row).fact }
        }
    }

    /// The times in which any tag named the digest are joined: a tag that was written anew is no break.
    public func sightings(of digest: Digest, image: ImageName) async throws(StoreError) -> [RegistryPresence] {
        try await storing {
            try await pool.query(
                """
                WITH seen AS (
                  SELECT ir.registry_name, range_agg(h.valid) AS times
                    FROM images i JOIN image_repositories ir ON ir.image_id = i.id
                    JOIN tag_history h ON h.repository_id = ir.repository_id AND h.digest = \(digest.stored)
                   WHERE i.name = \(image.description) GROUP BY ir.registry_name)
                SELECT registry_name, lower(times) AS first_seen, (SELECT lower(t) FROM unnest(times) AS t WHERE upper_inf(t)) AS since
                  FROM seen ORDER BY registry_name
                """
            ).map { row in
                RegistryPresence(registry: try row.decode("registry_name"), firstSeen: try row.decode("first_seen"), since: try row.decodeOptional("since"))
            }
        }
    }

    public func promotions(into environment: EnvironmentName, since: Date) async throws(StoreError) -> [RecentPromotion] {
        try await storing {
            try await pool.query(
                """
                SELECT i.name AS image, p.requested_by, p.finished_at FROM promotions p JOIN images i ON i.id = p.image_id
                 WHERE p.state = 'succeeded' AND p.to_environment = \(environment.description) AND p.finished_at >= \(since)
                 ORDER BY p.finished_at DESC LIMIT 100000
                """
            ).map { row in
                RecentPromotion(
                    image: try row.parsed("image", ImageName.init(parsing:)), requester: try row.decode("requested_by"), at: try row.decode("finished_at"))
            }
        }
    }
}

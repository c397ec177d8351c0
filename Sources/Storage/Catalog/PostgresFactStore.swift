public import Foundation
public import OCI
public import PolicyEngine
public import Postgres
public import PromotionCore

/// What policy asks of our memory, from the history of tags and of promotions.
public struct PostgresFactStore: FactStore {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

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

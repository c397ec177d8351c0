import Foundation
import Postgres
public import PromotionCore

extension PostgresPromotionStore: EvidenceQueue {
    /// Newer promotions of the same artifact to the same environment stand for the older ones.
    public func dueForEvidence(pause: Duration, limit: Int) async throws(StoreError) -> [Promotion] {
        try await storing {
            try await pool.withTransaction { connection in
                let due = try await connection.query(
                    """
                    WITH due AS (
                      SELECT p.id FROM promotions p LEFT JOIN evidence_looks l ON l.promotion_id = p.id
                       WHERE p.state = 'succeeded' AND p.from_environment <> p.to_environment AND p.finished_at > now() - interval '30 days'
                         AND coalesce(l.looked_at, p.finished_at)
                             < now() - greatest(\(pause.seconds) * interval '1 second', (now() - p.finished_at) / 10)
                         AND NOT EXISTS (
                           SELECT FROM promotions n WHERE n.digest = p.digest AND n.image_id = p.image_id AND n.to_environment = p.to_environment
                              AND n.state = 'succeeded' AND n.from_environment <> n.to_environment AND n.id > p.id)
                       ORDER BY coalesce(l.looked_at, p.finished_at) LIMIT \(limit) FOR UPDATE OF p SKIP LOCKED)
                    INSERT INTO evidence_looks (promotion_id) SELECT id FROM due
                    ON CONFLICT (promotion_id) DO UPDATE SET looked_at = now() RETURNING promotion_id
                    """
                ).map { row in try row.decode("promotion_id", as: UUID.self) }
                var promotions: [Promotion] = []
                for id in due {
                    if let row = try await connection.query(PromotionRow.select + " WHERE p.id = \(id)").first { promotions.append(try PromotionRow.decode(row)) }
                }
                return promotions
            }
        }
    }
}

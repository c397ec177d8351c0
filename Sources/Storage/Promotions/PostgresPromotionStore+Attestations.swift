public import AuditLog
import Foundation
public import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresPromotionStore: AttestationQueue {
    public func dueForAttestation(into environments: [EnvironmentName], retry: Duration, limit: Int) async throws(StoreError) -> [Promotion] {
        let names = environments.map(\.description)
        return try await storing {
            try await pool.withTransaction { connection in
                let due = try await connection.query(
                    """
                    WITH due AS (
                      SELECT p.id FROM promotions p LEFT JOIN promotion_attestations a ON a.promotion_id = p.id
                       WHERE p.state = 'succeeded' AND p.finished_at > now() - interval '30 days' AND p.to_environment = ANY (\(names))
                         AND (a.promotion_id IS NULL OR (a.attested_at IS NULL AND a.taken_at < now() - \(retry.seconds) * interval '1 second'))
                       ORDER BY p.finished_at LIMIT \(limit) FOR UPDATE OF p SKIP LOCKED)
                    INSERT INTO promotion_attestations (promotion_id) SELECT id FROM due
                    ON CONFLICT (promotion_id) DO UPDATE SET taken_at = now() RETURNING promotion_id
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

    public func attested(_ promotion: PromotionID, audit: AuditEntry) async throws(StoreError) {
        try await storing {
            try await pool.withTransaction { connection in
                let changed = try await connection.query(
                    "UPDATE promotion_attestations SET attested_at = now() WHERE promotion_id = \(promotion.uuid) AND attested_at IS NULL RETURNING promotion_id"
                )
                // Done by somebody else meanwhile: it is written down once.
                guard !changed.isEmpty else { return }
                try await SharedInserts(connection: connection).audit(audit)
            }
        }
    }
}

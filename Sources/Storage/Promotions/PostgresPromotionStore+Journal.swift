import Foundation
import Postgres
public import PromotionCore

extension PostgresPromotionStore: PromotionJournal {
    public func standings(of ids: [PromotionID]) async throws(StoreError) -> [PromotionStanding] {
        try await storing {
            try await pool.query(
                """
                SELECT p.id, p.version, j.progress FROM promotions p LEFT JOIN jobs j ON j.promotion_id = p.id WHERE p.id = ANY (\(ids.map(\.uuid)))
                """
            ).map { row throws(PostgresError) in
                PromotionStanding(
                    id: PromotionID(try row.decode("id", as: UUID.self)), version: try row.decode("version", as: Int.self), progress: try row.json("progress"))
            }
        }
    }

    public func moves(of id: PromotionID, after version: Int, limit: Int) async throws(StoreError) -> [PromotionMove] {
        try await storing {
            try await pool.query(
                """
                SELECT 0 AS version, NULL::text AS from_state, 'requested'::text AS to_state, created_at AS at, requested_by AS actor, NULL::jsonb AS decision
                  FROM promotions WHERE id = \(id.uuid) AND \(version) < 0
                UNION ALL
                SELECT t.version, t.from_state::text, t.to_state::text, t.at, t.actor, e.decision
                  FROM promotion_transitions t LEFT JOIN evaluations e USING (promotion_id, version)
                 WHERE t.promotion_id = \(id.uuid) AND t.version > \(version)
                 ORDER BY version LIMIT \(limit)
                """
            ).map { row throws(PostgresError) in
                PromotionMove(
                    version: try row.decode("version", as: Int.self),
                    from: try row.decodeOptional("from_state", as: String.self).flatMap(PromotionState.init(rawValue:)),
                    to: try row.parsed("to_state", PromotionState.init(rawValue:)), at: try row.decode("at"),
                    actor: SubjectID(stored: try row.decode("actor")), decision: try row.json("decision"))
            }
        }
    }
}

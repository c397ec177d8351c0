public import Foundation
import OCI
public import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresInventory: DriftQueue {
    public func drifts(_ filter: DriftFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Drift> {
        let scope = "drifts \(filter.environment?.description ?? "") \(filter.image?.description ?? "") \(filter.isOpen.map(String.init) ?? "")"
        let position = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        guard position == nil || UUID(uuidString: position ?? "") != nil else { throw .invalidCursor }
        let before = position.flatMap(UUID.init(uuidString:))
        let drifts = try await storing {
            try await pool.query(
                DriftRow.select + """
                     WHERE (\(filter.environment?.description)::text IS NULL OR e.environment = \(filter.environment?.description))
                       AND (\(filter.image?.description)::text IS NULL OR i.name = \(filter.image?.description))
                       AND (\(filter.isOpen)::boolean IS NULL OR (d.resolved_at IS NULL) = \(filter.isOpen))
                       AND (\(before)::uuid IS NULL OR d.id < \(before))
                     ORDER BY d.id DESC LIMIT \(limit + 1)
                    """
            ).map { row throws(PostgresError) in try DriftRow.decode(row) }
        }
        return Page(drifts, limit: limit, scope: scope) { $0.id.uuidString }
    }

    public func openDrifts() async throws(StoreError) -> [EnvironmentName: Int] {
        try await storing {
            let rows = try await pool.query(
                """
                SELECT e.environment, count(d.id) AS open
                  FROM environment_registries e LEFT JOIN image_repositories ir ON ir.registry_name = e.name
                  LEFT JOIN drifts d ON d.repository_id = ir.repository_id AND d.resolved_at IS NULL
                 GROUP BY e.environment
                """)
            var open: [EnvironmentName: Int] = [:]
            for row in rows { open[try row.parsed("environment", EnvironmentName.init(parsing:))] = try row.decode("open", as: Int.self) }
            return open
        }
    }

    /// A promotion that was to put it back and did not is followed by another one, after a pause that doubles up to an hour.
    public func driftsToRestore(in environment: EnvironmentName, limit: Int) async throws(StoreError) -> [Drift] {
        try await storing {
            try await pool.withTransaction { connection in
                let due = try await connection.query(
                    """
                    UPDATE drifts SET restore_failures = restore_failures + 1,
                           restore_after = now() + least(interval '1 hour', interval '5 seconds' * power(2, least(restore_failures, 12)))
                     WHERE id IN (
                       SELECT d.id FROM drifts d JOIN image_repositories ir ON ir.repository_id = d.repository_id
                         JOIN environment_registries e ON e.name = ir.registry_name
                        WHERE e.environment = \(environment.description) AND d.resolved_at IS NULL AND d.restore_after <= now()
                          AND NOT EXISTS (SELECT FROM promotions p WHERE p.id = d.restoring AND p.finished_at IS NULL)
                        ORDER BY d.id LIMIT \(limit) FOR UPDATE OF d SKIP LOCKED)
                    RETURNING id
                    """
                ).map { row in try row.decode("id", as: UUID.self) }
                guard !due.isEmpty else { return [] }
                return try await connection.query(DriftRow.select + " WHERE d.id = ANY (\(due)) ORDER BY d.id").map { row in try DriftRow.decode(row) }
            }
        }
    }

    public func restoring(_ drift: UUID, by promotion: PromotionID) async throws(StoreError) {
        try await storing { _ = try await pool.execute("UPDATE drifts SET restoring = \(promotion.uuid) WHERE id = \(drift) AND resolved_at IS NULL") }
    }
}

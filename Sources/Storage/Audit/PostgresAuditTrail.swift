public import AuditLog
import Foundation
public import Postgres
public import PromotionCore

/// The audit log in PostgreSQL.
public struct PostgresAuditTrail: AuditTrail {
    let pool: PostgresPool
    /// The log's name in checkpoints.
    let origin: String

    public init(pool: PostgresPool, origin: String) {
        self.pool = pool
        self.origin = origin
    }

    /// Seconds after which an entry without a place is a finding.
    static let sequencingPromise = 10.0

    public func append(_ entry: AuditEntry) async throws(StoreError) {
        try await storing { try await pool.withConnection { try await SharedInserts(connection: $0).audit(entry) } }
    }

    public func checkpoint(witnessed: Bool) async throws(StoreError) -> String? {
        try await storing {
            let row = try await pool.query(
                """
                SELECT c.note, coalesce((SELECT string_agg(line || E'\\n', '' ORDER BY witness) FROM audit_cosignatures s WHERE s.tree_size = c.tree_size), '') AS lines
                  FROM audit_checkpoints c
                 WHERE NOT \(witnessed) OR c.tree_size = (SELECT max(tree_size) FROM audit_cosignatures)
                 ORDER BY c.tree_size DESC LIMIT 1
                """
            ).first
            return try row.map { try $0.decode("note", as: String.self) + $0.decode("lines", as: String.self) }
        }
    }

    /// Makes the coming months' partitions. Answers nothing: it either works or the log will fail loudly.
    public func ensureMonths() async throws(StoreError) {
        try await storing { _ = try await pool.query("SELECT audit_ensure_months(3)::text AS done") }
    }
}

extension PostgresAuditTrail {
    /// Entries that have no place in the log yet, and the age of the oldest in seconds.
    public func backlog() async throws(StoreError) -> (entries: Int, oldestSeconds: Double) {
        try await storing {
            let row = try await pool.query(
                "SELECT count(*)::int8 AS entries, coalesce(extract(epoch FROM now() - min(occurred_at)), 0)::float8 AS seconds FROM audit_unsequenced"
            ).first
            return (try row?.decode("entries", as: Int.self) ?? 0, max(0, try row?.decode("seconds", as: Double.self) ?? 0))
        }
    }
}

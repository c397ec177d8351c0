import OCI
import PolicyEngine
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

    public func entries(_ filter: AuditFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<LoggedAct> {
        let scope = filter.cursorScope
        let position = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position.split(separator: " ") }
        let beforeTime = position?.first.flatMap { Int64($0) }
        let beforeID = position?.last.flatMap { UUID(uuidString: String($0)) }
        guard position == nil || (position?.count == 2 && beforeTime != nil && beforeID != nil) else { throw .invalidCursor }
        let acts = try await storing {
            try await pool.query(
                """
                SELECT e.canonical, l.leaf_index FROM audit_entries e LEFT JOIN audit_leaves l ON l.id = e.id
                 WHERE (\(filter.actor?.description)::text IS NULL OR e.actor = \(filter.actor?.description))
                   AND (\(filter.action)::text IS NULL OR e.action = \(filter.action))
                   AND (\(filter.outcome)::text IS NULL OR e.outcome = \(filter.outcome))
                   AND (\(filter.image?.description)::text IS NULL OR e.image = \(filter.image?.description))
                   AND (\(filter.digest?.description)::text IS NULL OR e.digest = \(filter.digest?.description))
                   AND (\(filter.environment?.description)::text IS NULL OR e.environment = \(filter.environment?.description))
                   AND (\(filter.promotion?.description)::text IS NULL OR e.promotion_id = \(filter.promotion?.description))
                   AND (\(filter.since)::timestamptz IS NULL OR e.occurred_at >= \(filter.since))
                   AND (\(filter.until)::timestamptz IS NULL OR e.occurred_at < \(filter.until))
                   AND (\(beforeTime)::bigint IS NULL
                        OR (e.occurred_at, e.id) < (timestamptz 'epoch' + \(beforeTime) * interval '1 microsecond', \(beforeID)::uuid))
                 ORDER BY e.occurred_at DESC, e.id DESC LIMIT \(limit + 1)
                """
            ).map { row in try Self.act(row) }
        }
        return Page(acts, limit: limit, scope: scope) { "\($0.entry.timeMicros) \($0.entry.id.uuidString)" }
    }

    private static func act(_ row: PostgresRow) throws -> LoggedAct {
        let entry: AuditEntry
        do { entry = try AuditEntry(canonical: try row.decode("canonical")) } catch let error as AuditEntryError {
            throw StoreError.corrupt("an audit entry: \(error)")
        }
        return LoggedAct(index: try row.decodeOptional("leaf_index"), leafHash: entry.leafHash, entry: entry)
    }

    public func checkpoint() async throws(StoreError) -> String? {
        try await storing {
            try await pool.query("SELECT note FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1").first
                .map { row throws(PostgresError) in try row.decode("note", as: String.self) }
        }
    }

    /// Makes the coming months' partitions. Answers nothing: it either works or the log will fail loudly.
    public func ensureMonths() async throws(StoreError) {
        try await storing { _ = try await pool.query("SELECT audit_ensure_months(3)::text AS done") }
    }
}

extension AuditFilter {
    var cursorScope: String {
        let fields = [
            actor?.description, action, outcome, image?.description, digest?.description, environment?.description, promotion?.description,
            since.map { "\($0.timeIntervalSince1970)" }, until.map { "\($0.timeIntervalSince1970)" },
        ]
        return "audit " + fields.map { $0 ?? "" }.joined(separator: " ")
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

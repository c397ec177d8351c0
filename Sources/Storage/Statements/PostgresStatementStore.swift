public import AuditLog
import Foundation
public import OCI
import PolicyEngine
public import Postgres
public import PromotionCore

/// What people and pipelines say, in PostgreSQL: the statement, its audit entry and the waking of what waits for it are one transaction.
public struct PostgresStatementStore: StatementStore {
    private let pool: PostgresPool
    private let promotions: PostgresPromotionStore
    /// Most statements about one digest, and on one promotion: they are kept for ever.
    static let maximumStatements = 1_000

    public init(pool: PostgresPool) {
        self.pool = pool
        promotions = PostgresPromotionStore(pool: pool)
    }

    public func record(
        _ verdict: PromotionVerdict, ifVersion versions: Set<Int>?, audit: AuditEntry, revival: AuditEntry
    ) async throws(StoreError) -> Promotion {
        try await storing {
            try await pool.withTransaction { connection in
                let current = try await promotions.lockWithWork(verdict.promotion, connection)
                try current.check(versions)
                let isAsked = [.requested, .evaluating, .waiting].contains(current.state)
                guard isAsked || (verdict.kind == .override && current.state == .denied) else { throw StoreError.stale(current: current.state) }
                let given = try await connection.query("SELECT count(*) AS given FROM verdicts WHERE promotion_id = \(verdict.promotion.uuid)")
                guard try given.first?.decode("given", as: Int.self) ?? 0 < Self.maximumStatements else { throw StoreError.full("verdicts on this promotion") }
                try await connection.execute(
                    """
                    INSERT INTO verdicts (id, promotion_id, kind, given_by, identity, digest, policy_version, comment, at, audit_id)
                    VALUES (\(verdict.id), \(verdict.promotion.uuid), \(verdict.kind.rawValue), \(verdict.by.id), \(try StoredJSON.encode(verdict.by)),
                            \(verdict.digest.stored), \(verdict.policyVersion), \(verdict.comment), \(verdict.at), \(audit.id))
                    """)
                try await SharedInserts(connection: connection).audit(audit)
                if isAsked {
                    try await Waking(connection: connection).promotion(verdict.promotion)
                } else {
                    try await promotions.revive(current, revival, connection)
                }
                return try await promotions.reread(verdict.promotion, connection)
            }
        }
    }

    public func record(_ evidence: PostedEvidence, audit: AuditEntry) async throws(StoreError) -> [PromotionID] {
        let fact = evidence.fact
        return try await recording(about: fact.digest, audit) { connection in
            try await connection.execute(
                """
                INSERT INTO evidence (id, digest, image, kind, result, details, url, content_sha256, posted_by, identity, recorded_at, audit_id)
                VALUES (\(evidence.id), \(fact.digest.stored), \(evidence.image?.description), \(fact.kind), \(fact.result), \(evidence.details.map(JSONB.init)),
                        \(evidence.url), \(fact.evidence?.bytes ?? []), \(fact.postedBy?.id ?? ""), \(try StoredJSON.encode(fact.postedBy)), \(fact.recordedAt),
                        \(audit.id))
                """)
        }
    }

    public func record(_ scan: PostedScan, audit: AuditEntry) async throws(StoreError) -> [PromotionID] {
        let fact = scan.fact
        return try await recording(about: fact.digest, audit) { connection in
            try await connection.execute(
                """
                INSERT INTO scans (id, digest, image, scanner, format, completed_at, findings, report_sha256, posted_by, identity, recorded_at, audit_id)
                VALUES (\(scan.id), \(fact.digest.stored), \(scan.image?.description), \(fact.scanner), \(scan.format.rawValue), \(fact.completedAt),
                        \(try StoredJSON.encode(fact.findings)), \(fact.evidence?.bytes ?? []), \(fact.postedBy?.id ?? ""), \(try StoredJSON.encode(fact.postedBy)),
                        \(scan.recordedAt), \(audit.id))
                """)
        }
    }

    private func recording(
        about digest: Digest, _ audit: AuditEntry, _ insert: @Sendable @escaping (PostgresConnection) async throws -> Void
    ) async throws(StoreError) -> [PromotionID] {
        let stored = digest.stored
        return try await storing {
            try await pool.withTransaction { connection in
                let known = try await connection.query(
                    "SELECT (SELECT count(*) FROM evidence WHERE digest = \(stored)) + (SELECT count(*) FROM scans WHERE digest = \(stored)) AS known")
                guard try known.first?.decode("known", as: Int.self) ?? 0 < Self.maximumStatements else { throw StoreError.full("statements about this digest") }
                try await insert(connection)
                try await SharedInserts(connection: connection).audit(audit)
                return try await Waking(connection: connection).promotions(about: digest)
            }
        }
    }

    public func verdicts(on promotion: PromotionID) async throws(StoreError) -> [PromotionVerdict] {
        try await storing { try await pool.query(VerdictRow.of(promotion)).map { row in try VerdictRow.decode(row) } }
    }

    public func statements(about digest: Digest, cursor: String?, limit: Int) async throws(StoreError) -> Page<PostedFact> {
        let scope = "statements \(digest)"
        let after = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        let before = after.flatMap(UUID.init(uuidString:))
        guard after == nil || before != nil else { throw .invalidCursor }
        let stored = digest.stored
        let found = try await storing {
            let evidence = try await pool.query(
                """
                SELECT id, digest, image, kind, result, details, url, content_sha256, identity, recorded_at FROM evidence
                 WHERE digest = \(stored) AND (\(before)::uuid IS NULL OR id < \(before)) ORDER BY id DESC LIMIT \(limit + 1)
                """
            ).map { row in PostedFact.evidence(try StatementRow.evidence(row)) }
            let scans = try await pool.query(
                """
                SELECT id, digest, image, scanner, format, completed_at, findings, report_sha256, identity, recorded_at FROM scans
                 WHERE digest = \(stored) AND (\(before)::uuid IS NULL OR id < \(before)) ORDER BY id DESC LIMIT \(limit + 1)
                """
            ).map { row in PostedFact.scan(try StatementRow.scan(row)) }
            return (evidence + scans).sorted { $0.id.uuidString > $1.id.uuidString }
        }
        return Page(Array(found.prefix(limit + 1)), limit: limit, scope: scope) { $0.id.uuidString.lowercased() }
    }
}

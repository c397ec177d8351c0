import PolicyEngine
public import AuditLog
import Crypto
import Foundation
import OCI
public import Postgres
public import PromotionCore

/// Promotions in PostgreSQL. Every change of state is one transaction with its transition, its audit entry and its event.
public struct PostgresPromotionStore: PromotionStore {
    let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func create(_ promotion: Promotion, key: IdempotencyKey?, audit: AuditEntry) async throws(StoreError) -> CreatedPromotion {
        var lastError = StoreError.unavailable("")
        // Two identical requests at once: the one that loses the race finds the winner's promotion the second time.
        for _ in 0..<3 {
            do throws(StoreError) {
                return try await storing {
                    if try await createAtOnce(promotion, key, audit) { return .created(promotion) }
                    return try await pool.withTransaction { connection in try await create(promotion, key, audit, connection) }
                }
            } catch {
                guard case .duplicate = error else { throw error }
                lastError = error
            }
        }
        throw lastError
    }

    /// The usual case in one statement, and so in one transaction and one round trip: a known image, a request that nobody made before.
    /// Answers false, with nothing written, where it is another case.
    private func createAtOnce(_ promotion: Promotion, _ key: IdempotencyKey?, _ audit: AuditEntry) async throws -> Bool {
        let lane = promotion.image.description
        let made = try await pool.query(
            """
            WITH made AS (
              \(part: Self.insert(promotion, dedupe: promotion.dedupeKey, report: try StoredJSON.encodeIfPresent(promotion.report),
                  identity: try StoredJSON.encodeIfPresent(promotion.requestedAs), rollback: try StoredJSON.encodeIfPresent(promotion.rollback)))
                FROM images WHERE name = \(promotion.image.description) AND NOT EXISTS (
                  SELECT FROM idempotency_keys k WHERE k.principal = \(key?.principal.description) AND k.key = \(key?.key))
              ON CONFLICT (dedupe_key) WHERE finished_at IS NULL DO NOTHING RETURNING id),
            key AS (
              INSERT INTO idempotency_keys (principal, key, fingerprint, promotion_id)
              SELECT \(key?.principal.description), \(key?.key), \(key?.fingerprint), id FROM made WHERE \(key != nil)),
            lane AS (INSERT INTO job_lanes (lane) SELECT \(lane) FROM made ON CONFLICT DO NOTHING),
            job AS (INSERT INTO jobs (lane, promotion_id) SELECT \(lane), id FROM made),
            entry AS (\(part: SharedInserts.insert(audit)) FROM made),
            event AS (
              INSERT INTO outbox (event_id, promotion_id, ordinal, type, payload)
              SELECT \(audit.id), id, 0, 'promotion.requested', \(JSONB(audit.canonicalText)) FROM made)
            SELECT id FROM made
            """)
        return !made.isEmpty
    }

    /// The row of a new promotion, of an image whose id stands in the scope as `id`.
    private static func insert(_ promotion: Promotion, dedupe: [UInt8], report: JSONB?, identity: JSONB?, rollback: JSONB?) -> SQL {
        """
        INSERT INTO promotions (id, image_id, from_environment, to_environment, digest, source_tag, requested_tags, reason, requested_by, request_id,
                                dedupe_key, state, created_at, updated_at, report, requested_as, rollback)
        SELECT \(promotion.id.uuid), id, \(promotion.from.description), \(promotion.to.description), \(promotion.digest.stored),
               \(promotion.sourceTag?.description), \(promotion.requestedTags.map(\.description)), \(promotion.reason),
               \(promotion.requestedBy.description), \(promotion.requestID?.description), \(dedupe), 'requested', \(promotion.createdAt),
               \(promotion.createdAt), \(report), \(identity), \(rollback)
        """
    }

    private func create(
        _ promotion: Promotion, _ key: IdempotencyKey?, _ audit: AuditEntry, _ connection: PostgresConnection
    ) async throws -> CreatedPromotion {
        if let key, let existing = try await existing(for: key, connection) { return .repeated(existing) }
        let dedupe = promotion.dedupeKey
        let alive = try await connection.query(PromotionRow.select + " WHERE p.dedupe_key = \(dedupe) AND p.finished_at IS NULL")
        if let row = alive.first {
            let existing = try PromotionRow.decode(row)
            if let key { try await insert(key, existing.id, connection) }
            return .repeated(existing)
        }
        let inserts = SharedInserts(connection: connection)
        let image = try await inserts.image(promotion.image)
        try await connection.execute(
            Self.insert(
                promotion, dedupe: dedupe, report: try StoredJSON.encodeIfPresent(promotion.report),
                identity: try StoredJSON.encodeIfPresent(promotion.requestedAs), rollback: try StoredJSON.encodeIfPresent(promotion.rollback)) + " FROM images WHERE id = \(image)")
        if let key { try await insert(key, promotion.id, connection) }
        try await queue(promotion, connection)
        try await inserts.audit(audit)
        try await event("promotion.requested", promotion.id, ordinal: 0, audit, connection)
        return .created(promotion)
    }

    private func existing(for key: IdempotencyKey, _ connection: PostgresConnection) async throws -> Promotion? {
        let rows = try await connection.query(
            "SELECT fingerprint, promotion_id FROM idempotency_keys WHERE principal = \(key.principal.description) AND key = \(key.key)")
        guard let row = rows.first else { return nil }
        guard try row.decode("fingerprint", as: [UInt8].self) == key.fingerprint else { throw StoreError.idempotencyKeyReused }
        let id = try row.decode("promotion_id", as: UUID.self)
        return try await connection.query(PromotionRow.select + " WHERE p.id = \(id)").first.map { row throws(PostgresError) in try PromotionRow.decode(row) }
    }

    private func insert(_ key: IdempotencyKey, _ id: PromotionID, _ connection: PostgresConnection) async throws {
        try await connection.execute(
            """
            INSERT INTO idempotency_keys (principal, key, fingerprint, promotion_id)
            VALUES (\(key.principal.description), \(key.key), \(key.fingerprint), \(id.uuid))
            """)
    }

    /// The work item. Lanes are images: fairness is between them.
    func queue(_ promotion: Promotion, _ connection: PostgresConnection) async throws {
        let lane = promotion.image.description
        try await connection.execute("INSERT INTO job_lanes (lane) VALUES (\(lane)) ON CONFLICT DO NOTHING")
        try await connection.execute("INSERT INTO jobs (lane, promotion_id) VALUES (\(lane), \(promotion.id.uuid))")
    }

    func event(_ type: String, _ id: PromotionID, ordinal: Int, _ audit: AuditEntry, _ connection: PostgresConnection) async throws {
        try await connection.execute(
            """
            INSERT INTO outbox (event_id, promotion_id, ordinal, type, payload)
            VALUES (\(audit.id), \(id.uuid), \(ordinal), \(type), \(JSONB(audit.canonicalText)))
            """)
    }

    public func promotion(_ id: PromotionID) async throws(StoreError) -> Promotion? {
        try await storing {
            try await pool.query(PromotionRow.select + " WHERE p.id = \(id.uuid)").first.map { row throws(PostgresError) in try PromotionRow.decode(row) }
        }
    }

    public func promotions(_ filter: PromotionFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Promotion> {
        let scope = filter.cursorScope
        let after = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope) }
        guard after == nil || UUID(uuidString: after?.position ?? "") != nil else { throw .invalidCursor }
        let before = (after?.position).flatMap(UUID.init(uuidString:))
        let states = filter.states.map(\.rawValue).sorted()
        let rows = try await storing {
            try await pool.query(
                PromotionRow.select + """
                     WHERE (\(filter.image?.description)::text IS NULL OR p.image_id = (SELECT id FROM images WHERE name = \(filter.image?.description)))
                       AND (\(filter.from?.description)::text IS NULL OR p.from_environment = \(filter.from?.description))
                       AND (\(filter.to?.description)::text IS NULL OR p.to_environment = \(filter.to?.description))
                       AND (cardinality(\(states)) = 0 OR p.state = ANY (\(states)))
                       AND (\(filter.digest?.stored)::bytea IS NULL OR p.digest = \(filter.digest?.stored))
                       AND (\(filter.requestedBy?.description)::text IS NULL OR p.requested_by = \(filter.requestedBy?.description))
                       AND (\(before)::uuid IS NULL OR p.id < \(before))
                     ORDER BY p.id DESC LIMIT \(limit + 1)
                    """
            ).map { row throws(PostgresError) in try PromotionRow.decode(row) }
        }
        return Page(rows, limit: limit, scope: scope) { $0.id.description }
    }
}

extension Promotion {
    /// The same image, digest, way and tags: only one such promotion is alive at a time.
    var dedupeKey: [UInt8] {
        let tags = (requestedTags.isEmpty ? [sourceTag].compactMap(\.self) : requestedTags).map(\.description).sorted()
        let fields = [image.description, digest.description, from.description, to.description] + tags + (rollback == nil ? [] : ["a rollback"])
        return Array(SHA256.hash(data: Data(fields.joined(separator: "\u{0}").utf8)))
    }
}

extension PromotionFilter {
    var cursorScope: String {
        let fields = [image?.description, from?.description, to?.description, digest?.description, requestedBy?.description].map { $0 ?? "" }
        return "promotions " + (fields + states.map(\.rawValue).sorted()).joined(separator: " ")
    }
}

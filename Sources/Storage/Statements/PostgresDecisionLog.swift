public import Foundation
public import PolicyEngine
public import Postgres
public import PromotionCore

/// Decisions with their facts, as they were made.
public struct PostgresDecisionLog: DecisionLog {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func decisions(since: Date, cursor: String?, limit: Int) async throws(StoreError) -> Page<RecordedDecision> {
        let scope = "decisions \(since.timeIntervalSince1970)"
        let after = try cursor.map { text throws(StoreError) in try Position(Cursor(parsing: text, scope: scope).position) }
        let rows = try await storing {
            let found = try await pool.query(
                """
                SELECT promotion_id, version, decision, facts, f.content AS kept, e.at, (extract(epoch FROM e.at) * 1000000)::bigint AS micros
                  FROM evaluations e LEFT JOIN fact_contents f ON f.sha256 = e.facts_sha256
                 WHERE e.at >= \(since) AND (\(after?.promotion)::uuid IS NULL OR (e.at, promotion_id, version)
                       > (timestamptz 'epoch' + \(after?.micros) * interval '1 microsecond', \(after?.promotion)::uuid, \(after?.version)::int))
                 ORDER BY e.at, promotion_id, version LIMIT \(limit + 1)
                """)
            // Facts of before contents were kept once stand in the row itself.
            let contents = try await FactContents.reading(found, pool)
            return try found.enumerated().map { index, row in
                let own = try row.json("facts", as: PromotionFacts.self)
                guard let decision = try row.json("decision", as: Decision.self), let facts = try own ?? contents.facts(index) else {
                    throw PostgresError.decoding(column: "facts", expected: "facts", found: "NULL")
                }
                let position = Position(
                    micros: try row.decode("micros"), promotion: try row.decode("promotion_id"), version: try row.decode("version", as: Int.self))
                return (
                    position,
                    RecordedDecision(id: PromotionID(position.promotion).description, facts: facts, at: try row.decode("at"), decision: decision)
                )
            }
        }
        let page = Page(rows, limit: limit, scope: scope) { $0.0.text }
        return Page(items: page.items.map(\.1), next: page.next)
    }

    private struct Position {
        let micros: Int64
        let promotion: UUID
        let version: Int

        init(micros: Int64, promotion: UUID, version: Int) {
            self.micros = micros
            self.promotion = promotion
            self.version = version
        }

        init(_ text: String) throws(StoreError) {
            let parts = text.split(separator: " ").map(String.init)
            guard parts.count == 3, let micros = Int64(parts[0]), let promotion = UUID(uuidString: parts[1]), let version = Int(parts[2]) else {
                throw .invalidCursor
            }
            self.init(micros: micros, promotion: promotion, version: version)
        }

        var text: String { "\(micros) \(promotion.uuidString.lowercased()) \(version)" }
    }
}

import AuditLog
import Foundation
import OCI
import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresAuditTrail {
    /// Most places of the log that one step of a reader who follows it looks at.
    private static let stretch: Int64 = 20_000
    /// Milliseconds that one page may take.
    private static let patience = 10_000

    public func entries(_ filter: AuditFilter, order: AuditOrder, cursor: String?, limit: Int) async throws(StoreError) -> AuditPage {
        let scope = filter.scope + order.rawValue
        let start = try cursor.map { text throws(StoreError) in try Start(try Cursor(parsing: text, scope: scope).position) }
        let way = start?.isBackward == true ? order.reversed : order
        let (rows, last) = try await storing {
            try await pool.withTransaction(isolation: .readOnlySnapshot) { connection in
                try await connection.execute("SELECT set_config('statement_timeout', \("\(Self.patience)"), true)")
                let last = try await connection.query("SELECT max(leaf_index) AS last FROM audit_leaves").first
                return (
                    try await connection.query(Self.page(filter, way, after: start, limit: limit + 1)).map(Placed.init),
                    try last?.decodeOptional("last", as: Int64.self) ?? -1
                )
            }
        }
        let more = rows.count > limit
        let items = start?.isBackward == true ? rows.prefix(limit).reversed() : Array(rows.prefix(limit))
        func text(_ place: Placed?, isBackward: Bool) -> String? {
            place.map { Cursor(position: "\(isBackward ? "b" : "f") \($0.micros) \($0.id.uuidString)").text(scope: scope) }
        }
        let hasNext = start?.isBackward == true || more
        return AuditPage(
            items: items.map(\.act), next: hasNext ? text(items.last, isBackward: false) : nil, previous: text(items.first, isBackward: true), position: last)
    }

    public func entries(_ filter: AuditFilter, after index: Int64, limit: Int) async throws(StoreError) -> AuditPage {
        let (rows, end) = try await storing {
            try await pool.withTransaction(isolation: .readOnlySnapshot) { connection in
                let last = try await connection.query("SELECT coalesce(max(leaf_index), -1) AS last FROM audit_leaves").first
                let end = min(try last?.decode("last", as: Int64.self) ?? -1, max(index, -1) + Self.stretch)
                let rows = try await connection.query(
                    """
                    SELECT l.leaf_index, e.id, e.leaf_hash, e.canonical, \(part: Self.micros) AS micros
                      FROM audit_leaves l JOIN audit_entries e ON e.occurred_at = l.occurred_at AND e.id = l.id
                     WHERE l.leaf_index > \(index) AND l.leaf_index <= \(end)\(part: filter.conditions)
                     ORDER BY l.leaf_index LIMIT \(limit)
                    """)
                return (try rows.map(Placed.init), end)
            }
        }
        let position = rows.count == limit ? rows.last?.act.index : max(end, index)
        return AuditPage(items: rows.map(\.act), next: nil, previous: nil, position: position)
    }

    public func stream(_ filter: AuditFilter, order: AuditOrder, to act: @concurrent (ListedAct) async throws -> Void) async throws {
        try await pool.withSnapshot { connection in
            let all: SQL = "SELECT l.leaf_index, e.leaf_hash, e.canonical FROM audit_entries e LEFT JOIN audit_leaves l ON l.id = e.id WHERE true"
            try await connection.forEach(all + filter.conditions + Self.order(order)) { row in try await act(try Placed.act(row)) }
        }
    }

    private static let micros: SQL = "(extract(epoch FROM e.occurred_at) * 1000000)::int8"

    private static func order(_ order: AuditOrder) -> SQL {
        order == .newest ? " ORDER BY e.occurred_at DESC, e.id DESC" : " ORDER BY e.occurred_at, e.id"
    }

    /// A page's statement: the conditions are those that are set, so that each kind of question has a plan of its own.
    private static func page(_ filter: AuditFilter, _ order: AuditOrder, after start: Start?, limit: Int) -> SQL {
        var beyond: SQL = ""
        if let start {
            beyond =
                order == .newest
                ? " AND (e.occurred_at, e.id) < (timestamptz 'epoch' + \(start.micros) * interval '1 microsecond', \(start.id))"
                : " AND (e.occurred_at, e.id) > (timestamptz 'epoch' + \(start.micros) * interval '1 microsecond', \(start.id))"
        }
        // The page first, then the places of its few rows.
        return """
            SELECT l.leaf_index, e.id, e.leaf_hash, e.canonical, \(part: micros) AS micros
              FROM (SELECT e.occurred_at, e.id, e.leaf_hash, e.canonical FROM audit_entries e
                     WHERE true\(part: filter.conditions + beyond)\(part: Self.order(order)) LIMIT \(limit)) e
              LEFT JOIN audit_leaves l ON l.id = e.id\(part: Self.order(order))
            """
    }

    /// Where a page begins.
    private struct Start {
        let isBackward: Bool
        let micros: Int64
        let id: UUID

        init(_ position: String) throws(StoreError) {
            let parts = position.split(separator: " ").map(String.init)
            guard parts.count == 3, ["f", "b"].contains(parts[0]), let micros = Int64(parts[1]), let id = UUID(uuidString: parts[2]) else { throw .invalidCursor }
            isBackward = parts[0] == "b"
            self.micros = micros
            self.id = id
        }
    }

    private struct Placed {
        let act: ListedAct
        let id: UUID
        let micros: Int64

        init(_ row: PostgresRow) throws {
            act = try Self.act(row)
            id = try row.decode("id")
            micros = try row.decode("micros")
        }

        static func act(_ row: PostgresRow) throws -> ListedAct {
            ListedAct(
                index: try row.decodeOptional("leaf_index"), leafHash: try PostgresAuditTrail.hash(row.decode("leaf_hash")), canonicalText: try row.decode("canonical"))
        }
    }
}

extension AuditFilter {
    /// Binds a cursor to its query.
    var scope: String {
        let fields: [String?] = [
            actor?.description, actorAuthentication?.rawValue, actions.joined(separator: ","), outcome?.rawValue, image?.description, digest?.description,
            environment?.description, fromEnvironment?.description, tag?.description, promotion?.description, requestID, policyVersion, text,
            since.map { "\($0.timeIntervalSince1970)" }, until.map { "\($0.timeIntervalSince1970)" },
        ]
        return "audit " + fields.map { $0 ?? "" }.joined(separator: "\u{1}") + " "
    }

    /// What the set fields ask for, each with an AND before it.
    var conditions: SQL {
        var all: SQL = ""
        if let actor { all = all + " AND e.actor = \(actor.description)" }
        if let action = actions.first, actions.count == 1 { all = all + " AND e.action = \(action)" }
        if actions.count > 1 { all = all + " AND e.action = ANY(\(actions))" }
        switch outcome {
        // Words of the statement, not parameters: so the planner sees that the index of what went wrong serves.
        case .denied?: all = all + " AND e.outcome = 'denied'"
        case .failure?: all = all + " AND e.outcome = 'failure'"
        case .success?: all = all + " AND e.outcome = 'success'"
        case nil: break
        }
        if let image { all = all + " AND e.image = \(image.description)" }
        if let digest { all = all + " AND e.digest = \(digest.description)" }
        if let environment { all = all + " AND e.environment = \(environment.description)" }
        if let promotion { all = all + " AND e.promotion_id = \(promotion.description)" }
        if let since { all = all + " AND e.occurred_at >= \(since)" }
        if let until { all = all + " AND e.occurred_at < \(until)" }
        return all + rest
    }

    /// Fields without an index: found in the text first, which is cheap, and believed after it was taken apart.
    private var rest: SQL {
        var all: SQL = ""
        if let actorAuthentication { all = all + Self.member("actorAuth", actorAuthentication.rawValue) }
        if let fromEnvironment { all = all + Self.member("fromEnvironment", fromEnvironment.description) }
        if let requestID { all = all + Self.member("requestId", requestID) }
        if let policyVersion { all = all + Self.member("policyVersion", policyVersion) }
        if let tag { all = all + " AND strpos(e.canonical, \(JSONValue.quoted(tag.description))) > 0 AND e.canonical::jsonb -> 'tags' ? \(tag.description)" }
        if let text { all = all + " AND strpos(lower(e.canonical), lower(\(String(JSONValue.quoted(text).dropFirst().dropLast())))) > 0" }
        return all
    }

    private static func member(_ name: String, _ value: String) -> SQL {
        " AND strpos(e.canonical, \("\"\(name)\":" + JSONValue.quoted(value))) > 0 AND e.canonical::jsonb ->> \(name) = \(value)"
    }
}

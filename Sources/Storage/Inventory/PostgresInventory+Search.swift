import Foundation
import OCI
import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresInventory {
    /// Tags that are shown for an image.
    private static let mostMatches = 5

    public func search(_ search: ImageSearch, cursor: String?, limit: Int) async throws(StoreError) -> Page<ImageHit> {
        let scope = "search \(search.scope)"
        let after = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        let names: [(id: Int64, name: String)] = try await storing {
            try await pool.withTransaction { connection in
                // What fits one search does not fit the next: each is planned by its own values.
                try await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
                return try await connection.query(
                    "SELECT i.id, i.name FROM images i WHERE" + Self.condition(search) + " AND (\(after)::text IS NULL OR i.name > \(after)) ORDER BY i.name LIMIT \(limit + 1)"
                ).map { row in (try row.decode("id", as: Int64.self), try row.decode("name", as: String.self)) }
            }
        }
        let page = Page(names, limit: limit, scope: scope) { $0.name }
        return Page(items: try await hits(page.items.map(\.id), search), next: page.next)
    }

    /// Which images are found: by their words, by a tag that is there now, by an artifact that a tag names now.
    private static func condition(_ search: ImageSearch) -> SQL {
        var condition: SQL = " true"
        if let text = search.text {
            let part = "%" + text.lowercased().replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_") + "%"
            if let words = prefixQuery(text) {
                condition = condition + " AND (i.name LIKE \(part) OR i.words @@ \(words)::tsquery)"
            } else {
                condition = condition + " AND i.name LIKE \(part)"
            }
        }
        if search.asksForArtifacts {
            return condition + " AND EXISTS (SELECT FROM image_artifacts a WHERE a.image_id = i.id" + artifactCondition(search)
                + " AND EXISTS (" + namedNow(search) + " AND t.digest = a.digest))"
        }
        guard search.tag != nil || search.environment != nil else { return condition }
        return condition + " AND EXISTS (" + namedNow(search) + ")"
    }

    /// Tags of the image that are there now, in the environment and of the name that is asked for.
    private static func namedNow(_ search: ImageSearch) -> SQL {
        var query: SQL = """
            SELECT FROM image_repositories ir JOIN environment_registries e ON e.name = ir.registry_name
              JOIN tag_history t ON t.repository_id = ir.repository_id AND upper_inf(t.valid) AND t.digest IS NOT NULL WHERE ir.image_id = i.id
            """
        if let environment = search.environment { query = query + " AND e.environment = \(environment.description)" }
        if let tag = search.tag { query = query + " AND t.tag = \(tag.description)" }
        return query
    }

    private static func artifactCondition(_ search: ImageSearch) -> SQL {
        var condition: SQL = ""
        if let prefix = search.digestPrefix, let (low, high) = range(ofPrefix: prefix) {
            condition = condition + " AND a.digest::bytea >= \(low) AND a.digest::bytea <= \(high)"
        }
        for (name, value) in search.labels.sorted(by: { $0.key < $1.key }) {
            if let value {
                // JSON that was just encoded from two texts.
                do { condition = condition + " AND a.labels @> \(try StoredJSON.encode([name: value]))" } catch { return " AND false" }
            } else {
                condition = condition + " AND a.labels ? \(name)"
            }
        }
        if let revision = search.revision {
            condition = condition + " AND a.revision LIKE \(revision.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_") + "%")"
        }
        if let platform = search.platform { condition = condition + " AND \(platform.description) = ANY (a.platforms)" }
        if let size = search.minimumSize { condition = condition + " AND a.size >= \(size)" }
        if let size = search.maximumSize { condition = condition + " AND a.size <= \(size)" }
        if let time = search.createdAfter { condition = condition + " AND a.created >= \(time)" }
        if let time = search.createdBefore { condition = condition + " AND a.created < \(time)" }
        return condition
    }

    /// All words, each as the beginning of one; `nil` where there are none.
    private static func prefixQuery(_ text: String) -> String? {
        let words = text.lowercased().split { !$0.isLetter && !$0.isNumber }.prefix(10).map { "'\($0)':*" }
        return words.isEmpty ? nil : words.joined(separator: " & ")
    }

    /// The first and the last digest, as they are stored, that begin with these hexadecimal characters.
    private static func range(ofPrefix prefix: String) -> (low: [UInt8], high: [UInt8])? {
        func bytes(_ filler: Character) -> [UInt8]? {
            let hex = Array(prefix + String(repeating: filler, count: max(0, 64 - prefix.count)))
            guard hex.count == 64 else { return nil }
            return stride(from: 0, to: 64, by: 2).reduce(into: [1]) { result, index in
                result?.append(UInt8(String(hex[index...index + 1]), radix: 16) ?? 0)
            }
        }
        guard let low = bytes("0"), let high = bytes("f") else { return nil }
        return (low, high)
    }

    private func hits(_ ids: [Int64], _ search: ImageSearch) async throws(StoreError) -> [ImageHit] {
        guard !ids.isEmpty else { return [] }
        let (environment, tag) = (search.environment?.description, search.tag?.description)
        return try await storing {
            let images = try await pool.query(
                """
                SELECT i.id, i.name, i.description,
                       (SELECT coalesce(array_agg(v.name ORDER BY v.position), '{}') FROM environments v WHERE EXISTS (
                          SELECT FROM environment_registries e JOIN image_repositories ir ON ir.registry_name = e.name AND ir.image_id = i.id
                            JOIN tag_history t ON t.repository_id = ir.repository_id AND upper_inf(t.valid) AND t.digest IS NOT NULL
                           WHERE e.environment = v.name)) AS environments,
                       (SELECT max(p.finished_at) FROM promotions p WHERE p.image_id = i.id AND p.state = 'succeeded') AS promoted
                  FROM images i WHERE i.id = ANY (\(ids)) ORDER BY i.name
                """)
            let matches = try await pool.query(
                "SELECT i.id AS image_id, m.* FROM images i, LATERAL (" + """
                    SELECT DISTINCT ON (a.created, a.digest, t.tag::text, v.position) e.environment, t.tag, a.digest, a.size, a.created, a.platforms, a.revision
                      FROM image_artifacts a JOIN image_repositories ir ON ir.image_id = a.image_id JOIN environment_registries e ON e.name = ir.registry_name
                      JOIN environments v ON v.name = e.environment
                      JOIN tag_history t ON t.repository_id = ir.repository_id AND t.digest = a.digest AND upper_inf(t.valid)
                     WHERE a.image_id = i.id AND t.tag NOT LIKE \(Self.hidden) AND (\(environment)::text IS NULL OR e.environment = \(environment))
                       AND (\(tag)::text IS NULL OR t.tag = \(tag))
                    """ + Self.artifactCondition(search) + """
                         ORDER BY a.created DESC NULLS LAST, a.digest, t.tag::text, v.position DESC LIMIT \(Self.mostMatches)
                        """ + ") m WHERE i.id = ANY (\(ids))")
            var found: [Int64: [ImageHit.Match]] = [:]
            for row in matches { found[try row.decode("image_id", as: Int64.self), default: []].append(try Self.match(row)) }
            return try images.map { row in
                let summary = ImageSummary(
                    image: try row.parsed("name", ImageName.init(parsing:)),
                    environments: try row.decode("environments", as: [String].self).compactMap(EnvironmentName.init(parsing:)),
                    lastPromotedAt: try row.decodeOptional("promoted"))
                return ImageHit(summary: summary, description: try row.decodeOptional("description"), matches: found[try row.decode("id", as: Int64.self)] ?? [])
            }
        }
    }

    private static func match(_ row: PostgresRow) throws(PostgresError) -> ImageHit.Match {
        ImageHit.Match(
            environment: try row.parsed("environment", EnvironmentName.init(parsing:)), tag: try row.parsed("tag", Tag.init(parsing:)),
            digest: try row.digest("digest"), size: try row.decodeOptional("size"), created: try row.decodeOptional("created"),
            platforms: try row.decode("platforms", as: [String].self), revision: try row.decodeOptional("revision"))
    }
}

extension ImageSearch {
    /// Ties a cursor to the search.
    var scope: String {
        let labels = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value ?? "*")" }.joined(separator: ",")
        let parts: [String?] = [
            text, tag?.description, digestPrefix, labels, revision, platform?.description, minimumSize.map(String.init), maximumSize.map(String.init),
            createdAfter.map { String($0.timeIntervalSince1970) }, createdBefore.map { String($0.timeIntervalSince1970) }, environment?.description,
        ]
        return parts.map { $0 ?? "" }.joined(separator: "\u{1}")
    }
}

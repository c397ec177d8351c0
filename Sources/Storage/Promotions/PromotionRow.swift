import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore

/// How promotions are read, wherever they are read.
enum PromotionRow {
    static let select: SQL = """
        SELECT p.id, i.name AS image, p.from_environment, p.to_environment, p.digest, p.source_tag, p.requested_tags, p.reason, p.requested_by,
               p.request_id, p.state, p.version, p.created_at, p.updated_at, p.finished_at, p.policy_version, p.decision, p.report, p.tag_moves,
               p.failure, coalesce(j.failures, 0) AS failures, j.progress, p.requested_as, coalesce(j.cancel_requested, false) AS cancel_requested
          FROM promotions p JOIN images i ON i.id = p.image_id LEFT JOIN jobs j ON j.promotion_id = p.id
        """

    static func decode(_ row: PostgresRow) throws(PostgresError) -> Promotion {
        var promotion = Promotion(
            id: PromotionID(try row.decode("id", as: UUID.self)), image: try row.parsed("image", ImageName.init(parsing:)),
            from: try row.parsed("from_environment", EnvironmentName.init(parsing:)), to: try row.parsed("to_environment", EnvironmentName.init(parsing:)),
            digest: try row.digest("digest"), sourceTag: try tag(row.decodeOptional("source_tag")),
            requestedTags: try tags(row.decode("requested_tags")),
            reason: try row.decodeOptional("reason"), requestedBy: SubjectID(stored: try row.decode("requested_by")),
            requestID: try row.decodeOptional("request_id", as: String.self).flatMap(RequestID.init(parsing:)),
            createdAt: try row.decode("created_at"), state: try row.parsed("state", PromotionState.init(rawValue:)),
            version: try row.decode("version", as: Int.self), updatedAt: try row.decode("updated_at"), finishedAt: try row.decodeOptional("finished_at"),
            policyVersion: try row.decodeOptional("policy_version"), attempts: try row.decode("failures", as: Int.self),
            cancelRequested: try row.decode("cancel_requested", as: Bool.self), requestedAs: try row.json("requested_as"))
        promotion.decision = try row.json("decision")
        promotion.report = try row.json("report")
        promotion.tagMoves = try row.json("tag_moves") ?? []
        promotion.failure = try row.json("failure")
        promotion.progress = try row.json("progress")
        return promotion
    }

    private static func tags(_ texts: [String]) throws(PostgresError) -> [Tag] {
        var tags: [Tag] = []
        for text in texts {
            if let tag = try tag(text) { tags.append(tag) }
        }
        return tags
    }

    private static func tag(_ text: String?) throws(PostgresError) -> Tag? {
        guard let text else { return nil }
        do { return try Tag(parsing: text) } catch { throw .decoding(column: "tag", expected: "a tag", found: "another text") }
    }
}

/// Inserts that several aggregates share; each runs inside the act's transaction.
struct SharedInserts {
    let connection: PostgresConnection

    func image(_ image: ImageName) async throws -> Int64 {
        let name = image.description
        let found = try await connection.query("SELECT id FROM images WHERE name = \(name)")
        if let row = found.first { return try row.decode("id") }
        let inserted = try await connection.query(
            "INSERT INTO images (name) VALUES (\(name)) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id")
        guard let row = inserted.first else { throw StoreError.corrupt("image \(name) could not be made known") }
        return try row.decode("id")
    }

    /// The repository of a registry that environments.yaml names.
    func repository(_ target: TargetRepository) async throws -> Int64 {
        let name = target.repository.description
        let found = try await connection.query(
            """
            SELECT r.id FROM environment_registries e JOIN repositories r ON r.registry_id = e.registry_id AND r.name = \(name)
             WHERE e.name = \(target.registry)
            """)
        if let row = found.first { return try row.decode("id") }
        let inserted = try await connection.query(
            """
            INSERT INTO repositories (registry_id, name) SELECT registry_id, \(name) FROM environment_registries WHERE name = \(target.registry)
            ON CONFLICT (registry_id, name) DO UPDATE SET name = excluded.name RETURNING id
            """)
        guard let row = inserted.first else { throw StoreError.corrupt("registry \(target.registry) is not known to the database") }
        return try row.decode("id")
    }
}

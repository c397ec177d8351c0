import AuditLog
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
               p.failure, coalesce(j.failures, 0) AS failures, j.progress, p.requested_as, p.rollback, coalesce(j.cancel_requested, false) AS cancel_requested
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
            cancelRequested: try row.decode("cancel_requested", as: Bool.self), requestedAs: try row.json("requested_as"), rollback: try row.json("rollback"))
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
///
/// What is there already is not locked: many acts about the same new image at once would wait for each other in a circle.
struct SharedInserts {
    let connection: PostgresConnection

    /// An event about something else than a promotion.
    func event(_ audit: AuditEntry) async throws {
        try await connection.execute(
            "INSERT INTO outbox (event_id, type, payload) VALUES (\(audit.id), \(audit.action), \(JSONB(audit.canonicalText)))")
    }

    func image(_ image: ImageName) async throws -> Int64 {
        let name = image.description
        if let id = try await known(image: name) { return id }
        try await connection.execute("INSERT INTO images (name) VALUES (\(name)) ON CONFLICT (name) DO NOTHING")
        guard let id = try await known(image: name) else { throw StoreError.corrupt("image \(name) could not be made known") }
        return id
    }

    private func known(image name: String) async throws -> Int64? {
        try await connection.query("SELECT id FROM images WHERE name = \(name)").first?.decode("id")
    }

    /// The repository of a registry that environments.yaml names.
    func repository(_ target: TargetRepository) async throws -> Int64 {
        if let id = try await known(target) { return id }
        try await connection.execute(
            """
            INSERT INTO repositories (registry_id, name)
            SELECT registry_id, \(target.repository.description) FROM environment_registries WHERE name = \(target.registry)
            ON CONFLICT (registry_id, name) DO NOTHING
            """)
        guard let id = try await known(target) else { throw StoreError.corrupt("registry \(target.registry) is not known to the database") }
        return id
    }

    private func known(_ target: TargetRepository) async throws -> Int64? {
        try await connection.query(
            """
            SELECT r.id FROM environment_registries e JOIN repositories r ON r.registry_id = e.registry_id
             WHERE e.name = \(target.registry) AND r.name = \(target.repository.description)
            """
        ).first?.decode("id")
    }

    /// In which repository of a registry an image is.
    func place(_ image: Int64, in repository: Int64, of registry: String) async throws {
        try await connection.execute(
            """
            INSERT INTO image_repositories (image_id, registry_name, repository_id) VALUES (\(image), \(registry), \(repository))
            ON CONFLICT (image_id, registry_name) DO NOTHING
            """)
        try await connection.execute(
            """
            UPDATE image_repositories SET repository_id = \(repository)
             WHERE image_id = \(image) AND registry_name = \(registry) AND repository_id <> \(repository)
            """)
    }
}

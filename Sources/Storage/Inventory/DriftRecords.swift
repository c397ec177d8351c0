import AuditLog
import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore

/// Keeps drifts, inside the transaction of the sighting or of the promotion.
struct DriftRecords {
    let connection: PostgresConnection

    private static let environs = Environs(
        now: { Date() },
        newID: {
            var random = SystemRandomNumberGenerator()
            return UUID.version7(at: Date(), random: &random)
        })

    /// Tags that were seen to name something else: whether that is drift, its end, or more of it.
    ///
    /// - Parameter tags: what each named before, and what was found; empty bytes: nothing.
    func seen(
        _ tags: [(tag: String, before: [UInt8]?, found: [UInt8])], in repository: Int64, _ image: ImageName, _ environment: EnvironmentName,
        _ target: TargetRepository, seenBy: String
    ) async throws {
        let names = tags.map(\.tag)
        let written = try await connection.query(
            """
            SELECT w.tag, o.digest, o.promotion_id, d.id AS drift
              FROM unnest(\(names)) AS w(tag)
              CROSS JOIN LATERAL (SELECT h.digest::bytea AS digest, h.promotion_id FROM tag_history h
                             WHERE h.repository_id = \(repository) AND h.tag = w.tag AND h.promotion_id IS NOT NULL ORDER BY h.id DESC LIMIT 1) o
              LEFT JOIN drifts d ON d.repository_id = \(repository) AND d.tag = w.tag AND d.resolved_at IS NULL
            """)
        for row in written {
            let tag = try row.decode("tag", as: String.self)
            guard let change = tags.first(where: { $0.tag == tag }) else { continue }
            let expected = try row.decode("digest", as: [UInt8].self)
            if try row.decodeOptional("drift", as: UUID.self) != nil {
                if change.found == expected { try await settle(tag, in: repository, .returned, by: nil) } else { try await update(tag, in: repository, change.found) }
            } else if change.before == expected, change.found != expected {
                let drift = Drift(
                    id: Self.environs.newID(), image: image, environment: environment, target: target, tag: try Tag(parsing: tag),
                    expected: try Digest(stored: expected, column: "digest"),
                    found: change.found.isEmpty ? nil : try Digest(stored: change.found, column: "found"),
                    promotion: PromotionID(try row.decode("promotion_id", as: UUID.self)), detectedAt: Date(), seenBy: seenBy)
                try await open(drift, in: repository)
            }
        }
    }

    private func open(_ drift: Drift, in repository: Int64) async throws {
        let audit = try InventoryActs(Self.environs).drifted(drift)
        try await tell(audit)
        try await connection.execute(
            """
            INSERT INTO drifts (id, repository_id, tag, expected, found, promotion_id, seen_by, audit_id)
            VALUES (\(drift.id), \(repository), \(drift.tag.description), \(drift.expected.stored), \(drift.found?.stored), \(drift.promotion.uuid),
                    \(drift.seenBy), \(audit.id))
            """)
    }

    private func update(_ tag: String, in repository: Int64, _ found: [UInt8]) async throws {
        try await connection.execute(
            """
            UPDATE drifts SET found = nullif(\(found), ''::bytea) WHERE repository_id = \(repository) AND tag = \(tag) AND resolved_at IS NULL
            """)
    }

    /// One of our promotions has written the tag.
    func moved(_ tag: String, in repository: Int64, by promotion: PromotionID) async throws {
        let rows = try await connection.query(
            """
            SELECT CASE WHEN p.rollback IS NULL THEN 'promoted' WHEN (p.rollback ->> 'restores')::boolean THEN 'restored' ELSE 'rolled-back' END AS resolution
              FROM drifts d JOIN promotions p ON p.id = \(promotion.uuid) WHERE d.repository_id = \(repository) AND d.tag = \(tag) AND d.resolved_at IS NULL
            """)
        guard let row = rows.first else { return }
        try await settle(tag, in: repository, try row.parsed("resolution", Drift.Resolution.init(rawValue:)), by: promotion)
    }

    private func settle(_ tag: String, in repository: Int64, _ resolution: Drift.Resolution, by promotion: PromotionID?) async throws {
        try await connection.execute(
            """
            UPDATE drifts SET resolved_at = clock_timestamp(), resolution = \(resolution.rawValue)
             WHERE repository_id = \(repository) AND tag = \(tag) AND resolved_at IS NULL
            """)
        let rows = try await connection.query(
            DriftRow.select + " WHERE d.repository_id = \(repository) AND d.tag = \(tag) ORDER BY d.resolved_at DESC NULLS LAST LIMIT 1")
        guard let row = rows.first else { return }
        try await tell(try InventoryActs(Self.environs).settled(try DriftRow.decode(row), resolution, by: promotion))
    }

    /// The entry, and the event for whoever wants to be told.
    private func tell(_ audit: AuditEntry) async throws {
        let inserts = SharedInserts(connection: connection)
        try await inserts.audit(audit)
        try await inserts.event(audit)
    }
}

/// How drifts are read.
enum DriftRow {
    static let select: SQL = """
        SELECT d.id, i.name AS image, e.environment, e.name AS registry, r.name AS repository, d.tag, d.expected, d.found, d.promotion_id, d.detected_at,
               d.seen_by, d.resolved_at, d.resolution, d.restoring
          FROM drifts d JOIN repositories r ON r.id = d.repository_id JOIN image_repositories ir ON ir.repository_id = d.repository_id
          JOIN images i ON i.id = ir.image_id JOIN environment_registries e ON e.name = ir.registry_name
        """

    static func decode(_ row: PostgresRow) throws(PostgresError) -> Drift {
        Drift(
            id: try row.decode("id"), image: try row.parsed("image", ImageName.init(parsing:)),
            environment: try row.parsed("environment", EnvironmentName.init(parsing:)),
            target: TargetRepository(registry: try row.decode("registry"), repository: try row.parsed("repository", RepositoryName.init(parsing:))),
            tag: try row.parsed("tag", Tag.init(parsing:)), expected: try row.digest("expected"), found: try row.digestIfPresent("found"),
            promotion: PromotionID(try row.decode("promotion_id", as: UUID.self)), detectedAt: try row.decode("detected_at"), seenBy: try row.decode("seen_by"),
            resolvedAt: try row.decodeOptional("resolved_at"),
            resolution: try row.decodeOptional("resolution", as: String.self).flatMap(Drift.Resolution.init(rawValue:)),
            restoring: try row.decodeOptional("restoring", as: UUID.self).map(PromotionID.init))
    }
}

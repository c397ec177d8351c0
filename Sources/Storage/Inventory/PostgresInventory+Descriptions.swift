import Foundation
public import OCI
import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresInventory {
    /// Bounds of what is kept for searching, in bytes: an image's labels are whatever its builder wrote.
    private static let mostLabels = 200
    private static let longestLabel = 4_096
    private static let longestKeywords = 7_000
    private static let longestDescription = 1_900

    public func undescribed(_ digests: [Digest]) async throws(StoreError) -> [Digest] {
        guard !digests.isEmpty else { return [] }
        return try await storing {
            let wanted = digests.map(\.stored)
            return try await pool.query(
                "SELECT w.digest FROM unnest(\(wanted)) AS w(digest) WHERE NOT EXISTS (SELECT FROM artifact_details d WHERE d.digest = w.digest AND d.complete)"
            ).map { row in try row.digest("digest") }
        }
    }

    public func describe(_ descriptions: [ArtifactDescription], of image: ImageName) async throws(StoreError) {
        try await storing {
            try await pool.withTransaction { connection in
                let imageID = try await SharedInserts(connection: connection).image(image)
                for description in descriptions { try await describe(description, imageID, connection) }
            }
        }
    }

    private func describe(_ description: ArtifactDescription, _ image: Int64, _ connection: PostgresConnection) async throws {
        let digest = description.digest.stored
        let labels = try StoredJSON.encode(Self.bounded(description.labels))
        let platforms = Array(description.platforms.map { Self.clean($0.description, 100) }.prefix(50))
        try await connection.execute(
            """
            INSERT INTO artifact_details (digest, media_type, artifact_type, subject, size, created, platforms, labels, complete)
            VALUES (\(digest), \(Self.clean(description.mediaType.description, 255)), \(description.artifactType.map { Self.clean($0, 255) }),
                    \(description.subject?.stored), \(description.size), \(description.created), \(platforms), \(labels), \(description.isComplete))
            ON CONFLICT (digest) DO UPDATE SET size = excluded.size, created = excluded.created, platforms = excluded.platforms, labels = excluded.labels,
                   complete = excluded.complete, described_at = now() WHERE NOT artifact_details.complete
            """)
        let blobs = description.blobs
        try await connection.execute(
            """
            INSERT INTO artifact_blobs (digest, blob, size, position)
            SELECT \(digest), b.digest, b.size, b.ordinal::int
              FROM unnest(\(blobs.map(\.digest.stored)), \(blobs.map(\.size))) WITH ORDINALITY AS b(digest, size, ordinal)
            ON CONFLICT DO NOTHING
            """)
        try await connection.execute(
            """
            INSERT INTO image_artifacts (image_id, digest, size, created, platforms, labels, revision)
            SELECT \(image), digest, size, created, platforms, labels, revision FROM artifact_details WHERE digest = \(digest)
            ON CONFLICT (image_id, digest) DO NOTHING
            """)
        // An artifact may be in several images: all of them are told.
        try await connection.execute(
            """
            UPDATE image_artifacts a SET size = d.size, created = d.created, platforms = d.platforms, labels = d.labels, revision = d.revision
              FROM artifact_details d WHERE d.digest = \(digest) AND a.digest = d.digest AND (a.size IS NULL OR a.labels <> d.labels)
            """)
        guard description.subject == nil, description.mediaType.isManifest else { return }
        try await connection.execute(
            """
            UPDATE images SET description = coalesce(\(Self.text(of: description.labels)), description), keywords = \(Self.keywords(of: description.labels)),
                   described_created = \(description.created)
             WHERE id = \(image) AND (described_created IS NULL OR described_created <= \(description.created))
            """)
    }

    public func attribute(_ digests: [Digest], to image: ImageName) async throws(StoreError) {
        guard !digests.isEmpty else { return }
        try await storing {
            let wanted = digests.map(\.stored)
            _ = try await pool.execute(
                """
                INSERT INTO image_artifacts (image_id, digest, size, created, platforms, labels, revision)
                SELECT i.id, d.digest, d.size, d.created, d.platforms, d.labels, d.revision FROM images i, artifact_details d
                 WHERE i.name = \(image.description) AND d.digest = ANY (\(wanted))
                   AND NOT EXISTS (SELECT FROM image_artifacts a WHERE a.image_id = i.id AND a.digest = d.digest)
                ON CONFLICT DO NOTHING
                """)
        }
    }

    public func newArtifacts(after ordinal: Int64, limit: Int) async throws(StoreError) -> (artifacts: [UndescribedArtifact], reached: Int64) {
        try await storing {
            let end = try await pool.query("SELECT coalesce(max(id), 0) AS last FROM tag_history").first?.decode("last", as: Int64.self) ?? ordinal
            guard end > ordinal else { return ([], ordinal) }
            let rows = try await pool.query(
                """
                SELECT t.id, t.digest, i.name AS image, e.name AS registry, e.environment
                  FROM tag_history t JOIN image_repositories ir ON ir.repository_id = t.repository_id JOIN images i ON i.id = ir.image_id
                  JOIN environment_registries e ON e.name = ir.registry_name
                 WHERE t.id > \(ordinal) AND t.id <= \(end) AND t.digest IS NOT NULL
                   AND NOT EXISTS (SELECT FROM artifact_details d WHERE d.digest = t.digest) AND EXISTS (SELECT FROM artifacts a WHERE a.digest = t.digest)
                 ORDER BY t.id LIMIT \(limit)
                """)
            let artifacts = try rows.map { row in
                UndescribedArtifact(
                    digest: try row.digest("digest"), image: try row.parsed("image", ImageName.init(parsing:)), registry: try row.decode("registry"),
                    environment: try row.parsed("environment", EnvironmentName.init(parsing:)))
            }
            return (artifacts, rows.count < limit ? end : try rows.last?.decode("id", as: Int64.self) ?? end)
        }
    }

    // MARK: Bounds

    private static func bounded(_ labels: [String: String]) -> [String: String] {
        var kept: [String: String] = [:]
        for (name, value) in labels.sorted(by: { $0.key < $1.key }).prefix(mostLabels) { kept[clean(name, 255)] = clean(value, longestLabel) }
        return kept
    }

    /// PostgreSQL holds no NUL.
    private static func clean(_ text: String, _ bytes: Int) -> String {
        var text = text.replacing("\u{0}", with: "")
        while text.utf8.count > bytes { text = String(text.unicodeScalars.dropLast(max(1, (text.utf8.count - bytes) / 4)).map(Character.init)) }
        return text
    }

    private static func text(of labels: [String: String]) -> String? {
        let text = ["org.opencontainers.image.description", "description", "org.opencontainers.image.title"].lazy.compactMap { labels[$0] }.first
        return text.map { clean($0, longestDescription) }
    }

    private static func keywords(of labels: [String: String]) -> String {
        clean(labels.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: " "), longestKeywords)
    }
}

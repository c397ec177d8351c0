import Foundation
import OCI
import Postgres
import PromotionCore

/// Writes down what promotions made tags name, inside their transactions.
struct TagHistory {
    let connection: PostgresConnection

    /// Ends the current period and begins a new one. Whatever others had done to the tag is over.
    func write(_ move: TagMove, by promotion: PromotionID) async throws {
        let repository = try await SharedInserts(connection: connection).repository(move.target)
        let text = move.tag.description
        // Two observers at once: the second waits here. Left to the exclusion constraint, they would wait for each other.
        _ = try await connection.query("SELECT 1 AS one FROM pg_advisory_xact_lock(hashtextextended(\(text), \(repository)))")
        try await connection.execute(
            """
            UPDATE tag_history SET valid = tstzrange(lower(valid), greatest(clock_timestamp(), lower(valid) + interval '1 microsecond'))
             WHERE repository_id = \(repository) AND tag = \(text) AND upper_inf(valid)
            """)
        try await connection.execute(
            """
            INSERT INTO tag_history (repository_id, tag, digest, valid, promotion_id, seen_by)
            SELECT \(repository), \(text), \(move.digest.stored),
                   tstzrange(greatest(clock_timestamp(), (SELECT max(upper(valid)) FROM tag_history WHERE repository_id = \(repository) AND tag = \(text))), NULL),
                   \(promotion.uuid), 'promotion'
            """)
        try await connection.execute(
            """
            INSERT INTO image_repositories (image_id, registry_name, repository_id)
            SELECT image_id, \(move.target.registry), \(repository) FROM promotions WHERE id = \(promotion.uuid) ON CONFLICT DO NOTHING
            """)
        try await ImageArtifacts(connection: connection).note([move.digest], in: repository)
        try await DriftRecords(connection: connection).moved(text, in: repository, by: promotion)
    }
}

/// Keeps which artifacts belong to which images, inside a transaction.
struct ImageArtifacts {
    let connection: PostgresConnection

    /// The repository's image has these artifacts; what is known of them is taken over.
    func note(_ digests: [Digest], in repository: Int64) async throws {
        guard !digests.isEmpty else { return }
        let stored = Set(digests).sorted().map(\.stored)
        try await connection.execute(
            """
            INSERT INTO image_artifacts (image_id, digest, size, created, platforms, labels, revision)
            SELECT DISTINCT ON (ir.image_id, w.digest) ir.image_id, w.digest, d.size, d.created, coalesce(d.platforms, '{}'), coalesce(d.labels, '{}'), d.revision
              FROM unnest(\(stored)) AS w(digest) JOIN image_repositories ir ON ir.repository_id = \(repository)
              LEFT JOIN artifact_details d ON d.digest = w.digest
             WHERE NOT EXISTS (SELECT FROM image_artifacts a WHERE a.image_id = ir.image_id AND a.digest = w.digest)
             ORDER BY ir.image_id, w.digest
            ON CONFLICT DO NOTHING
            """)
    }
}

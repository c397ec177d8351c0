import Foundation
import OCI
import Postgres
import PromotionCore

/// Writes down what tags name, inside a transaction.
struct TagHistory {
    let connection: PostgresConnection

    /// Ends the current period and begins a new one, where the tag names something else than when it was last seen.
    func observe(_ tag: Tag, at target: TargetRepository, _ digest: Digest?, _ promotion: PromotionID?, seenBy: String) async throws {
        let repository = try await SharedInserts(connection: connection).repository(target)
        let text = tag.description
        // Two observers at once: the second waits here. Left to the exclusion constraint, they would wait for each other.
        _ = try await connection.query("SELECT 1 AS one FROM pg_advisory_xact_lock(hashtextextended(\(text), \(repository)))")
        let current = try await connection.query(
            "SELECT id, digest FROM tag_history WHERE repository_id = \(repository) AND tag = \(text) AND upper_inf(valid) FOR UPDATE")
        if let row = current.first {
            if try row.digestIfPresent("digest") == digest, promotion == nil { return }
            let id = try row.decode("id", as: Int64.self)
            try await connection.execute(
                """
                UPDATE tag_history SET valid = tstzrange(lower(valid), greatest(clock_timestamp(), lower(valid) + interval '1 microsecond')) WHERE id = \(id)
                """)
        } else if digest == nil {
            return
        }
        try await connection.execute(
            """
            INSERT INTO tag_history (repository_id, tag, digest, valid, promotion_id, seen_by)
            SELECT \(repository), \(text), \(digest?.stored),
                   tstzrange(greatest(clock_timestamp(), (SELECT max(upper(valid)) FROM tag_history WHERE repository_id = \(repository) AND tag = \(text))), NULL),
                   \(promotion?.uuid), \(seenBy)
            """)
    }
}

import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore

/// Writes down what tags of a repository were seen to name, inside a transaction.
struct TagSightings {
    let connection: PostgresConnection
    let image: ImageName
    let environment: EnvironmentName
    let target: TargetRepository
    let repository: Int64

    /// A tag that names something else than when it was last seen.
    private struct Changed {
        let tag: String
        let digest: [UInt8]
        /// The current period; `nil` where the tag was never seen.
        let period: Int64?
        let before: [UInt8]?
        let isNew: Bool
    }

    /// - Parameter age: how long ago the look began: a period that began since, by a promotion or another observer, knows better.
    func observe(_ looks: [TagLook], age: Duration, seenBy: String) async throws -> TagChanges {
        guard try await !changes(looks, age).isEmpty else { return TagChanges() }
        let tags = looks.map(\.tag.description)
        // Always in the same order: two observers never wait for each other in a circle.
        _ = try await connection.query(
            "SELECT pg_advisory_xact_lock(hashtextextended(t, \(repository)))::text AS done FROM (SELECT unnest(\(tags)) AS t ORDER BY 1) AS s")
        let changed = try await changes(looks, age)
        guard !changed.isEmpty else { return TagChanges() }
        try await write(changed, seenBy)
        try await DriftRecords(connection: connection).seen(
            changed.map { (tag: $0.tag, before: $0.before, found: $0.digest) }, in: repository, image, environment, target, seenBy: seenBy)
        var counts = TagChanges()
        for change in changed {
            if change.digest.isEmpty { counts.gone += 1 } else if change.before == nil { counts.new += 1 } else { counts.moved += 1 }
        }
        return counts
    }

    /// What one of our promotions has just written, or is about to write down, is left to it.
    private func changes(_ looks: [TagLook], _ age: Duration) async throws -> [Changed] {
        let (tags, digests) = (looks.map(\.tag.description), looks.map { $0.digest?.stored ?? [] })
        return try await connection.query(
            """
            SELECT w.tag, w.digest, t.id, t.digest::bytea AS before
              FROM unnest(\(tags), \(digests)) AS w(tag, digest)
              LEFT JOIN tag_history t ON t.repository_id = \(repository) AND t.tag = w.tag AND upper_inf(t.valid)
             WHERE t.digest::bytea IS DISTINCT FROM nullif(w.digest, ''::bytea)
               AND (t.id IS NULL OR lower(t.valid) <= clock_timestamp() - \(age.seconds) * interval '1 second')
               AND NOT EXISTS (
                 SELECT FROM promotion_targets g JOIN promotions p ON p.id = g.promotion_id
                  WHERE g.repository_id = \(repository) AND g.tag = w.tag AND g.holds AND p.digest = w.digest)
            """
        ).map { row in
            let before = try row.decodeOptional("before", as: [UInt8].self)
            return Changed(
                tag: try row.decode("tag"), digest: try row.decode("digest"), period: try row.decodeOptional("id"), before: before, isNew: before == nil)
        }
    }

    private func write(_ changed: [Changed], _ seenBy: String) async throws {
        let periods = changed.compactMap(\.period)
        if !periods.isEmpty {
            try await connection.execute(
                """
                UPDATE tag_history SET valid = tstzrange(lower(valid), greatest(clock_timestamp(), lower(valid) + interval '1 microsecond'))
                 WHERE id = ANY (\(periods))
                """)
        }
        let (tags, digests) = (changed.map(\.tag), changed.map(\.digest))
        try await connection.execute(
            """
            INSERT INTO tag_history (repository_id, tag, digest, valid, seen_by)
            SELECT \(repository), w.tag, nullif(w.digest, ''::bytea),
                   tstzrange(greatest(clock_timestamp(), (SELECT max(upper(h.valid)) FROM tag_history h WHERE h.repository_id = \(repository) AND h.tag = w.tag)), NULL),
                   \(seenBy)
              FROM unnest(\(tags), \(digests)) AS w(tag, digest)
            """)
        let named = try changed.filter { !$0.digest.isEmpty }.map { change in try Digest(stored: change.digest, column: "digest") }
        try await ImageArtifacts(connection: connection).note(named, in: repository)
    }
}

public import Foundation
public import OCI
public import Postgres
public import PromotionCore

/// Which blobs are on their way into which server, in whose hands: so that no blob is sent twice at the same time, whichever replica
/// sends it. A claim is a hint with a short life; it protects nothing but bandwidth.
public struct PostgresUploadClaims: Sendable {
    /// Seconds; a sender renews well within.
    private static let life = 3.0
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    /// Takes those blobs that nobody else is sending; of these, names those that were seen on the server within `age` seconds, and of the
    /// rest those whose sender's id comes before ours.
    public func claim(
        _ blobs: [Digest], server: String, sender: UUID, age: Double
    ) async throws(StoreError) -> (granted: Set<Digest>, arrived: Set<Digest>, older: Set<Digest>) {
        // Sorted, so that two senders lock rows in the same order.
        let wanted = blobs.sorted().map(\.stored)
        return try await storing {
            let rows = try await pool.query(
                """
                INSERT INTO blob_uploads (registry_id, digest, sender, expires_at)
                SELECT g.id, d, \(sender), now() + \(Self.life) * interval '1 second' FROM registries g, unnest(\(wanted)) AS d WHERE g.url = \(server)
                ON CONFLICT (registry_id, digest) DO UPDATE SET sender = excluded.sender, expires_at = excluded.expires_at
                   WHERE blob_uploads.expires_at < now() OR blob_uploads.sender = excluded.sender
                RETURNING digest, EXISTS (
                  SELECT FROM blob_locations b WHERE b.registry_id = blob_uploads.registry_id AND b.digest = blob_uploads.digest AND b.mountable
                     AND b.seen_at > now() - \(age) * interval '1 second') AS arrived
                """)
            var granted: Set<Digest> = []
            var arrived: Set<Digest> = []
            for row in rows {
                let digest = try row.digest("digest")
                granted.insert(digest)
                if try row.decode("arrived", as: Bool.self) { arrived.insert(digest) }
            }
            guard granted.count < Set(blobs).count else { return (granted, arrived, []) }
            let others = try await pool.query(
                """
                SELECT u.digest FROM blob_uploads u JOIN registries g ON g.id = u.registry_id
                 WHERE g.url = \(server) AND u.digest = ANY (\(wanted)) AND u.sender < \(sender) AND u.expires_at >= now()
                """)
            var older: Set<Digest> = []
            for row in others { older.insert(try row.digest("digest")) }
            return (granted, arrived, older)
        }
    }

    public func renew(sender: UUID) async throws(StoreError) {
        try await storing {
            _ = try await pool.execute("UPDATE blob_uploads SET expires_at = now() + \(Self.life) * interval '1 second' WHERE sender = \(sender)")
        }
    }

    public func release(_ blobs: [Digest], server: String, sender: UUID) async throws(StoreError) {
        let done = blobs.map(\.stored)
        try await storing {
            _ = try await pool.execute(
                """
                DELETE FROM blob_uploads WHERE registry_id = (SELECT id FROM registries WHERE url = \(server)) AND digest = ANY (\(done)) AND sender = \(sender)
                """)
        }
    }
}

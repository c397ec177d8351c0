public import Foundation
public import OCI
public import Postgres
public import PromotionCore

/// A repository that holds a blob, as it is stored.
public struct StoredHolder: Sendable, Hashable {
    public let digest: Digest
    public let repository: RepositoryName
    public let isCommitted: Bool
}

/// Manifests, small blobs, and which repository of which server holds what.
///
/// All of it can be learned again: its pool's commits need not wait for the disk.
public struct PostgresContentMemory: Sendable {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    /// The media types and bytes of those of these manifests that are kept.
    public func manifests(_ digests: [Digest]) async throws(StoreError) -> [(digest: Digest, mediaType: MediaType, bytes: Data)] {
        try await storing {
            let wanted = digests.map(\.stored)
            return try await pool.query("SELECT digest, media_type, bytes FROM artifacts WHERE digest = ANY (\(wanted))").map { row in
                (try row.digest("digest"), try row.decode("media_type", as: String.self).asMediaType, Data(try row.decode("bytes", as: [UInt8].self)))
            }
        }
    }

    /// Whether the manifest that a tag was last seen to name is kept.
    public func keepsManifest(of tag: Tag, target: TargetRepository) async throws(StoreError) -> Bool {
        try await storing {
            try await !pool.query(
                """
                SELECT 1 AS one FROM environment_registries e
                  JOIN repositories r ON r.registry_id = e.registry_id AND r.name = \(target.repository.description)
                  JOIN tag_history h ON h.repository_id = r.id AND h.tag = \(tag.description) AND upper_inf(h.valid)
                  JOIN artifacts a ON a.digest = h.digest
                 WHERE e.name = \(target.registry)
                """
            ).isEmpty
        }
    }

    public func keep(_ manifests: [Manifest]) async throws(StoreError) {
        try await storing {
            let digests = manifests.map(\.digest.stored)
            let types = manifests.map(\.mediaType.description)
            let bytes = manifests.map { [UInt8]($0.bytes) }
            _ = try await pool.execute(
                """
                INSERT INTO artifacts (digest, media_type, bytes) SELECT * FROM unnest(\(digests), \(types), \(bytes)) ON CONFLICT (digest) DO NOTHING
                """)
        }
    }

    /// The bytes of those of these blobs that are kept.
    public func smallBlobs(_ digests: [Digest]) async throws(StoreError) -> [Digest: Data] {
        try await storing {
            let wanted = digests.map(\.stored)
            let rows = try await pool.query("SELECT digest, bytes FROM small_blobs WHERE digest = ANY (\(wanted))")
            var found: [Digest: Data] = [:]
            for row in rows { found[try row.digest("digest")] = Data(try row.decode("bytes", as: [UInt8].self)) }
            return found
        }
    }

    public func smallBlob(_ digest: Digest) async throws(StoreError) -> Data? {
        try await storing {
            try await pool.query("SELECT bytes FROM small_blobs WHERE digest = \(digest.stored)").first.map { row in Data(try row.decode("bytes", as: [UInt8].self)) }
        }
    }

    public func keepSmallBlob(_ digest: Digest, bytes: Data) async throws(StoreError) {
        try await storing {
            _ = try await pool.execute("INSERT INTO small_blobs (digest, bytes) VALUES (\(digest.stored), \([UInt8](bytes))) ON CONFLICT (digest) DO NOTHING")
        }
    }

    /// Who holds these blobs on a server: at most `limit` holders of each, committed and recent ones first.
    public func holders(server: String, blobs: [Digest], limit: Int = 8) async throws(StoreError) -> [StoredHolder] {
        try await storing {
            let digests = blobs.map(\.stored)
            return try await pool.query(
                """
                SELECT d.digest, h.name, h.committed FROM unnest(\(digests)) AS d(digest),
                       LATERAL (SELECT r.name, b.committed_at IS NOT NULL AS committed FROM blob_locations b JOIN repositories r ON r.id = b.repository_id
                                 WHERE b.registry_id = (SELECT id FROM registries WHERE url = \(server)) AND b.digest = d.digest AND b.mountable
                                 ORDER BY b.committed_at IS NULL, b.seen_at DESC LIMIT \(limit)) h
                """
            ).map { row in
                StoredHolder(digest: try row.digest("digest"), repository: try row.parsed("name", RepositoryName.init(parsing:)), isCommitted: try row.decode("committed"))
            }
        }
    }

    /// Which of these manifests a repository was seen to hold, and which of these blobs.
    public func presence(
        server: String, repository: RepositoryName, manifests: [Digest], blobs: [Digest]
    ) async throws(StoreError) -> (manifests: Set<Digest>, blobs: Set<Digest>) {
        try await storing {
            guard
                let place = try await pool.query(
                    "SELECT r.id FROM repositories r JOIN registries g ON g.id = r.registry_id WHERE g.url = \(server) AND r.name = \(repository.description)"
                ).first
            else { return ([], []) }
            let id = try place.decode("id", as: Int64.self)
            let manifestDigests = manifests.map(\.stored)
            let blobDigests = blobs.map(\.stored)
            let found = try await pool.query("SELECT digest FROM manifest_locations WHERE repository_id = \(id) AND digest = ANY (\(manifestDigests))")
            let held = try await pool.query(
                """
                SELECT digest FROM blob_locations
                 WHERE registry_id = (SELECT id FROM registries WHERE url = \(server)) AND repository_id = \(id) AND digest = ANY (\(blobDigests))
                """)
            return (Set(try found.map { try $0.digest("digest") }), Set(try held.map { try $0.digest("digest") }))
        }
    }

    /// Writes down what a repository was seen to hold (`committed`: a manifest there refers to it) or to have lost.
    public func record(
        server: String, repository: RepositoryName, blobs: [Digest], committed: [Digest], manifests: [Digest], goneBlobs: [Digest], goneManifests: [Digest],
        refusedMounts: [(digest: Digest, from: RepositoryName)]
    ) async throws(StoreError) {
        try await storing {
            if try await !write(server, repository, blobs, committed, manifests, goneBlobs, goneManifests) {
                // The first word of this repository.
                _ = try await pool.execute(
                    """
                    INSERT INTO repositories (registry_id, name) SELECT id, \(repository.description) FROM registries WHERE url = \(server)
                    ON CONFLICT (registry_id, name) DO NOTHING
                    """)
                guard try await write(server, repository, blobs, committed, manifests, goneBlobs, goneManifests) else {
                    throw StoreError.corrupt("registry \(server) is not known to the database")
                }
            }
            for refused in refusedMounts {
                _ = try await pool.execute(
                    """
                    UPDATE blob_locations b SET mountable = false FROM registries g, repositories r
                     WHERE g.url = \(server) AND r.registry_id = g.id AND r.name = \(refused.from.description)
                       AND b.registry_id = g.id AND b.repository_id = r.id AND b.digest = \(refused.digest.stored)
                    """)
            }
        }
    }

    /// All in one statement; what is gone and what is there never overlap. `false` where the repository is not known yet.
    private func write(
        _ server: String, _ repository: RepositoryName, _ blobs: [Digest], _ committed: [Digest], _ manifests: [Digest], _ goneBlobs: [Digest],
        _ goneManifests: [Digest]
    ) async throws -> Bool {
        // Sorted, so that two writers lock rows in the same order.
        let held = Set(blobs + committed).sorted()
        let proven = Set(committed)
        let (digests, isCommitted) = (held.map(\.stored), held.map { proven.contains($0) ? Int64(1) : 0 })
        let seen = Set(manifests).sorted().map(\.stored)
        let (lostBlobs, lostManifests) = (Set(goneBlobs).map(\.stored), Set(goneManifests).map(\.stored))
        return try await !pool.query(
            """
            WITH place AS (
              SELECT r.id, r.registry_id FROM repositories r JOIN registries g ON g.id = r.registry_id
               WHERE g.url = \(server) AND r.name = \(repository.description)),
            there AS (
              INSERT INTO blob_locations (registry_id, digest, repository_id, committed_at)
              SELECT p.registry_id, d.digest, p.id, CASE WHEN d.committed = 1 THEN now() END
                FROM place p, unnest(\(digests), \(isCommitted)) AS d(digest, committed)
              ON CONFLICT (registry_id, digest, repository_id) DO UPDATE
                 SET seen_at = now(), mountable = true, committed_at = coalesce(blob_locations.committed_at, excluded.committed_at)),
            manifests AS (
              INSERT INTO manifest_locations (registry_id, repository_id, digest) SELECT p.registry_id, p.id, d FROM place p, unnest(\(seen)) AS d
              ON CONFLICT (repository_id, digest) DO UPDATE SET seen_at = now()),
            lost_blobs AS (
              DELETE FROM blob_locations b USING place p WHERE b.registry_id = p.registry_id AND b.repository_id = p.id AND b.digest = ANY (\(lostBlobs))),
            lost_manifests AS (
              DELETE FROM manifest_locations m USING place p WHERE m.repository_id = p.id AND m.digest = ANY (\(lostManifests)))
            SELECT 1 AS one FROM place
            """
        ).isEmpty
    }
}

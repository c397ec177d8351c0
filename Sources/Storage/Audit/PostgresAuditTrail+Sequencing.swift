public import AuditLog
import Foundation
import Postgres
public import PromotionCore

extension PostgresAuditTrail {
    /// Most entries of one batch.
    private static let batch = 20_000
    /// Seconds between two checkpoints: an entry is under a signature within this time and a batch.
    private static let checkpointInterval = 2.0

    public func sequence(signer: CheckpointSigner?) async throws(StoreError) -> Int {
        let placed = try await storing {
            try await pool.withTransaction { connection in
                // Alone, over all replicas: the order of the leaves is the order of this statement.
                guard try await Self.isAlone(connection) else { return 0 }
                return try await connection.execute(
                    """
                    WITH gone AS (
                      DELETE FROM audit_unsequenced u USING (SELECT id FROM audit_unsequenced ORDER BY xid, ordinal LIMIT \(Self.batch)) s
                       WHERE u.id = s.id RETURNING u.*)
                    INSERT INTO audit_leaves (leaf_index, id, occurred_at, leaf_hash)
                    SELECT (SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves) + row_number() OVER (ORDER BY xid, ordinal) - 1,
                           id, occurred_at, leaf_hash FROM gone ORDER BY xid, ordinal
                    """)
            }
        }
        // Apart: entries get their place even where the rest fails.
        try await storing {
            try await pool.withTransaction { connection in
                if try await Self.isAlone(connection) { try await Self.keepNodes(connection) }
            }
        }
        if let signer {
            try await storing {
                try await pool.withTransaction { connection in
                    if try await Self.isAlone(connection) { try await checkpoint(signer, connection) }
                }
            }
        }
        return placed
    }

    private static func isAlone(_ connection: PostgresConnection) async throws -> Bool {
        let lock = try await connection.query("SELECT pg_try_advisory_xact_lock(5138008572) AS held")
        return try lock.first?.decode("held", as: Bool.self) == true
    }

    /// Signs the tree where it grew since the last checkpoint, and that one is old enough.
    private func checkpoint(_ signer: CheckpointSigner, _ connection: PostgresConnection) async throws {
        let last = try await connection.query(
            """
            SELECT tree_size, root, frontier, note, at > now() - \(Self.checkpointInterval) * interval '1 second' AS recent
              FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1
            """
        ).first
        if let last, try last.decode("recent", as: Bool.self) { return }
        var frontier = try last.map { try Self.frontier($0, signer) } ?? MerkleFrontier()
        let size = Int64(frontier.size)
        let leaves = try await connection.query("SELECT leaf_hash FROM audit_leaves WHERE leaf_index >= \(size) ORDER BY leaf_index LIMIT 200000")
        guard !leaves.isEmpty else { return }
        for row in leaves { frontier.append(try Self.hash(row.decode("leaf_hash"))) }
        let note = try signer.sign(Checkpoint(origin: origin, size: frontier.size, root: frontier.root))
        try await connection.execute(
            """
            INSERT INTO audit_checkpoints (tree_size, root, frontier, note)
            VALUES (\(Int64(frontier.size)), \(frontier.root.bytes), \(frontier.stored), \(note))
            """)
    }

    /// The stored frontier, if the last signature is over it: else whoever rewrote the end of the log would get ours for it.
    private static func frontier(_ row: PostgresRow, _ signer: CheckpointSigner) throws -> MerkleFrontier {
        let note: Checkpoint
        do { note = try CheckpointVerifier.open(try row.decode("note"), with: signer.verifiers) } catch let error as CheckpointError {
            throw StoreError.corrupt("the audit log's last checkpoint was not signed with this key (\(error)): give all replicas the same key")
        }
        guard let frontier = MerkleFrontier(stored: try row.decode("frontier", as: [UInt8].self)), frontier.size == note.size, frontier.root == note.root else {
            throw StoreError.corrupt("the audit log's last checkpoint does not fit its signature: run 'shiplift audit verify'")
        }
        return frontier
    }

    static func hash(_ bytes: [UInt8]) throws -> MerkleHash {
        guard let hash = MerkleHash(bytes: bytes) else { throw StoreError.corrupt("a leaf of the audit log") }
        return hash
    }
}

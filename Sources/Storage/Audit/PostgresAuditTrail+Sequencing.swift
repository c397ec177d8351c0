public import AuditLog
import Foundation
import Postgres
public import PromotionCore

extension PostgresAuditTrail {
    /// Most entries of one batch.
    private static let batch = 20_000

    public func sequence(signer: CheckpointSigner?) async throws(StoreError) -> Int {
        try await storing {
            try await pool.withTransaction { connection in
                // Alone, over all replicas: the order of the leaves is the order of this statement.
                let lock = try await connection.query("SELECT pg_try_advisory_xact_lock(5138008572) AS held")
                guard try lock.first?.decode("held", as: Bool.self) == true else { return 0 }
                let placed = try await connection.query(
                    """
                    WITH gone AS (
                      DELETE FROM audit_unsequenced u USING (SELECT id FROM audit_unsequenced ORDER BY xid, ordinal LIMIT \(Self.batch)) s
                       WHERE u.id = s.id RETURNING u.*)
                    INSERT INTO audit_leaves (leaf_index, id, occurred_at, leaf_hash)
                    SELECT (SELECT coalesce(max(leaf_index) + 1, 0) FROM audit_leaves) + row_number() OVER (ORDER BY xid, ordinal) - 1,
                           id, occurred_at, leaf_hash FROM gone ORDER BY xid, ordinal
                    RETURNING leaf_index, leaf_hash
                    """
                ).map { row in (try row.decode("leaf_index", as: Int64.self), try row.decode("leaf_hash", as: [UInt8].self)) }
                if !placed.isEmpty, let signer { try await sign(placed.sorted { $0.0 < $1.0 }, signer, connection) }
                return placed.count
            }
        }
    }

    private func sign(_ placed: [(Int64, [UInt8])], _ signer: CheckpointSigner, _ connection: PostgresConnection) async throws {
        var frontier = MerkleFrontier()
        if let row = try await connection.query("SELECT frontier FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1").first {
            guard let stored = MerkleFrontier(stored: try row.decode("frontier", as: [UInt8].self)) else { throw StoreError.corrupt("the audit log's frontier") }
            frontier = stored
        }
        // Entries placed while no key was at hand are taken in first.
        if let first = placed.first?.0, frontier.size < UInt64(first) {
            let size = Int64(frontier.size)
            for row in try await connection.query("SELECT leaf_hash FROM audit_leaves WHERE leaf_index >= \(size) AND leaf_index < \(first) ORDER BY leaf_index") {
                frontier.append(try Self.hash(row.decode("leaf_hash")))
            }
        }
        for (_, hash) in placed { frontier.append(try Self.hash(hash)) }
        let checkpoint = Checkpoint(origin: origin, size: frontier.size, root: frontier.root)
        let note = try signer.sign(checkpoint)
        try await connection.execute(
            """
            INSERT INTO audit_checkpoints (tree_size, root, frontier, note)
            VALUES (\(Int64(frontier.size)), \(frontier.root.bytes), \(frontier.stored), \(note))
            """)
    }

    static func hash(_ bytes: [UInt8]) throws -> MerkleHash {
        guard let hash = MerkleHash(bytes: bytes) else { throw StoreError.corrupt("a leaf of the audit log") }
        return hash
    }

    public func verify(keys: [CheckpointVerifier]) async throws(StoreError) -> AuditVerification {
        try await storing {
            // One snapshot: entries that arrive meanwhile don't disturb the check.
            try await pool.withTransaction(isolation: .readOnlySnapshot) { connection in
                var notes: [(size: UInt64, note: String)] = []
                for row in try await connection.query("SELECT tree_size, note FROM audit_checkpoints ORDER BY tree_size") {
                    notes.append((UInt64(try row.decode("tree_size", as: Int64.self)), try row.decode("note")))
                }
                var verifier = AuditVerifier(notes: notes, keys: keys)
                try await connection.forEach(Self.everything) { row in
                    let columns = try Self.columns(row)
                    _ = verifier.add(
                        StoredLeaf(
                            index: try row.decode("leaf_index"), id: try row.decode("id"), leafHash: try Self.hash(row.decode("leaf_hash")),
                            canonicalText: try row.decodeOptional("canonical"), columns: columns))
                }
                return verifier.finish(unsequenced: try await unplaced(connection))
            }
        }
    }

    private static let everything: SQL = """
        SELECT l.leaf_index, l.id, l.leaf_hash, e.canonical, e.action, e.actor, e.outcome, e.image, e.digest, e.environment, e.promotion_id
          FROM audit_leaves l LEFT JOIN audit_entries e ON e.occurred_at = l.occurred_at AND e.id = l.id ORDER BY l.leaf_index
        """

    private static func columns(_ row: PostgresRow) throws(PostgresError) -> [String: String?] {
        guard try row.decodeOptional("canonical", as: String.self) != nil else { return [:] }
        var columns: [String: String?] = [:]
        for name in ["action", "actor", "outcome", "image", "digest", "environment", "promotion_id"] {
            columns[name] = .some(try row.decodeOptional(name, as: String.self))
        }
        return columns
    }

    /// An entry that is neither placed nor waiting for it within the promise.
    private func unplaced(_ connection: PostgresConnection) async throws -> UUID? {
        let rows = try await connection.query(
            """
            SELECT e.id FROM audit_entries e
             WHERE NOT EXISTS (SELECT FROM audit_leaves l WHERE l.id = e.id) AND e.occurred_at < now() - \(Self.sequencingPromise) * interval '1 second'
             ORDER BY e.occurred_at LIMIT 1
            """)
        return try rows.first?.decode("id", as: UUID.self)
    }

    public func export(to line: @concurrent (String) async throws -> Void) async throws {
        try await pool.withTransaction(isolation: .readOnlySnapshot) { connection in
            try await line("{\"kind\":\"shiplift-audit-export\",\"version\":1,\"origin\":\"\(origin)\"}")
            try await connection.forEach(Self.everything) { row in
                let hash = try Self.hash(row.decode("leaf_hash"))
                let index = try row.decode("leaf_index", as: Int64.self)
                try await line("{\"index\":\(index),\"leafHash\":\"\(hash)\",\"entry\":\(try row.decodeOptional("canonical", as: String.self) ?? "null")}")
            }
            for row in try await connection.query("SELECT note FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1") {
                let note = try StoredJSON.encode(["checkpoint": try row.decode("note", as: String.self)])
                try await line(note.text)
            }
        }
    }
}

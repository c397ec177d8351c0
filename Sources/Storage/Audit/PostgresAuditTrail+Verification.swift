public import AuditLog
import Foundation
import Postgres
public import PromotionCore

extension PostgresAuditTrail {
    public func verify(keys: [CheckpointVerifier]) async throws(StoreError) -> AuditVerification {
        try await storing {
            // One snapshot: entries that arrive meanwhile don't disturb the check.
            try await pool.withTransaction(isolation: .readOnlySnapshot) { connection in
                var checkpoints: [StoredCheckpoint] = []
                for row in try await connection.query("SELECT tree_size, root, frontier, note FROM audit_checkpoints ORDER BY tree_size") {
                    checkpoints.append(
                        StoredCheckpoint(
                            size: try Self.place(row, "tree_size"), note: try row.decode("note"),
                            root: MerkleHash(bytes: try row.decode("root")), frontier: try row.decode("frontier")))
                }
                var verifier = AuditVerifier(checkpoints: checkpoints, nodes: try await Self.nodes(connection), keys: keys)
                var goesOn = true
                try await connection.forEach(Self.everything) { row in
                    guard goesOn else { return }
                    goesOn = verifier.add(
                        StoredLeaf(
                            index: try row.decode("leaf_index"), id: try row.decode("id"), leafHash: try Self.hash(row.decode("leaf_hash")),
                            canonicalText: try row.decodeOptional("canonical"), columns: try Self.columns(row)))
                }
                return verifier.finish(unsequenced: try await unplaced(connection))
            }
        }
    }

    private static func nodes(_ connection: PostgresConnection) async throws -> [MerkleSubtree: MerkleHash] {
        var nodes: [MerkleSubtree: MerkleHash] = [:]
        for row in try await connection.query("SELECT level::int8 AS level, node_index, hash FROM audit_nodes") {
            let subtree = MerkleSubtree(level: try row.decode("level"), index: try place(row, "node_index"))
            nodes[subtree] = try hash(row.decode("hash"))
        }
        return nodes
    }

    private static let queryColumns = ["action", "actor", "outcome", "image", "digest", "environment", "promotion_id", "occurred_at"]

    private static let everything: SQL = """
        SELECT l.leaf_index, l.id, l.leaf_hash, e.canonical, e.action, e.actor, e.outcome, e.image, e.digest, e.environment, e.promotion_id,
               e.leaf_hash AS entry_hash, (extract(epoch FROM e.occurred_at) * 1000000)::bigint::text AS occurred_at
          FROM audit_leaves l LEFT JOIN audit_entries e ON e.occurred_at = l.occurred_at AND e.id = l.id ORDER BY l.leaf_index
        """

    private static func columns(_ row: PostgresRow) throws(PostgresError) -> [String: String?] {
        guard let hash = try row.decodeOptional("entry_hash", as: [UInt8].self) else { return [:] }
        var columns: [String: String?] = ["leaf_hash": MerkleHash(bytes: hash)?.description]
        for name in queryColumns { columns[name] = .some(try row.decodeOptional(name, as: String.self)) }
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

    /// Writes the log in the form that `AuditExportVerifier` and the verifier in Python check: at most 10,000 checkpoints, the newest.
    public func export(to line: @concurrent (String) async throws -> Void) async throws {
        try await pool.withSnapshot { connection in
            try await line(try AuditExportLine.header.text())
            for row in try await connection.query(
                "SELECT note FROM (SELECT tree_size, note FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 10000) n ORDER BY tree_size")
            {
                try await line(try AuditExportLine.checkpoint(note: try row.decode("note")).text())
            }
            var frontier = MerkleFrontier()
            try await connection.forEach(Self.everything) { row in
                let id = try row.decode("id", as: UUID.self)
                guard let text = try row.decodeOptional("canonical", as: String.self) else {
                    throw StoreError.corrupt("audit entry \(id) is gone: run 'shiplift audit verify'")
                }
                let hash = try Self.hash(row.decode("leaf_hash"))
                frontier.append(hash)
                try await line(
                    try AuditExportLine.leaf(index: try row.decode("leaf_index"), id: id, leafHash: hash, canonicalText: text).text())
            }
            try await line(try AuditExportLine.end(size: frontier.size, root: frontier.root).text())
        }
    }
}

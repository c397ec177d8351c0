public import AuditLog
import Foundation
import Postgres
public import PromotionCore

extension PostgresAuditTrail {
    public func proof(of entry: EntryReference) async throws(StoreError) -> AuditProof? {
        let place: SQL =
            switch entry {
            case .id(let id): "l.id = \(id)"
            case .index(let index): "l.leaf_index = \(index)"
            }
        let row = try await storing {
            try await pool.query(
                """
                SELECT l.leaf_index, e.canonical, c.note, c.tree_size, c.root
                  FROM audit_leaves l JOIN audit_entries e ON e.occurred_at = l.occurred_at AND e.id = l.id
                  LEFT JOIN (SELECT note, tree_size, root FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1) c ON c.tree_size > l.leaf_index
                 WHERE \(part: place)
                """
            ).first
        }
        guard let row else {
            guard case .id(let id) = entry else { return nil }
            return try await unplacedProof(id)
        }
        return try await storing {
            let index = try Self.place(row, "leaf_index")
            guard let note = try row.decodeOptional("note", as: String.self) else { throw Self.unsigned }
            let size = try Self.place(row, "tree_size")
            let proof = AuditProof(
                index: index, canonicalText: try row.decode("canonical"), path: try await path(MerkleProofPlan(inclusionOf: index, in: size)), note: note)
            guard
                InclusionProof(index: index, size: size, path: proof.path)
                    .proves(MerkleHash(leaf: proof.canonicalText.utf8), in: try Self.hash(row.decode("root")))
            else { throw StoreError.corrupt("entry \(index) of the audit log does not fit the signed checkpoint: run 'shiplift audit verify'") }
            return proof
        }
    }

    private static let unsigned = StoreError.notYet("the entry is under no signed checkpoint yet; one follows within seconds")

    /// What there is of an entry without a leaf: it waits for its place, or there is none.
    private func unplacedProof(_ id: UUID) async throws(StoreError) -> AuditProof? {
        let waits = try await storing { try await pool.query("SELECT 1 AS one FROM audit_unsequenced WHERE id = \(id)") }
        if !waits.isEmpty { throw Self.unsigned }
        return nil
    }

    public func consistency(from first: UInt64, to second: UInt64?) async throws(StoreError) -> AuditConsistency? {
        try await storing { try await growth(from: first, to: second) }
    }

    private func growth(from first: UInt64, to wanted: UInt64?) async throws -> AuditConsistency? {
        let newest = try await pool.query("SELECT tree_size FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1").first
        guard let newest else { return nil }
        let size = try Self.place(newest, "tree_size")
        let second = wanted ?? size
        guard second <= size, let plan = MerkleProofPlan(consistencyOf: first, with: second) else { return nil }
        let hashes = try await path(plan)
        let (firstRoot, secondRoot) = (try await root(first), try await root(second))
        let note = try await pool.query("SELECT note FROM audit_checkpoints WHERE tree_size = \(Int64(second))").first
        return AuditConsistency(
            proof: ConsistencyProof(first: first, second: second, path: hashes), firstRoot: firstRoot, secondRoot: secondRoot,
            note: try note?.decode("note", as: String.self))
    }

    /// A place or a size, which is never negative.
    static func place(_ row: PostgresRow, _ column: String) throws -> UInt64 {
        guard let place = UInt64(exactly: try row.decode(column, as: Int64.self)) else { throw StoreError.corrupt("a place in the audit log") }
        return place
    }

    /// The root over the first entries.
    func root(_ size: UInt64) async throws -> MerkleHash {
        guard size > 0 else { return .empty }
        return try await path(MerkleProofPlan(rootOf: size)).first ?? .empty
    }

    func path(_ plan: MerkleProofPlan?) async throws -> [MerkleHash] {
        guard let plan, let path = plan.path(fromKept: try await kept(plan.sources)) else {
            throw StoreError.notYet("the tree's inner nodes are still being written down; that takes some minutes for an old log")
        }
        return path
    }

    /// The kept hashes of the tree. What is once there never changes, so two statements see one tree.
    private func kept(_ sources: Set<MerkleSubtree>) async throws -> [MerkleSubtree: MerkleHash] {
        var kept: [MerkleSubtree: MerkleHash] = [:]
        let leaves = sources.filter { $0.level == 0 }.map { Int64($0.index) }
        let nodes = sources.filter { $0.level > 0 }
        if !leaves.isEmpty {
            for row in try await pool.query("SELECT leaf_index, leaf_hash FROM audit_leaves WHERE leaf_index = ANY(\(leaves))") {
                kept[MerkleSubtree(level: 0, index: try Self.place(row, "leaf_index"))] = try Self.hash(row.decode("leaf_hash"))
            }
        }
        for (level, group) in Dictionary(grouping: nodes, by: \.level) {
            let rows = try await pool.query(
                "SELECT node_index, hash FROM audit_nodes WHERE level = \(level)::int AND node_index = ANY(\(group.map { Int64($0.index) }))")
            for row in rows {
                kept[MerkleSubtree(level: level, index: try Self.place(row, "node_index"))] = try Self.hash(row.decode("hash"))
            }
        }
        return kept
    }
}

extension PostgresAuditTrail {
    /// Most nodes of one level that one pass writes: a log that has none yet gets them step by step.
    private static let nodesInPass: Int64 = 400

    /// Writes down the inner nodes that the leaves have completed.
    static func keepNodes(_ connection: PostgresConnection) async throws {
        var below = try await count("SELECT coalesce(max(leaf_index) + 1, 0) AS count FROM audit_leaves", connection)
        let width = Int64(StoredTree.width)
        for level in StoredTree.levels {
            let there = try await count("SELECT coalesce(max(node_index) + 1, 0) AS count FROM audit_nodes WHERE level = \(level)::int", connection)
            let end = min(below / width, there + nodesInPass)
            if end > there {
                let hashes = try await children(of: there..<end, level: level, connection)
                try await connection.execute(
                    """
                    INSERT INTO audit_nodes (level, node_index, hash)
                    SELECT \(level)::int, i, h FROM unnest(\(Array(there..<end)), \(hashes.map(\.bytes))) n (i, h) ORDER BY i
                    """)
            }
            below = max(there, end)
            if below < width { return }
        }
    }

    private static func count(_ sql: SQL, _ connection: PostgresConnection) async throws -> Int64 {
        try await connection.query(sql).first?.decode("count", as: Int64.self) ?? 0
    }

    /// The hashes of these nodes, from those one kept level below.
    private static func children(of nodes: Range<Int64>, level: Int, _ connection: PostgresConnection) async throws -> [MerkleHash] {
        let (first, last) = (nodes.lowerBound * Int64(StoredTree.width), nodes.upperBound * Int64(StoredTree.width))
        let rows =
            level == StoredTree.step
            ? try await connection.query("SELECT leaf_hash AS hash FROM audit_leaves WHERE leaf_index >= \(first) AND leaf_index < \(last) ORDER BY leaf_index")
            : try await connection.query(
                "SELECT hash FROM audit_nodes WHERE level = \(level - StoredTree.step)::int AND node_index >= \(first) AND node_index < \(last) ORDER BY node_index")
        guard rows.count == Int(last - first) else { throw StoreError.corrupt("the audit log's tree has a gap: run 'shiplift audit verify'") }
        var hashes: [MerkleHash] = []
        for start in stride(from: 0, to: rows.count, by: Int(StoredTree.width)) {
            var frontier = MerkleFrontier()
            for row in rows[start..<start + Int(StoredTree.width)] { frontier.append(try hash(row.decode("hash"))) }
            hashes.append(frontier.root)
        }
        return hashes
    }
}

/// Which inner nodes of the tree are kept, so that a proof reads a few hundred hashes however long the log is: the full subtrees of
/// 256, 256² … leaves. These are the hashes that C2SP tlog-tiles cuts a log into.
public enum StoredTree {
    /// Leaves below a node of the first kept level, and nodes of one kept level below one of the next.
    public static let width: UInt64 = 256
    /// Levels from one kept level to the next.
    public static let step = 8
    /// The kept levels; the leaves, level 0, are kept as such.
    public static let levels = Array(stride(from: step, through: 56, by: step))

    /// The kept hashes under a subtree, from the left: itself, where its level is a kept one.
    public static func sources(of subtree: MerkleSubtree) -> [MerkleSubtree] {
        let level = subtree.level / step * step
        let count = UInt64(1) << UInt64(subtree.level - level)
        return (0..<count).map { MerkleSubtree(level: level, index: subtree.index * count + $0) }
    }

    /// A subtree's hash from the kept hashes under it; `nil` where one is not there.
    public static func hash(of subtree: MerkleSubtree, from kept: [MerkleSubtree: MerkleHash]) -> MerkleHash? {
        var frontier = MerkleFrontier()
        for source in sources(of: subtree) {
            guard let hash = kept[source] else { return nil }
            frontier.append(hash)
        }
        return frontier.root
    }
}

extension MerkleProofPlan {
    /// The kept hashes to look up, each once.
    public var sources: Set<MerkleSubtree> { Set(subtrees.flatMap(StoredTree.sources)) }

    /// Puts the proof's path together from the kept hashes; `nil` where one is not there.
    public func path(fromKept kept: [MerkleSubtree: MerkleHash]) -> [MerkleHash]? {
        var hashes: [MerkleSubtree: MerkleHash] = [:]
        for subtree in subtrees {
            guard let hash = StoredTree.hash(of: subtree, from: kept) else { return nil }
            hashes[subtree] = hash
        }
        return path(hashes)
    }
}

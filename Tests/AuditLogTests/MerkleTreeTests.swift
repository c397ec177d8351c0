import Testing

@testable import AuditLog

/// RFC 9162 §2.1.1 word for word: slow and plainly right.
private func naiveRoot(_ leaves: ArraySlice<MerkleHash>) -> MerkleHash {
    guard let first = leaves.first else { return .empty }
    guard leaves.count > 1 else { return first }
    var split = 1
    while split * 2 < leaves.count { split *= 2 }
    return MerkleHash(naiveRoot(leaves.prefix(split)), naiveRoot(leaves.dropFirst(split)))
}

@Suite("Merkle tree (RFC 6962, RFC 9162)")
struct MerkleTreeTests {
    /// The eight leaves of Certificate Transparency's own test vectors, and the root after each.
    private let vectors: [(leaf: [UInt8], root: String)] = [
        ([], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ([0x00], "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ([0x10], "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ([0x20, 0x21], "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ([0x30, 0x31], "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ([0x40, 0x41, 0x42, 0x43], "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        (Array(0x50...0x57), "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (Array(0x60...0x6f), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ]

    private static let leaves = (0..<64).map { MerkleHash(leaf: [UInt8($0)]) }

    /// Every full subtree of the first 64 leaves.
    private static let subtrees: [MerkleSubtree: MerkleHash] = {
        var all: [MerkleSubtree: MerkleHash] = [:]
        for level in 0...6 {
            for index in 0..<(64 >> level) {
                all[MerkleSubtree(level: level, index: UInt64(index))] = naiveRoot(
                    leaves[index << level..<(index + 1) << level])
            }
        }
        return all
    }()

    @Test("the golden roots")
    func goldenRoots() {
        var frontier = MerkleFrontier()
        #expect(frontier.root.description == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for (leaf, root) in vectors {
            frontier.append(MerkleHash(leaf: leaf))
            #expect(frontier.root.description == root)
        }
    }

    @Test("golden inclusion proof of leaf 0 in 8, golden consistency proof 1 → 8")
    func goldenProofs() {
        let path = [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ].compactMap(MerkleHash.init(hex:))
        let root = MerkleHash(hex: vectors[7].root) ?? .empty
        #expect(InclusionProof(index: 0, size: 8, path: path).proves(MerkleHash(leaf: []), in: root))
        #expect(ConsistencyProof(first: 1, second: 8, path: path).proves(MerkleHash(leaf: []), in: root))
    }

    @Test("the frontier's root is the tree's at each size up to 200, and it survives storage")
    func frontierEqualsNaiveTree() {
        var frontier = MerkleFrontier()
        var leaves: [MerkleHash] = []
        for index in 0..<200 {
            let leaf = MerkleHash(leaf: "leaf \(index)".utf8)
            leaves.append(leaf)
            frontier.append(leaf)
            #expect(frontier.root == naiveRoot(leaves[...]))
            #expect(MerkleFrontier(stored: frontier.stored) == frontier)
        }
    }

    @Test("stored bytes that are no frontier are refused")
    func badFrontiers() {
        var frontier = MerkleFrontier()
        for index in 0..<5 { frontier.append(MerkleHash(leaf: [UInt8(index)])) }
        #expect(MerkleFrontier(stored: []) == nil)
        #expect(MerkleFrontier(stored: frontier.stored.dropLast()) == nil)
        #expect(MerkleFrontier(stored: frontier.stored + [0]) == nil)
        #expect(MerkleFrontier(stored: [UInt8](repeating: 0xFF, count: 40)) == nil)
        #expect(MerkleFrontier(stored: MerkleFrontier().stored)?.root == .empty)
    }

    @Test("hashes as bytes and digits")
    func hashForms() {
        let hash = MerkleHash(leaf: [1, 2, 3])
        #expect(MerkleHash(bytes: hash.bytes) == hash)
        #expect(MerkleHash(hex: hash.description) == hash)
        #expect(MerkleHash(bytes: Array(hash.bytes.dropLast())) == nil)
        #expect(MerkleHash(hex: hash.description.uppercased()) == nil)
        // A sequence without contiguous storage gives the same.
        #expect(MerkleHash(leaf: [3, 2, 1].reversed() as ReversedCollection<[UInt8]>) == hash)
        // Domain separation: a leaf that looks like a node is none.
        #expect(MerkleHash(leaf: hash.bytes + hash.bytes) != MerkleHash(hash, hash))
    }

    @Test("inclusion: every leaf in every tree up to 64, and no other leaf, place, root or path", arguments: 1...64)
    func inclusion(size: Int) throws {
        let root = naiveRoot(Self.leaves[..<size])
        for index in 0..<size {
            let path = try #require(MerkleProofPlan(inclusionOf: UInt64(index), in: UInt64(size))?.path(Self.subtrees))
            let proof = InclusionProof(index: UInt64(index), size: UInt64(size), path: path)
            #expect(proof.proves(Self.leaves[index], in: root))
            #expect(!proof.proves(Self.leaves[(index + 1) % 64], in: root))
            #expect(!proof.proves(Self.leaves[index], in: MerkleHash(root, root)))
            #expect(
                !InclusionProof(index: UInt64(index), size: UInt64(size), path: path + [root]).proves(
                    Self.leaves[index], in: root))
            for other in 0..<size where other != index {
                #expect(
                    !InclusionProof(index: UInt64(other), size: UInt64(size), path: path).proves(
                        Self.leaves[index], in: root))
            }
            for step in path.indices {
                var bent = path
                bent[step] = MerkleHash(path[step], path[step])
                #expect(
                    !InclusionProof(index: UInt64(index), size: UInt64(size), path: bent).proves(
                        Self.leaves[index], in: root))
                bent.remove(at: step)
                #expect(
                    !InclusionProof(index: UInt64(index), size: UInt64(size), path: bent).proves(
                        Self.leaves[index], in: root))
            }
        }
    }

    @Test("consistency: every pair up to 64, and no bent path or other root", arguments: 1...64)
    func consistency(second: Int) throws {
        let new = naiveRoot(Self.leaves[..<second])
        for first in 1...second {
            let old = naiveRoot(Self.leaves[..<first])
            let path = try #require(
                MerkleProofPlan(consistencyOf: UInt64(first), with: UInt64(second))?.path(Self.subtrees))
            let proof = ConsistencyProof(first: UInt64(first), second: UInt64(second), path: path)
            #expect(proof.proves(old, in: new))
            #expect(!proof.proves(MerkleHash(old, old), in: new))
            #expect(!proof.proves(old, in: MerkleHash(new, new)))
            #expect(
                !ConsistencyProof(first: UInt64(first), second: UInt64(second), path: path + [old]).proves(old, in: new)
            )
            for step in path.indices {
                var bent = path
                bent[step] = MerkleHash(path[step], path[step])
                #expect(
                    !ConsistencyProof(first: UInt64(first), second: UInt64(second), path: bent).proves(old, in: new))
                bent.remove(at: step)
                #expect(
                    !ConsistencyProof(first: UInt64(first), second: UInt64(second), path: bent).proves(old, in: new))
            }
        }
    }

    @Test("proofs that can't be are refused; a plan at the largest sizes is small and doesn't trap")
    func impossibleProofs() throws {
        #expect(MerkleProofPlan(inclusionOf: 0, in: 0) == nil)
        #expect(MerkleProofPlan(inclusionOf: 8, in: 8) == nil)
        #expect(MerkleProofPlan(consistencyOf: 0, with: 8) == nil)
        #expect(MerkleProofPlan(consistencyOf: 9, with: 8) == nil)
        #expect(MerkleProofPlan(inclusionOf: 3, in: 8)?.path([:]) == nil)
        #expect(!InclusionProof(index: 0, size: 0, path: []).proves(.empty, in: .empty))
        #expect(!ConsistencyProof(first: 0, second: 4, path: []).proves(.empty, in: .empty))
        #expect(!ConsistencyProof(first: 3, second: 4, path: []).proves(.empty, in: .empty))
        let sizes: [UInt64] = [.max, 1 << 63, (1 << 63) + 1]
        for size: UInt64 in sizes {
            for index: UInt64 in [0, size / 2, size - 1] {
                let plan = try #require(MerkleProofPlan(inclusionOf: index, in: size))
                #expect(plan.subtrees.count <= 64 * 64)
                _ = MerkleProofPlan(consistencyOf: index + 1, with: size)?.subtrees
            }
            #expect(!InclusionProof(index: size - 1, size: size, path: []).proves(.empty, in: .empty))
        }
    }
}

import Crypto
import Foundation

/// A node of the Merkle tree: SHA-256 with RFC 6962's domain separation.
public struct MerkleHash: Sendable, Hashable, CustomStringConvertible {
    public let bytes: [UInt8]

    /// `nil` where there are not 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// The hash of a leaf: SHA-256(0x00 ‖ data).
    public init(leaf data: some Sequence<UInt8>) {
        var hash = SHA256()
        hash.update(data: [0])
        hash.update(data: Array(data))
        bytes = Array(hash.finalize())
    }

    /// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
    public init(_ left: MerkleHash, _ right: MerkleHash) {
        var hash = SHA256()
        hash.update(data: [1])
        hash.update(data: left.bytes)
        hash.update(data: right.bytes)
        bytes = Array(hash.finalize())
    }

    private init(raw: [UInt8]) { bytes = raw }

    /// The root of a tree without leaves: SHA-256 of nothing.
    public static let empty = MerkleHash(raw: Array(SHA256.hash(data: [UInt8]())))

    public var description: String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

/// The right edge of a Merkle tree: enough to append leaves and know the root, in O(log n) space.
public struct MerkleFrontier: Sendable, Hashable {
    /// Number of leaves.
    public private(set) var size: UInt64
    /// Roots of the full subtrees, the largest first: one for each bit of `size` that is set.
    private var subtrees: [MerkleHash]

    public init() {
        size = 0
        subtrees = []
    }

    /// Reads the stored form: the size (8 bytes, big-endian), then the subtrees' hashes. `nil` where it is no frontier.
    public init?(stored: [UInt8]) {
        guard stored.count >= 8 else { return nil }
        let size = stored.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard stored.count == 8 + 32 * size.nonzeroBitCount else { return nil }
        self.size = size
        subtrees = stride(from: 8, to: stored.count, by: 32).compactMap { MerkleHash(bytes: Array(stored[$0..<$0 + 32])) }
    }

    public var stored: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * UInt64($0))) } + subtrees.flatMap(\.bytes)
    }

    public mutating func append(_ leaf: MerkleHash) {
        var node = leaf
        var carry = size
        while carry & 1 == 1, let left = subtrees.popLast() {
            node = MerkleHash(left, node)
            carry >>= 1
        }
        subtrees.append(node)
        size += 1
    }

    /// RFC 9162 §2.1.1: the tree's root.
    public var root: MerkleHash {
        guard var node = subtrees.last else { return .empty }
        for left in subtrees.dropLast().reversed() { node = MerkleHash(left, node) }
        return node
    }
}

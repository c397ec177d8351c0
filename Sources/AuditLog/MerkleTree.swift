import Crypto
import Foundation

/// A node of the Merkle tree: SHA-256 with RFC 6962's domain separation.
public struct MerkleHash: Sendable, Hashable, CustomStringConvertible {
    // Four words rather than an array: a verification makes millions of these.
    private let words: SIMD4<UInt64>

    /// `nil` where there are not 32 bytes.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        words = Self.words(bytes)
    }

    /// `nil` where there are not 64 hexadecimal digits, lower case.
    public init?(hex: String) {
        self.init(hex: Array(hex.utf8)[...])
    }

    init?(hex: ArraySlice<UInt8>) {
        guard hex.count == 64 else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        for at in stride(from: hex.startIndex, to: hex.endIndex, by: 2) {
            guard let high = CanonicalReader.digit(hex[at]), let low = CanonicalReader.digit(hex[at + 1]) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        words = Self.words(bytes)
    }

    /// The hash of a leaf: SHA-256(0x00 ‖ data).
    public init(leaf data: some Sequence<UInt8>) {
        var hash = SHA256()
        withUnsafeBytes(of: UInt8(0)) { hash.update(bufferPointer: $0) }
        let isDone: Void? = data.withContiguousStorageIfAvailable {
            hash.update(bufferPointer: UnsafeRawBufferPointer($0))
        }
        if isDone == nil { hash.update(data: Array(data)) }
        words = Self.words(hash.finalize())
    }

    /// The hash of an inner node: SHA-256(0x01 ‖ left ‖ right).
    public init(_ left: MerkleHash, _ right: MerkleHash) {
        var hash = SHA256()
        withUnsafeBytes(of: UInt8(1)) { hash.update(bufferPointer: $0) }
        withUnsafeBytes(of: (left.words, right.words)) { hash.update(bufferPointer: $0) }
        words = Self.words(hash.finalize())
    }

    private init(digest: SHA256Digest) { words = Self.words(digest) }

    /// The root of a tree without leaves: SHA-256 of nothing.
    public static let empty = MerkleHash(digest: SHA256.hash(data: [UInt8]()))

    public var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    public var description: String { Self.hex(bytes) }

    static func hex(_ bytes: some Collection<UInt8>) -> String {
        var digits: [UInt8] = []
        digits.reserveCapacity(2 * bytes.count)
        for byte in bytes {
            digits.append(digit(byte >> 4))
            digits.append(digit(byte & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }

    /// The words keep the bytes' order in memory.
    private static func words(_ bytes: some ContiguousBytes) -> SIMD4<UInt64> {
        bytes.withUnsafeBytes { $0.loadUnaligned(as: SIMD4<UInt64>.self) }
    }
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
        subtrees = stride(from: 8, to: stored.count, by: 32).compactMap {
            MerkleHash(bytes: Array(stored[$0..<$0 + 32]))
        }
    }

    public var stored: [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: size >> (56 - 8 * UInt64($0))) } + subtrees.flatMap(\.bytes)
    }

    public mutating func append(_ leaf: MerkleHash) {
        append(leaf) { _, _ in }
    }

    /// Appends a leaf and hands over each full subtree that it completes, the smallest first; the leaf itself is not one of them.
    public mutating func append(_ leaf: MerkleHash, completing: (MerkleSubtree, MerkleHash) -> Void) {
        var node = leaf
        var carry = size
        var level = 0
        while carry & 1 == 1, let left = subtrees.popLast() {
            node = MerkleHash(left, node)
            carry >>= 1
            level += 1
            completing(MerkleSubtree(level: level, index: carry), node)
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

/// A full subtree: the `2^level` leaves from `index · 2^level` on.
public struct MerkleSubtree: Sendable, Hashable {
    public let level: Int
    public let index: UInt64

    public init(level: Int, index: UInt64) {
        self.level = level
        self.index = index
    }
}

/// Which subtrees' hashes a proof needs: whoever holds the tree looks them up, then the proof is put together. No I/O here.
public struct MerkleProofPlan: Sendable, Hashable {
    /// The leaf ranges whose hashes are the proof's path, in its order.
    private let ranges: [Range<UInt64>]

    /// RFC 9162 §2.1.3.1: the plan of a proof that leaf `index` is in the tree of `size` leaves. `nil` where it can't be.
    public init?(inclusionOf index: UInt64, in size: UInt64) {
        guard index < size else { return nil }
        ranges = Self.path(to: index, in: 0..<size)
    }

    /// RFC 9162 §2.1.4.1: the plan of a proof that the tree of `first` leaves is the beginning of the tree of `second` leaves.
    public init?(consistencyOf first: UInt64, with second: UInt64) {
        guard first > 0, first <= second else { return nil }
        ranges = Self.subproof(first, in: 0..<second, isWhole: true)
    }

    /// RFC 9162 §2.1.1: the plan of the root over the first `size` leaves; its path is that root alone. `nil` where there are none.
    public init?(rootOf size: UInt64) {
        guard size > 0 else { return nil }
        ranges = [0..<size]
    }

    /// The subtrees to look up.
    public var subtrees: [MerkleSubtree] { ranges.flatMap(Self.fullSubtrees) }

    /// Puts the proof's path together; `nil` where a hash is not there.
    public func path(_ hashes: [MerkleSubtree: MerkleHash]) -> [MerkleHash]? {
        var path: [MerkleHash] = []
        for range in ranges {
            var node: MerkleHash?
            for subtree in Self.fullSubtrees(range).reversed() {
                guard let left = hashes[subtree] else { return nil }
                node = node.map { MerkleHash(left, $0) } ?? left
            }
            guard let node else { return nil }
            path.append(node)
        }
        return path
    }

    private static func path(to index: UInt64, in range: Range<UInt64>) -> [Range<UInt64>] {
        guard let (left, right) = halves(range) else { return [] }
        return left.contains(index) ? path(to: index, in: left) + [right] : path(to: index, in: right) + [left]
    }

    private static func subproof(_ end: UInt64, in range: Range<UInt64>, isWhole: Bool) -> [Range<UInt64>] {
        guard end < range.upperBound, let (left, right) = halves(range) else { return isWhole ? [] : [range] }
        return end <= left.upperBound
            ? subproof(end, in: left, isWhole: isWhole) + [right] : subproof(end, in: right, isWhole: false) + [left]
    }

    /// RFC 9162 §2.1.1: the left side is the largest power of two that is smaller than the whole.
    private static func halves(_ range: Range<UInt64>) -> (left: Range<UInt64>, right: Range<UInt64>)? {
        let count = range.upperBound - range.lowerBound
        guard count > 1 else { return nil }
        let split = range.lowerBound + 1 << UInt64(63 - (count - 1).leadingZeroBitCount)
        return (range.lowerBound..<split, split..<range.upperBound)
    }

    /// The full subtrees that make up a range, from the left; a proof's ranges begin at a multiple of their own size.
    private static func fullSubtrees(_ range: Range<UInt64>) -> [MerkleSubtree] {
        var subtrees: [MerkleSubtree] = []
        var start = range.lowerBound
        while start < range.upperBound {
            let level = 63 - (range.upperBound - start).leadingZeroBitCount
            subtrees.append(MerkleSubtree(level: level, index: start >> UInt64(level)))
            start += 1 << UInt64(level)
        }
        return subtrees
    }
}

/// That a leaf is in a tree.
public struct InclusionProof: Sendable, Hashable {
    public let index: UInt64
    public let size: UInt64
    public let path: [MerkleHash]

    public init(index: UInt64, size: UInt64, path: [MerkleHash]) {
        self.index = index
        self.size = size
        self.path = path
    }

    /// RFC 9162 §2.1.3.2.
    public func proves(_ leaf: MerkleHash, in root: MerkleHash) -> Bool {
        guard index < size else { return false }
        var (place, last, node) = (index, size - 1, leaf)
        for step in path {
            guard last > 0 else { return false }
            if place & 1 == 1 || place == last {
                node = MerkleHash(step, node)
                while place & 1 == 0, place > 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                node = MerkleHash(node, step)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && node == root
    }
}

/// That a tree is the beginning of a larger one: nothing in it was changed since.
public struct ConsistencyProof: Sendable, Hashable {
    public let first: UInt64
    public let second: UInt64
    public let path: [MerkleHash]

    public init(first: UInt64, second: UInt64, path: [MerkleHash]) {
        self.first = first
        self.second = second
        self.path = path
    }

    /// RFC 9162 §2.1.4.2.
    public func proves(_ firstRoot: MerkleHash, in secondRoot: MerkleHash) -> Bool {
        guard first > 0, first <= second else { return false }
        if first == second { return path.isEmpty && firstRoot == secondRoot }
        var steps = path[...]
        // A first tree that is full is itself the first step.
        guard let start = first.nonzeroBitCount == 1 ? firstRoot : steps.popFirst() else { return false }
        var (place, last) = (first - 1, second - 1)
        while place & 1 == 1 { (place, last) = (place >> 1, last >> 1) }
        var (old, new) = (start, start)
        for step in steps {
            guard last > 0 else { return false }
            if place & 1 == 1 || place == last {
                (old, new) = (MerkleHash(step, old), MerkleHash(step, new))
                while place & 1 == 0, place > 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                new = MerkleHash(new, step)
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 && old == firstRoot && new == secondRoot
    }
}

public import Foundation

/// A log entry as it is stored, with its place.
public struct StoredLeaf: Sendable {
    public let index: Int64
    public let id: UUID
    /// The hash in the tree.
    public let leafHash: MerkleHash
    /// The entry's text; `nil` where the entry is gone.
    public let canonicalText: String?
    /// The columns that queries use, as they are stored: any of those in `AuditEntry.columns`.
    public let columns: [String: String?]

    public init(index: Int64, id: UUID, leafHash: MerkleHash, canonicalText: String?, columns: [String: String?]) {
        self.index = index
        self.id = id
        self.leafHash = leafHash
        self.canonicalText = canonicalText
        self.columns = columns
    }
}

/// A checkpoint as it is stored: the note is what counts, the columns beside it must say the same.
public struct StoredCheckpoint: Sendable {
    public let size: UInt64
    public let note: String
    /// The root beside the note, where there is one.
    public let root: MerkleHash?
    /// `MerkleFrontier.stored` at that size, where there is one.
    public let frontier: [UInt8]?

    public init(size: UInt64, note: String, root: MerkleHash? = nil, frontier: [UInt8]? = nil) {
        self.size = size
        self.note = note
        self.root = root
        self.frontier = frontier
    }
}

/// Checks a log from its first entry on, in O(log n) memory and the checkpoints, and stops at the first finding.
public struct AuditVerifier: Sendable {
    private var frontier = MerkleFrontier()
    /// The checkpoints not yet reached, the smallest last.
    private var checkpoints: [(checkpoint: Checkpoint, frontier: [UInt8]?)]
    private let checkpointCount: Int
    /// Up to here, a checkpoint fits.
    private var proven: UInt64 = 0
    private var finding: AuditFinding?
    /// The inner nodes that are kept beside the log and not yet compared.
    private var nodes: [MerkleSubtree: MerkleHash] = [:]

    /// - Parameters:
    ///   - nodes: the tree's inner nodes as they are kept for proofs: each must be what the entries give.
    ///   - checkpoints: the signed checkpoints to check against, in any order.
    public init(checkpoints: [StoredCheckpoint], nodes: [MerkleSubtree: MerkleHash], keys: [CheckpointVerifier]) {
        self.init(checkpoints: checkpoints, keys: keys)
        self.nodes = nodes
    }

    /// - Parameter checkpoints: the signed checkpoints to check against, in any order.
    public init(checkpoints stored: [StoredCheckpoint], keys: [CheckpointVerifier]) {
        var opened: [(checkpoint: Checkpoint, frontier: [UInt8]?)] = []
        for stored in stored.sorted(by: { $0.size < $1.size }) {
            do throws(CheckpointError) {
                let checkpoint = try CheckpointVerifier.open(stored.note, with: keys)
                guard checkpoint.size == stored.size else { throw .malformed("it is about \(checkpoint.size) entries") }
                guard stored.root == nil || stored.root == checkpoint.root else {
                    throw .malformed("another root stands beside it")
                }
                opened.append((checkpoint, stored.frontier))
            } catch {
                finding = finding ?? .badCheckpoint(size: stored.size, reason: error.description)
            }
        }
        checkpoints = opened.reversed()
        checkpointCount = opened.count
        if finding == nil { checkRoot() }
    }

    /// - Parameter notes: the signed checkpoints to check against, in any order.
    public init(notes: [(size: UInt64, note: String)], keys: [CheckpointVerifier]) {
        self.init(checkpoints: notes.map { StoredCheckpoint(size: $0.size, note: $0.note) }, keys: keys)
    }

    /// Checks the next entry. Answers whether there is any sense in going on.
    public mutating func add(_ leaf: StoredLeaf) -> Bool {
        guard finding == nil else { return false }
        finding = Self.check(leaf, expecting: Int64(frontier.size))
        guard finding == nil else { return false }
        if nodes.isEmpty {
            frontier.append(leaf.leafHash)
        } else {
            appendComparing(leaf.leafHash)
        }
        if finding == nil { checkRoot() }
        return finding == nil
    }

    /// The entry that is missing, where that is the finding.
    var missing: Int64? {
        guard case .missing(let index) = finding else { return nil }
        return index
    }

    /// The missing entry stands in another place.
    mutating func turnedUp() { finding = missing.map { .moved(index: $0) } ?? finding }

    /// Ends the check.
    ///
    /// - Parameter unsequenced: an entry without a place that is older than the sequencer's promise.
    public func finish(unsequenced: UUID? = nil) -> AuditVerification {
        if let finding { return .broken(finding) }
        if let beyond = checkpoints.first?.checkpoint {
            return .broken(.truncated(size: frontier.size, checkpoint: beyond.size))
        }
        if let stray = nodes.keys.min(by: { ($0.level, $0.index) < ($1.level, $1.index) }) {
            return .broken(.nodeDiffers(level: stray.level, index: stray.index))
        }
        if let unsequenced { return .broken(.neverSequenced(id: unsequenced)) }
        return .intact(size: frontier.size, root: frontier.root, checkpoints: checkpointCount)
    }

    private mutating func appendComparing(_ leaf: MerkleHash) {
        var wrong: MerkleSubtree?
        var nodes = nodes
        self.nodes = [:]
        frontier.append(leaf) { subtree, hash in
            guard subtree.level % StoredTree.step == 0, let kept = nodes.removeValue(forKey: subtree), kept != hash else { return }
            wrong = wrong ?? subtree
        }
        self.nodes = nodes
        finding = wrong.map { .nodeDiffers(level: $0.level, index: $0.index) }
    }

    private mutating func checkRoot() {
        while let next = checkpoints.last, next.checkpoint.size == frontier.size {
            checkpoints.removeLast()
            guard next.checkpoint.root == frontier.root else {
                finding = .rootDiffers(after: proven, size: frontier.size)
                return
            }
            guard next.frontier == nil || next.frontier == frontier.stored else {
                finding = .badCheckpoint(size: frontier.size, reason: "the frontier beside it is not the tree's")
                return
            }
            proven = frontier.size
        }
    }

    private static func check(_ leaf: StoredLeaf, expecting index: Int64) -> AuditFinding? {
        guard leaf.index == index else {
            return leaf.index < index ? .duplicate(index: leaf.index) : .missing(index: index)
        }
        guard let text = leaf.canonicalText else { return .removed(index: index, id: leaf.id) }
        let bytes = Array(text.utf8)
        guard MerkleHash(leaf: bytes) == leaf.leafHash else { return .changed(index: index, id: leaf.id) }
        let fields: EntryFields
        do throws(AuditEntryError) { fields = try EntryFields(bytes) } catch {
            return .malformed(index: index, id: leaf.id, reason: error.description)
        }
        guard fields.id == leaf.id else { return .columnDiffers(index: index, id: leaf.id, column: "id") }
        let wrong = leaf.columns.filter { column, stored in
            column == "leaf_hash"
                ? stored.flatMap(MerkleHash.init(hex:)) != leaf.leafHash : fields.agrees(column: column, with: stored) != true
        }
        return wrong.keys.min().map { .columnDiffers(index: index, id: leaf.id, column: $0) }
    }
}

extension AuditEntry {
    /// The columns as they follow from the text; `occurred_at` in microseconds since 1970, `leaf_hash` in lower-case hexadecimal.
    public var columns: [String: String?] {
        [
            "action": action, "actor": actor.id, "outcome": outcome.rawValue, "image": subject.image,
            "digest": subject.digest,
            "environment": subject.environment, "promotion_id": subject.promotionID, "occurred_at": String(timeMicros),
            "leaf_hash": leafHash.description,
        ]
    }
}

public import Foundation

/// A log entry as it is stored, with its place.
public struct StoredLeaf: Sendable {
    public let index: Int64
    public let id: UUID
    /// The hash in the tree.
    public let leafHash: MerkleHash
    /// The entry's text; `nil` where the entry is gone.
    public let canonicalText: String?
    /// The columns that queries use, as they are stored.
    public let columns: [String: String?]

    public init(index: Int64, id: UUID, leafHash: MerkleHash, canonicalText: String?, columns: [String: String?]) {
        self.index = index
        self.id = id
        self.leafHash = leafHash
        self.canonicalText = canonicalText
        self.columns = columns
    }
}

/// What is wrong with a log, and where it begins.
public enum AuditFinding: Sendable, Hashable, CustomStringConvertible {
    case missing(index: Int64)
    case removed(index: Int64, id: UUID)
    case changed(index: Int64, id: UUID)
    case malformed(index: Int64, id: UUID, reason: String)
    case columnDiffers(index: Int64, id: UUID, column: String)
    case rootDiffers(size: UInt64)
    case truncated(size: UInt64, checkpoint: UInt64)
    case badCheckpoint(size: UInt64, reason: String)
    case neverSequenced(id: UUID)

    public var description: String {
        switch self {
        case .missing(let index): "entry \(index) is missing from the tree"
        case .removed(let index, let id): "entry \(index) (\(id)) was removed"
        case .changed(let index, let id): "entry \(index) (\(id)) was changed: its text no longer has the hash in the tree"
        case .malformed(let index, let id, let reason): "entry \(index) (\(id)) is malformed: \(reason)"
        case .columnDiffers(let index, let id, let column): "entry \(index) (\(id)): column \(column) differs from the entry's text"
        case .rootDiffers(let size): "the first \(size) entries do not give the root of the checkpoint signed at that size: one of them was rewritten, reordered or inserted"
        case .truncated(let size, let checkpoint): "the log has \(size) entries, but a checkpoint was signed over \(checkpoint): its end was cut off"
        case .badCheckpoint(let size, let reason): "the checkpoint over \(size) entries is not genuine: \(reason)"
        case .neverSequenced(let id): "entry \(id) never got its place in the log"
        }
    }
}

/// The result of a verification.
public enum AuditVerification: Sendable, Hashable {
    case intact(size: UInt64, root: MerkleHash, checkpoints: Int)
    case broken(AuditFinding)
}

/// Checks a log from its first entry on, in O(log n) memory, and stops at the first finding.
public struct AuditVerifier: Sendable {
    private var frontier = MerkleFrontier()
    private var checkpoints: [Checkpoint]
    private let checkpointCount: Int
    private var finding: AuditFinding?

    /// - Parameter notes: the signed checkpoints to check against, in any order.
    public init(notes: [(size: UInt64, note: String)], keys: [CheckpointVerifier]) {
        var opened: [Checkpoint] = []
        for (size, note) in notes.sorted(by: { $0.size < $1.size }) {
            do throws(CheckpointError) {
                let checkpoint = try CheckpointVerifier.open(note, with: keys)
                guard checkpoint.size == size else { throw .malformed("it is about \(checkpoint.size) entries") }
                opened.append(checkpoint)
            } catch {
                finding = finding ?? .badCheckpoint(size: size, reason: error.description)
            }
        }
        checkpoints = opened.reversed()
        checkpointCount = opened.count
    }

    /// Checks the next entry. Answers whether there is any sense in going on.
    public mutating func add(_ leaf: StoredLeaf) -> Bool {
        guard finding == nil else { return false }
        if let found = Self.check(leaf, expecting: Int64(frontier.size)) {
            finding = found
            return false
        }
        frontier.append(leaf.leafHash)
        while let next = checkpoints.last, next.size <= frontier.size {
            checkpoints.removeLast()
            if next.size == frontier.size, next.root != frontier.root {
                finding = .rootDiffers(size: next.size)
                return false
            }
        }
        return true
    }

    /// Ends the check.
    ///
    /// - Parameter unsequenced: an entry without a place that is older than the sequencer's promise.
    public func finish(unsequenced: UUID? = nil) -> AuditVerification {
        if let finding { return .broken(finding) }
        if let beyond = checkpoints.first(where: { $0.size > frontier.size }) {
            return .broken(.truncated(size: frontier.size, checkpoint: beyond.size))
        }
        if let unsequenced { return .broken(.neverSequenced(id: unsequenced)) }
        return .intact(size: frontier.size, root: frontier.root, checkpoints: checkpointCount)
    }

    private static func check(_ leaf: StoredLeaf, expecting index: Int64) -> AuditFinding? {
        guard leaf.index == index else { return .missing(index: index) }
        guard let text = leaf.canonicalText else { return .removed(index: index, id: leaf.id) }
        guard MerkleHash(leaf: text.utf8) == leaf.leafHash else { return .changed(index: index, id: leaf.id) }
        let entry: AuditEntry
        do throws(AuditEntryError) { entry = try AuditEntry(canonical: text) } catch {
            return .malformed(index: index, id: leaf.id, reason: error.description)
        }
        guard entry.id == leaf.id else { return .columnDiffers(index: index, id: leaf.id, column: "id") }
        let expected = entry.columns
        for (column, value) in leaf.columns.sorted(by: { $0.key < $1.key }) where expected[column] != .some(value) {
            return .columnDiffers(index: index, id: leaf.id, column: column)
        }
        return nil
    }
}

extension AuditEntry {
    /// The query columns as they follow from the text.
    public var columns: [String: String?] {
        [
            "action": action, "actor": actor.id, "outcome": outcome.rawValue, "image": subject.image, "digest": subject.digest,
            "environment": subject.environment, "promotion_id": subject.promotionID,
        ]
    }
}

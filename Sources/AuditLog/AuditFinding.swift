public import Foundation

/// What is wrong with a log, and where it begins.
public enum AuditFinding: Sendable, Hashable, CustomStringConvertible {
    case missing(index: Int64)
    /// A leaf has a place that an earlier one has already.
    case duplicate(index: Int64)
    /// It stands behind later ones.
    case moved(index: Int64)
    case removed(index: Int64, id: UUID)
    case changed(index: Int64, id: UUID)
    case malformed(index: Int64, id: UUID, reason: String)
    case columnDiffers(index: Int64, id: UUID, column: String)
    /// The first bad entry is one of `after..<size`: up to `after`, a checkpoint still fits.
    case rootDiffers(after: UInt64, size: UInt64)
    case truncated(size: UInt64, checkpoint: UInt64)
    case badCheckpoint(size: UInt64, reason: String)
    case neverSequenced(id: UUID)
    /// An inner node that is kept for proofs is not what the entries under it give, or there are none.
    case nodeDiffers(level: Int, index: UInt64)

    public var description: String {
        switch self {
        case .missing(let index): "entry \(index) is missing from the tree"
        case .moved(let index): "entry \(index) stands in another place: entries were reordered"
        case .duplicate(let index): "there is more than one entry \(index)"
        case .removed(let index, let id): "entry \(index) (\(Self.text(id))) was removed"
        case .changed(let index, let id):
            "entry \(index) (\(Self.text(id))) was changed: its text no longer has the hash in the tree"
        case .malformed(let index, let id, let reason): "entry \(index) (\(Self.text(id))) is malformed: \(reason)"
        case .columnDiffers(let index, let id, let column):
            "entry \(index) (\(Self.text(id))): column \(column) differs from the entry's text"
        case .rootDiffers(let after, let size):
            "the first \(size) entries do not give the root of the checkpoint signed at that size: "
                + "one of the entries \(after) to \(size - min(size, 1)) was rewritten, reordered or inserted"
        case .truncated(let size, let checkpoint):
            "the log has \(size) entries, but a checkpoint was signed over \(checkpoint): its end was cut off"
        case .badCheckpoint(let size, let reason): "the checkpoint over \(size) entries is not genuine: \(reason)"
        case .nodeDiffers(let level, let index):
            "the node over the entries \(index << UInt64(level)) to \((index + 1) << UInt64(level) - 1) is not what they give: "
                + "the node, or one of these entries together with its place, was changed"
        case .neverSequenced(let id): "entry \(Self.text(id)) never got its place in the log"
        }
    }

    private static func text(_ id: UUID) -> String { id.uuidString.lowercased() }
}

/// The result of a verification.
public enum AuditVerification: Sendable, Hashable {
    case intact(size: UInt64, root: MerkleHash, checkpoints: Int)
    case broken(AuditFinding)
}

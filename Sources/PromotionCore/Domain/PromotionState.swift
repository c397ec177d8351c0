/// Where a promotion is in its life.
///
/// ```mermaid
/// stateDiagram-v2
///     [*] --> requested
///     requested --> evaluating
///     requested --> cancelled
///     evaluating --> denied
///     evaluating --> waiting
///     evaluating --> queued
///     evaluating --> failed
///     evaluating --> cancelled
///     waiting --> evaluating
///     waiting --> cancelled
///     queued --> copying
///     queued --> failed
///     queued --> cancelled
///     copying --> committing
///     copying --> queued
///     copying --> failed
///     copying --> cancelled
///     committing --> succeeded
///     committing --> queued
///     committing --> failed
///     failed --> requested
///     denied --> requested
///     cancelled --> requested
/// ```
///
/// The database holds the same edges and refuses any other move; a test compares the three.
public enum PromotionState: String, Sendable, Hashable, Codable, CaseIterable {
    case requested, evaluating, waiting, denied, queued, copying, committing, succeeded, failed, cancelled

    /// The states that may come next.
    public var successors: Set<PromotionState> {
        switch self {
        case .requested: [.evaluating, .cancelled]
        case .evaluating: [.denied, .waiting, .queued, .failed, .cancelled]
        case .waiting: [.evaluating, .cancelled]
        // A transient failure puts the work back: copying and committing go to queued and are tried again.
        case .queued: [.copying, .failed, .cancelled]
        case .copying: [.committing, .queued, .failed, .cancelled]
        case .committing: [.succeeded, .queued, .failed]
        // `retry` asks again: the policy is evaluated anew.
        case .failed, .denied, .cancelled: [.requested]
        case .succeeded: []
        }
    }

    /// Whether nothing more happens unless somebody asks.
    public var isFinal: Bool {
        switch self {
        case .denied, .succeeded, .failed, .cancelled: true
        case .requested, .evaluating, .waiting, .queued, .copying, .committing: false
        }
    }

    /// Whether `cancel` is still possible. From `committing` on a tag may already have moved.
    public var isCancellable: Bool { successors.contains(.cancelled) }

    /// Whether `retry` is possible.
    public var isRetryable: Bool { successors.contains(.requested) }

    public func canMove(to next: PromotionState) -> Bool { successors.contains(next) }
}

import PolicyEngine
public import Foundation

/// A change of state as it was written down.
public struct RecordedMove: Sendable, Hashable {
    /// The promotion's version from then on.
    public let version: Int
    public let at: Date

    public init(version: Int, at: Date) {
        self.version = version
        self.at = at
    }
}

extension Promotion {
    /// The promotion as it stands after a change that was written down: what reading it again would answer.
    public func after(_ change: StateChange, _ move: RecordedMove) -> Promotion {
        var next = self
        next.state = change.to
        next.version = move.version
        next.updatedAt = move.at
        next.finishedAt = change.to.isFinal ? move.at : nil
        next.policyVersion = change.decision?.policyVersion.description ?? policyVersion
        next.decision = change.decision ?? decision
        next.report = change.report ?? report
        next.tagMoves = change.tagMoves.isEmpty ? tagMoves : change.tagMoves
        next.failure = change.to == .succeeded ? nil : change.failure ?? failure
        if change.to.isFinal {
            // The work item ends with the promotion.
            next.attempts = 0
            next.progress = nil
            next.cancelRequested = false
        }
        return next
    }
}

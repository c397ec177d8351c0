public import Foundation

/// A decision of the past, with the facts and the time that it was made on.
public struct RecordedDecision: Sendable {
    /// The promotion that it was about.
    public let id: String
    public let facts: PromotionFacts
    public let at: Date
    public let decision: Decision

    public init(id: String, facts: PromotionFacts, at: Date, decision: Decision) {
        self.id = id
        self.facts = facts
        self.at = at
        self.decision = decision
    }
}

/// A decision that other policies would have made otherwise.
public struct ReplayDifference: Sendable {
    public let recorded: RecordedDecision
    public let replayed: Decision
    /// The gates that now say something else than before, or were not asked before.
    public let gates: [GateResult]
}

extension PolicySet {
    /// Decides again what was decided before, on the same facts at the same time, and returns what comes out otherwise: another outcome, or
    /// other tags.
    ///
    /// Approvals were given under the policies of their time. Here they count as if they had been given under these.
    public func replay(_ recorded: some Sequence<RecordedDecision>) -> [ReplayDifference] {
        recorded.compactMap { record in
            var facts = record.facts
            let former = record.decision.policyVersion.description
            facts.approvals = facts.approvals?.map { $0.policyVersion == former ? $0.under(version.description) : $0 }
            let replayed = evaluate(facts, at: record.at)
            guard replayed.outcome != record.decision.outcome || replayed.targetTags != record.decision.targetTags else { return nil }
            let before = Set(record.decision.gates.map { "\($0.policy)\u{0}\($0.gate)\u{0}\($0.outcome.rawValue)" })
            let changed = replayed.gates.filter { !before.contains("\($0.policy)\u{0}\($0.gate)\u{0}\($0.outcome.rawValue)") }
            return ReplayDifference(recorded: record, replayed: replayed, gates: changed)
        }
    }
}

extension ApprovalFact {
    /// The same approval as if it had been given under another version of the policies.
    func under(_ version: String) -> ApprovalFact {
        ApprovalFact(by: by, verdict: verdict, at: at, digest: digest, policyVersion: version, comment: comment)
    }
}

public import Foundation
public import OCI

/// What a gate, or all of them together, say.
public enum GateOutcome: String, Sendable, Hashable, Codable {
    case allow, deny, wait
}

/// One gate's answer: what was seen, and what would satisfy it.
public struct GateResult: Sendable, Hashable, Codable {
    public let gate: String
    public let policy: String
    public let outcome: GateOutcome
    public let reason: String
    /// `file:line` of the rule.
    public let source: String
    /// Whether the policy only warns: the outcome is recorded and does not count.
    public let isWarning: Bool
    /// The earliest time at which a wait can end, where it is known.
    public let retryAt: Date?
    /// The manifests of signatures, scans and other evidence that it looked at.
    public let evidence: [Digest]
    /// Whether it is open only because somebody ordered it.
    public let isOverridden: Bool

    public init(
        gate: String, policy: String, outcome: GateOutcome, reason: String, source: String, isWarning: Bool = false, retryAt: Date? = nil,
        evidence: [Digest] = [], isOverridden: Bool = false
    ) {
        self.gate = gate
        self.policy = policy
        self.outcome = outcome
        self.reason = reason
        self.source = source
        self.isWarning = isWarning
        self.retryAt = retryAt
        self.evidence = evidence
        self.isOverridden = isOverridden
    }

    /// Decisions that were stored before gates had evidence and overrides are read as having none.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        gate = try container.decode(String.self, forKey: .gate)
        policy = try container.decode(String.self, forKey: .policy)
        outcome = try container.decode(GateOutcome.self, forKey: .outcome)
        reason = try container.decode(String.self, forKey: .reason)
        source = try container.decode(String.self, forKey: .source)
        isWarning = try container.decode(Bool.self, forKey: .isWarning)
        retryAt = try container.decodeIfPresent(Date.self, forKey: .retryAt)
        evidence = try container.decodeIfPresent([Digest].self, forKey: .evidence) ?? []
        isOverridden = try container.decodeIfPresent(Bool.self, forKey: .isOverridden) ?? false
    }
}

/// What policy says about a promotion, with the reason of every gate.
public struct Decision: Sendable, Hashable, Codable {
    public let outcome: GateOutcome
    /// All gates, not only the first that says no.
    public let gates: [GateResult]
    /// The tags that will be written at the target.
    public let targetTags: [Tag]
    public let policyVersion: PolicyVersion

    public init(outcome: GateOutcome, gates: [GateResult], targetTags: [Tag], policyVersion: PolicyVersion) {
        self.outcome = outcome
        self.gates = gates
        self.targetTags = targetTags
        self.policyVersion = policyVersion
    }

    /// The earliest time at which all waits can have ended.
    public var retryAt: Date? { gates.filter { $0.outcome == .wait && !$0.isWarning }.compactMap(\.retryAt).max() }

    /// One sentence: why it was denied or waits, or that every gate is open, and what a policy that only warns would have said.
    public var summary: String {
        let counting = gates.filter { !$0.isWarning }
        let warnings = gates.filter { $0.isWarning && $0.outcome != .allow }
        let decisive = outcome == .allow ? ["all \(counting.count) gates are open"] : counting.filter { $0.outcome == outcome }.map(\.sentence)
        let orders = gates.filter(\.isOverridden)
        return (decisive + orders.map(\.sentence) + warnings.map { "warning: \($0.sentence)" }).joined(separator: "; ")
    }
}

extension GateResult {
    fileprivate var sentence: String { "\(gate): \(reason)" }
}

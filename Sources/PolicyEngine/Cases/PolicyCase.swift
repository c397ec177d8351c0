public import Foundation
import OCI

/// A test of the policies: facts, and the decision that they must get.
public struct PolicyCase: Sendable {
    /// Stands in an approval for the version of the policies that are tested, which a file can't know.
    static let currentVersion = "current"

    public let name: String
    public let source: SourceLocation
    public let facts: PromotionFacts
    /// The time of the decision.
    public let at: Date
    let expectation: CaseExpectation
}

/// What a decision must be.
struct CaseExpectation: Sendable {
    var outcome: GateOutcome
    /// The gate that must have that outcome, and what it must say somewhere in its reason.
    var gate: String?
    var reason: TextPattern?
    /// What further gates must say.
    var gates: [(name: String, outcome: GateOutcome)] = []
    var targetTags: [Tag]?
    var retryAt: Date?
}

/// How a case went.
public struct CaseResult: Sendable {
    public let test: PolicyCase
    public let decision: Decision
    /// What is not as expected; empty where the case passes.
    public let failures: [String]

    public var hasPassed: Bool { failures.isEmpty }
}

extension PolicySet {
    /// Decides all cases and compares.
    public func runCases() -> [CaseResult] { cases.map(run) }

    private func run(_ test: PolicyCase) -> CaseResult {
        var facts = test.facts
        facts.approvals = facts.approvals?.map { $0.policyVersion == PolicyCase.currentVersion ? $0.under(version.description) : $0 }
        let decision = evaluate(facts, at: test.at)
        return CaseResult(test: test, decision: decision, failures: test.expectation.failures(decision))
    }

    /// Rules that no case has seen closed: nobody would notice if they were gone.
    public func rulesWithoutCases(_ results: [CaseResult]) -> [(policy: String, gate: String, source: SourceLocation)] {
        let closed = Set(
            results.flatMap { $0.decision.gates.filter { $0.outcome != .allow || $0.isOverridden } }.map {
                "\($0.policy)\u{0}\($0.gate)\u{0}\($0.source)"
            })
        return policies.flatMap { policy in (policy.gates + policy.defaults).map { (policy.name, $0.name, $0.source) } }
            .filter { !closed.contains("\($0.0)\u{0}\($0.1)\u{0}\($0.2)") }
    }
}

extension CaseExpectation {
    /// What is not as expected.
    func failures(_ decision: Decision) -> [String] {
        var failures: [String] = []
        if decision.outcome != outcome { failures.append("expected \(outcome.rawValue), decided \(decision.outcome.rawValue): \(decision.summary)") }
        let named = decision.gates.filter { gate == nil || $0.gate == gate }
        if let gate, named.isEmpty {
            failures.append("no gate '\(gate)' was asked; asked: \(decision.gates.map(\.gate).joined(separator: ", "))")
        } else if let gate, !named.contains(where: { $0.outcome == outcome }) {
            failures.append("expected gate \(gate) to \(outcome.rawValue): \(Self.answers(named))")
        }
        if let reason, !named.contains(where: { $0.outcome == outcome && reason.matches($0.reason) }) {
            failures.append("no reason matches '\(reason)': \(Self.answers(named.filter { $0.outcome == outcome }))")
        }
        for (name, expected) in gates {
            let found = decision.gates.filter { $0.gate == name }
            if !found.contains(where: { $0.outcome == expected }) {
                failures.append("expected gate \(name) to \(expected.rawValue): \(found.isEmpty ? "it was not asked" : Self.answers(found))")
            }
        }
        if let targetTags, Set(targetTags) != Set(decision.targetTags) {
            failures.append("expected the tags \(Self.list(targetTags)), would write \(Self.list(decision.targetTags))")
        }
        if let retryAt, decision.retryAt != retryAt {
            failures.append(
                "expected to wait until \(Timestamp.text(retryAt)), waits until \(decision.retryAt.map { Timestamp.text($0) } ?? "an unknown time")")
        }
        return failures
    }

    private static func answers(_ results: [GateResult]) -> String {
        results.map { "\($0.gate) \($0.outcome.rawValue): \($0.reason)" }.joined(separator: "; ")
    }

    private static func list(_ tags: [Tag]) -> String { tags.isEmpty ? "none" : tags.map(\.description).joined(separator: ", ") }
}

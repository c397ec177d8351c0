import Foundation
import OCI

/// One policy's gates for one promotion.
struct PolicyEvaluation {
    let policy: Policy
    let rules: [GateRule]
    let context: GateContext
    /// The tags that will be written, and the templates that make them.
    let tags: [Tag]
    let templates: [TagTemplate]

    func append(to gates: inout [GateResult]) {
        if let tags = policy.tags {
            gates.append(tag(tags))
            gates.append(targetTag(tags))
        }
        for rule in rules { gates.append(result(rule, rule.condition.judge(context))) }
    }

    private func result(_ rule: GateRule, _ verdict: Verdict) -> GateResult {
        let overridden = overridden(rule, verdict)
        let final = overridden ?? relaxed(rule.name, verdict)
        return GateResult(
            gate: rule.name, policy: policy.name, outcome: final.outcome, reason: final.reason, source: rule.place, isWarning: policy.mode == .warn,
            retryAt: final.retryAt, evidence: final.evidence, isOverridden: overridden != nil)
    }

    private func result(_ gate: String, _ outcome: GateOutcome, _ reason: String) -> GateResult {
        GateResult(gate: gate, policy: policy.name, outcome: outcome, reason: reason, source: policy.place, isWarning: policy.mode == .warn)
    }

    /// What becomes of a gate that is not open where the policy lets rollbacks pass it.
    private func relaxed(_ gate: String, _ verdict: Verdict) -> Verdict {
        guard verdict.outcome != .allow, context.facts.rollback != nil, let rule = policy.rollback, rule.relax.contains(gate) else { return verdict }
        return .allow(
            "relaxed for a rollback (\(rule.source)); without it \(verdict.outcome.rawValue): \(verdict.reason)", evidence: verdict.evidence)
    }

    /// What becomes of a gate that is not open where somebody who may has ordered it open; `nil` where nobody has.
    private func overridden(_ rule: GateRule, _ verdict: Verdict) -> Verdict? {
        guard verdict.outcome != .allow, let order = context.facts.override, let overrides = policy.overrides, overrides.gates.contains(rule.name),
            context.names(overrides.by, include: order.by), order.reason.contains(where: { !$0.isWhitespace })
        else { return nil }
        return .allow(
            "overridden by \(order.by.label): \(order.reason.excerpt); without it \(verdict.outcome.rawValue): \(verdict.reason)",
            evidence: verdict.evidence)
    }

    private func tag(_ rules: TagRules) -> GateResult {
        if context.facts.rollback != nil {
            return result("tag", .allow, "a rollback: \(tags.map(\.description).joined(separator: ", ")) named it in \(context.facts.to) before")
        }
        let verdict = rules.judge(context)
        return result("tag", verdict.outcome, verdict.reason)
    }

    /// Whether this policy allows the tags that were asked for, and lets those that will be written move where they must.
    private func targetTag(_ rules: TagRules) -> GateResult {
        let facts = context.facts
        // A rollback's tags have been there.
        if facts.rollback == nil, let reason = refusalOfRequestedTags(rules) { return result("target-tag", .deny, reason) }
        let moved = facts.targetTags.first { tags.contains($0.tag) && $0.digest != facts.digest }
        if rules.existing == .sameDigest, let moved {
            let verdict = relaxed("target-tag", .deny("tag \(moved.tag) in \(facts.to) names \(moved.digest); this policy lets no tag move"))
            return result("target-tag", verdict.outcome, verdict.reason)
        }
        return result("target-tag", .allow, "\(tags.map(\.description).joined(separator: ", ")) may be written")
    }

    /// A tag that was asked for must pass the tag rules itself, or be one that the templates make of a tag that does.
    private func refusalOfRequestedTags(_ rules: TagRules) -> String? {
        let facts = context.facts
        let requested = facts.requestedTargetTags
        guard !requested.isEmpty else { return nil }
        let bases = (facts.tag.map { [$0] } ?? requested).filter { rules.refusal(of: $0) == nil }
        let made = Set(bases.flatMap { base in templates.compactMap { $0.tag(for: base) } })
        for tag in requested where !made.contains(tag) {
            guard let reason = rules.refusal(of: tag) else { continue }
            let allowed = made.isEmpty ? "none" : made.sorted().map(\.description).joined(separator: ", ")
            return "target tag \(tag) is not allowed: \(reason); made by the policy: \(allowed)"
        }
        return nil
    }
}

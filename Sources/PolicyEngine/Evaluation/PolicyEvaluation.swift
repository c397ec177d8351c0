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
        let orders = verdict.outcome == .allow ? [] : orders(rule)
        let needed = policy.overrides?.count ?? 1
        let isOverridden = !orders.isEmpty && orders.count >= needed
        var final = relaxed(rule.name, verdict)
        if isOverridden {
            let names = orders.map { "\($0.by.label): \($0.reason.excerpt)" }.joined(separator: ", and by ")
            final = .allow("overridden by \(names); without it \(verdict.outcome.rawValue): \(verdict.reason)", evidence: verdict.evidence)
        } else if !orders.isEmpty {
            final.reason += "; \(orders.count) of \(needed) orders to open it: \(orders.map(\.by.label).joined(separator: ", "))"
        }
        return GateResult(
            gate: rule.name, policy: policy.name, outcome: final.outcome, reason: final.reason, source: rule.place, isWarning: policy.mode == .warn,
            retryAt: final.retryAt, evidence: final.evidence, isOverridden: isOverridden)
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

    /// The orders that count for a gate, one of each person.
    private func orders(_ rule: GateRule) -> [OverrideFact] {
        guard let overrides = policy.overrides, overrides.gates.contains(rule.name) else { return [] }
        var seen: Set<String> = []
        return (context.facts.overrides ?? [context.facts.override].compactMap(\.self)).filter { order in
            context.names(overrides.by, include: order.by) && order.reason.contains { !$0.isWhitespace } && seen.insert(order.by.person).inserted
        }
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

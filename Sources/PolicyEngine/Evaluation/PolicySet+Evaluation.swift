public import Foundation
public import OCI

extension PolicySet {
    /// Decides about a promotion: a pure function of the policy, the facts and the time.
    ///
    /// Without a policy that opens the step for the image the answer is no. All policies that apply must agree; every gate reports.
    public func evaluate(_ facts: PromotionFacts, at now: Date) -> Decision {
        let applicable = policies(for: facts.image, from: facts.from, to: facts.to)
        guard let target = environment(named: facts.to), environment(named: facts.from) != nil,
            let opening = applicable.first(where: \.opensStep)
        else {
            return Decision(outcome: .deny, gates: [noPath(facts, applicable)], targetTags: [], policyVersion: version)
        }
        let selection = RuleSelection(applicable, for: facts.image)
        let templates = selection.templates
        let tags = Self.targetTags(facts.requestedTargetTags, of: facts.tag, templates)
        var gates = [present(facts, opening), written(tags, facts, target)]
        let context = GateContext(facts: facts, now: now, policies: self)
        for (policy, rules) in selection.rules {
            PolicyEvaluation(policy: policy, rules: rules, context: context, tags: tags, templates: templates).append(to: &gates)
        }
        var outcome = GateOutcome.allow
        for gate in gates where !gate.isWarning {
            if gate.outcome == .deny { outcome = .deny }
            if gate.outcome == .wait, outcome == .allow { outcome = .wait }
        }
        return Decision(outcome: outcome, gates: gates, targetTags: tags, policyVersion: version)
    }

    /// The tags that a promotion would write, whatever is decided about it: those asked for, or the source's tag as the policies rewrite it.
    /// None where no policy opens the step.
    public func targetTags(of image: ImageName, from: EnvironmentName, to: EnvironmentName, tag: Tag?, requested: [Tag]) -> [Tag] {
        let applicable = policies(for: image, from: from, to: to)
        guard applicable.contains(where: \.opensStep) else { return [] }
        return Self.targetTags(requested, of: tag, RuleSelection(applicable, for: image).templates)
    }

    private static func targetTags(_ requested: [Tag], of tag: Tag?, _ templates: [TagTemplate]) -> [Tag] {
        Set(requested.isEmpty ? tag.map { tag in templates.compactMap { $0.tag(for: tag) } } ?? [] : requested).sorted()
    }

    /// What no policy can allow: nothing to write, or an immutable tag that would move.
    private func written(_ tags: [Tag], _ facts: PromotionFacts, _ target: EnvironmentDefinition) -> GateResult {
        func result(_ outcome: GateOutcome, _ reason: String) -> GateResult {
            GateResult(gate: "target-tag", policy: "", outcome: outcome, reason: reason, source: target.source.description)
        }
        guard !tags.isEmpty else {
            return result(.deny, "no target tag can be made of \(facts.tag?.description ?? "a digest"); name one in targetTags")
        }
        let moved = facts.targetTags.first { tags.contains($0.tag) && $0.digest != facts.digest && target.isImmutable($0.tag) }
        // What others did to an immutable tag may be undone.
        if let moved, facts.rollback?.restores != true {
            return result(.deny, "tag \(moved.tag) is immutable in \(target.name) and names \(moved.digest); promote under a new tag")
        }
        return result(.allow, "will write \(tags.map(\.description).joined(separator: ", "))")
    }

    private func present(_ facts: PromotionFacts, _ policy: Policy) -> GateResult {
        let source = facts.rollback?.source ?? facts.from
        return GateResult(
            gate: "source", policy: policy.name, outcome: facts.presentInSource ? .allow : .deny,
            reason: facts.presentInSource
                ? "\(facts.digest.label) is in \(source)" : "\(facts.digest) is not in \(source); push it there first",
            source: policy.place)
    }

    private func noPath(_ facts: PromotionFacts, _ applicable: [Policy]) -> GateResult {
        func result(_ reason: String, _ source: String) -> GateResult {
            GateResult(gate: "path", policy: "", outcome: .deny, reason: reason, source: source)
        }
        let known = environments.map(\.name.description)
        for name in [facts.from, facts.to] where !known.contains(name.description) {
            return result("environment \(name) is not known; known: \(known.joined(separator: ", "))", "")
        }
        let others = policies.filter { $0.applies(to: facts.image) }.compactMap { policy in
            policy.from.flatMap { from in policy.to.map { "\(from) → \($0)" } }
        }
        let steps = Set(others).sorted()
        let partial = applicable.first.map { "; policy \($0.name) names only one end of the step, or none, and opens none" } ?? ""
        let remedy = steps.isEmpty ? "no policy names this image" : "allowed steps: \(steps.joined(separator: ", "))"
        return result("no policy allows \(facts.image) from \(facts.from) to \(facts.to); \(remedy)\(partial)", applicable.first?.place ?? "")
    }
}

/// Which rules of the policies that apply count: all gates; of the defaults and of the target tags, those of the most specific policy.
///
/// A policy that only warns takes nothing from the others: its rules are looked at beside theirs.
struct RuleSelection {
    let rules: [(policy: Policy, rules: [GateRule])]
    let templates: [TagTemplate]
    private let ranked: [(policy: Policy, rank: Specificity)]
    /// Of each default's name, the rank of the enforced policy that is most specific.
    private let best: [String: Specificity]

    init(_ policies: [Policy], for image: ImageName) {
        let ranked = policies.map { (policy: $0, rank: $0.specificity(for: image)) }
        var best: [String: Specificity] = [:]
        for (policy, rank) in ranked where policy.mode == .enforce {
            for rule in policy.defaults { best[rule.name] = max(best[rule.name] ?? rank, rank) }
        }
        self.ranked = ranked
        self.best = best
        rules = ranked.map { policy, rank in (policy, policy.gates + policy.defaults.filter { rank >= best[$0.name] ?? rank }) }
        let enforced = ranked.filter { $0.policy.mode == .enforce }
        let stating = (enforced.isEmpty ? ranked : enforced).compactMap { policy, rank in policy.tags?.target.map { (templates: $0, rank: rank) } }
        let highest = stating.map(\.rank).max()
        let chosen = stating.filter { $0.rank == highest }.flatMap(\.templates)
        templates = chosen.isEmpty ? [.sourceTag] : chosen
    }

    /// The policies whose default of this name takes the place of this policy's.
    func replacing(default name: String, of policy: String) -> [String] {
        guard let highest = best[name], let own = ranked.first(where: { $0.policy.name == policy })?.rank, own < highest else { return [] }
        return ranked.filter { $0.rank == highest && $0.policy.mode == .enforce && $0.policy.defaults.contains { $0.name == name } }.map(
            \.policy.name)
    }
}

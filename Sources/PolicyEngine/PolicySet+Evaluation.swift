public import Foundation
import OCI

extension PolicySet {
    /// Decides about a promotion: a pure function of the policy, the facts and the time.
    ///
    /// Without a policy for the image and the step the answer is no. All policies that apply must agree; every gate reports.
    public func evaluate(_ facts: PromotionFacts, at now: Date) -> Decision {
        let applicable = policies(for: facts.image, from: facts.from, to: facts.to)
        guard let target = environment(named: facts.to), environment(named: facts.from) != nil, !applicable.isEmpty else {
            return Decision(outcome: .deny, gates: [noPath(facts)], targetTags: [], policyVersion: version)
        }
        let tags = targetTags(facts, applicable)
        var gates = [present(facts, applicable[0]), written(tags, facts, target)]
        for policy in applicable { gates += PolicyEvaluation(policy: policy, facts: facts, target: target).gates }
        let counting = gates.filter { !$0.isWarning }
        let outcome: GateOutcome =
            counting.contains { $0.outcome == .deny } ? .deny : counting.contains { $0.outcome == .wait } ? .wait : .allow
        return Decision(outcome: outcome, gates: gates, targetTags: tags, policyVersion: version)
    }

    /// The tags to write: those of the policies that count. One that only warns adds none, unless there is no other.
    private func targetTags(_ facts: PromotionFacts, _ applicable: [Policy]) -> [Tag] {
        let enforced = applicable.filter { $0.mode == .enforce }
        return Set((enforced.isEmpty ? applicable : enforced).flatMap { $0.targetTags(facts) }).sorted()
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
        if let moved {
            return result(.deny, "tag \(moved.tag) is immutable in \(target.name) and names \(moved.digest); promote under a new tag")
        }
        return result(.allow, "will write \(tags.map(\.description).joined(separator: ", "))")
    }

    private func present(_ facts: PromotionFacts, _ policy: Policy) -> GateResult {
        GateResult(
            gate: "source", policy: policy.name, outcome: facts.presentInSource ? .allow : .deny,
            reason: facts.presentInSource
                ? "\(facts.digest.algorithm.rawValue):\(facts.digest.short)… is in \(facts.from)"
                : "\(facts.digest) is not in \(facts.from); push it there first",
            source: policy.source.description)
    }

    private func noPath(_ facts: PromotionFacts) -> GateResult {
        let known = environments.map(\.name.description)
        for name in [facts.from, facts.to] where !known.contains(name.description) {
            return GateResult(
                gate: "path", policy: "", outcome: .deny, reason: "environment \(name) is not known; known: \(known.joined(separator: ", "))",
                source: "")
        }
        let others = policies.filter { $0.applies(to: facts.image) }.map { "\($0.from) → \($0.to)" }
        let remedy = others.isEmpty ? "no policy names this image" : "allowed steps: \(others.joined(separator: ", "))"
        return GateResult(
            gate: "path", policy: "", outcome: .deny, reason: "no policy allows \(facts.image) from \(facts.from) to \(facts.to); \(remedy)",
            source: "")
    }
}

/// One policy's gates for one promotion.
struct PolicyEvaluation {
    let policy: Policy
    let facts: PromotionFacts
    let target: EnvironmentDefinition

    var gates: [GateResult] {
        [tagRule, targetTagRule] + (policy.requiredPlatforms.isEmpty ? [] : [platformRule]) + policy.requiredLabels.map(labelRule)
    }

    private func result(_ gate: String, _ outcome: GateOutcome, _ reason: String, source: SourceLocation? = nil) -> GateResult {
        GateResult(
            gate: gate, policy: policy.name, outcome: outcome, reason: reason, source: (source ?? policy.source).description,
            isWarning: policy.mode == .warn)
    }

    /// Whether each tag concerned may be promoted: the source tag, or where it goes by digest, one of the tags asked for.
    private var tagRule: GateResult {
        if let tag = facts.tag {
            if let reason = policy.tags.refusal(of: tag.description) { return result("tag", .deny, reason) }
            return result("tag", .allow, "\(tag) is allowed")
        }
        guard let first = facts.requestedTargetTags.first else {
            return result("tag", .deny, "the promotion is by digest and names no target tag; name at least one")
        }
        if let allowed = facts.requestedTargetTags.first(where: { policy.tags.refusal(of: $0.description) == nil }) {
            return result("tag", .allow, "\(allowed) is allowed")
        }
        return result("tag", .deny, policy.tags.refusal(of: first.description) ?? "\(first) is not allowed")
    }

    /// Whether this policy can name the tags that it writes, allows those that were asked for, and lets them move where they must.
    private var targetTagRule: GateResult {
        let tags = policy.targetTags(facts)
        guard !tags.isEmpty else {
            return result("target-tag", .deny, "no target tag can be made of \(facts.tag?.description ?? "a digest"); name one in targetTags")
        }
        if let reason = refusalOfRequestedTags() { return result("target-tag", .deny, reason) }
        let moved = facts.targetTags.first { tags.contains($0.tag) && $0.digest != facts.digest }
        if policy.tags.existing == .sameDigest, let moved {
            return result("target-tag", .deny, "tag \(moved.tag) in \(target.name) names \(moved.digest); this policy lets no tag move")
        }
        return result("target-tag", .allow, "\(tags.map(\.description).joined(separator: ", ")) may be written")
    }

    /// A tag that was asked for must pass the tag rules itself, or be one that the templates make of a tag that does.
    private func refusalOfRequestedTags() -> String? {
        let requested = facts.requestedTargetTags
        let bases = (facts.tag.map { [$0] } ?? requested).filter { policy.tags.refusal(of: $0.description) == nil }
        let made = Set(bases.flatMap { base in policy.tags.target.compactMap { $0.tag(for: base) } })
        for tag in requested where !made.contains(tag) {
            guard let reason = policy.tags.refusal(of: tag.description) else { continue }
            let allowed = made.isEmpty ? "none" : made.sorted().map(\.description).joined(separator: ", ")
            return "target tag \(tag) is not allowed: \(reason); made by the policy: \(allowed)"
        }
        return nil
    }

    private var platformRule: GateResult {
        let found = facts.platforms.map(\.platform)
        let missing = policy.requiredPlatforms.filter { required in !found.contains { $0.satisfies(required) } }
        let seen = found.isEmpty ? "none" : found.map(\.description).joined(separator: ", ")
        guard missing.isEmpty else {
            return result("platforms", .deny, "missing \(missing.map(\.description).joined(separator: ", ")); the image has \(seen)")
        }
        return result("platforms", .allow, "the image has \(seen)")
    }

    /// Every platform's image must carry the label; annotations of the index count where a platform has none.
    private func labelRule(_ required: RequiredLabel) -> GateResult {
        let gate = "label \(required.name)"
        let values = facts.platforms.map { ($0.platform.description, $0.labels[required.name] ?? facts.annotations[required.name]) }
        guard !values.isEmpty else { return result(gate, .deny, "the artifact has no image that could carry labels", source: required.source) }
        for (platform, value) in values {
            guard let value else {
                return result(gate, .deny, "\(platform) has no such label; set it when the image is built", source: required.source)
            }
            guard required.pattern.matches(value) else {
                return result(
                    gate, .deny, "\(platform) has '\(value.prefix(200))', which does not match '\(required.pattern)'", source: required.source)
            }
        }
        return result(gate, .allow, "'\(values[0].1?.prefix(200) ?? "")' matches '\(required.pattern)'", source: required.source)
    }
}

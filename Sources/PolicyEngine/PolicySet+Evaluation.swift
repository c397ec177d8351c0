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
        var gates = [present(facts, applicable[0])]
        var tags: Set<Tag> = []
        for policy in applicable {
            let evaluation = PolicyEvaluation(policy: policy, facts: facts, target: target)
            gates += evaluation.gates
            tags.formUnion(evaluation.targetTags)
        }
        let counting = gates.filter { !$0.isWarning }
        let outcome: GateOutcome =
            counting.contains { $0.outcome == .deny } ? .deny : counting.contains { $0.outcome == .wait } ? .wait : .allow
        return Decision(outcome: outcome, gates: gates, targetTags: tags.sorted(), policyVersion: version)
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
                gate: "path", policy: "", outcome: .deny, reason: "environment \(name) is not known; known: \(known.joined(separator: ", "))", source: "")
        }
        let others = policies.filter { $0.applies(to: facts.image) }.map { "\($0.from) → \($0.to)" }
        let remedy = others.isEmpty ? "no policy names this image" : "allowed steps: \(others.joined(separator: ", "))"
        return GateResult(
            gate: "path", policy: "", outcome: .deny, reason: "no policy allows \(facts.image) from \(facts.from) to \(facts.to); \(remedy)", source: "")
    }
}

/// One policy's gates for one promotion.
struct PolicyEvaluation {
    let policy: Policy
    let facts: PromotionFacts
    let target: EnvironmentDefinition

    var gates: [GateResult] {
        [tagRule] + [targetTagRule] + (policy.requiredPlatforms.isEmpty ? [] : [platformRule]) + policy.requiredLabels.map(labelRule)
    }

    /// The tags to write: those asked for, or the source tag through the policy's templates.
    var targetTags: [Tag] {
        if !facts.requestedTargetTags.isEmpty { return facts.requestedTargetTags }
        guard let source = facts.tag else { return [] }
        return policy.tags.target.compactMap { $0.tag(for: source) }
    }

    private func result(_ gate: String, _ outcome: GateOutcome, _ reason: String, source: SourceLocation? = nil) -> GateResult {
        GateResult(
            gate: gate, policy: policy.name, outcome: outcome, reason: reason, source: (source ?? policy.source).description,
            isWarning: policy.mode == .warn)
    }

    /// Whether each tag concerned may be promoted: the source tag, or where it goes by digest, the tags asked for.
    private var tagRule: GateResult {
        let subjects = facts.tag.map { [$0] } ?? facts.requestedTargetTags
        guard !subjects.isEmpty else {
            return result("tag", .deny, "the promotion is by digest and names no target tag; name at least one")
        }
        for tag in subjects {
            if let reason = refusal(of: tag.description) { return result("tag", .deny, reason) }
        }
        return result("tag", .allow, "\(subjects.map(\.description).joined(separator: ", ")) is allowed")
    }

    private func refusal(of tag: String) -> String? {
        let rules = policy.tags
        if let pattern = rules.exclude.first(where: { $0.matches(tag) }) { return "tag \(tag) is excluded by '\(pattern)'" }
        if !rules.patterns.isEmpty, !rules.patterns.contains(where: { $0.matches(tag) }) {
            return "tag \(tag) matches none of: \(rules.patterns.map(\.description).joined(separator: ", "))"
        }
        guard rules.semver != nil || !rules.allowPrerelease else { return nil }
        guard let version = SemanticVersion(parsing: tag) else { return "tag \(tag) is no semantic version such as 1.4.2" }
        if !rules.allowPrerelease, version.isPrerelease { return "tag \(tag) is a prerelease; a release such as \(version.major).\(version.minor).\(version.patch) would do" }
        if let range = rules.semver, !range.contains(version) { return "version \(tag) is not in the range '\(range)'" }
        return nil
    }

    private var targetTagRule: GateResult {
        let tags = targetTags
        guard !tags.isEmpty else {
            return result("target-tag", .deny, "no target tag can be made of \(facts.tag?.description ?? "a digest"); name one in targetTags")
        }
        for current in facts.targetTags where tags.contains(current.tag) && current.digest != facts.digest {
            if target.isImmutable(current.tag) {
                return result("target-tag", .deny, "tag \(current.tag) is immutable in \(target.name) and names \(current.digest); promote under a new tag")
            }
            if policy.tags.existing == .sameDigest {
                return result("target-tag", .deny, "tag \(current.tag) in \(target.name) names \(current.digest); this policy lets no tag move")
            }
        }
        return result("target-tag", .allow, "will write \(tags.map(\.description).joined(separator: ", "))")
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
            guard let value else { return result(gate, .deny, "\(platform) has no such label; set it when the image is built", source: required.source) }
            guard required.pattern.matches(value) else {
                return result(gate, .deny, "\(platform) has '\(value.prefix(200))', which does not match '\(required.pattern)'", source: required.source)
            }
        }
        return result(gate, .allow, "'\(values[0].1?.prefix(200) ?? "")' matches '\(required.pattern)'", source: required.source)
    }
}

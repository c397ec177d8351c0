public import OCI

/// Something that somebody can give and that a gate looks at.
public enum GateWish: Sendable, Hashable {
    /// Verdicts by members of groups, or by ids.
    case verdicts(count: Int, from: [String], countsRequester: Bool)
    /// Evidence of a kind, with a result that matches a pattern; anybody's counts where `by` is empty.
    case evidence(kind: String, result: String, by: [String])
    /// A scan; anybody's counts where `by` is empty.
    case scan(by: [String])
}

/// A gate that looks at what people and pipelines give, and who may open it by order.
public struct GateRequest: Sendable, Hashable {
    public let policy: String
    public let gate: String
    /// `file:line` of the rule.
    public let source: String
    public let wishes: [GateWish]
    /// Groups and ids; empty where nobody may.
    public let overridableBy: [String]
}

extension PolicySet {
    /// Whether somebody is named by a list of groups and ids.
    public func names(_ names: [String], include identity: Identity) -> Bool {
        // An id is compared letter by letter: texts that merely look alike are somebody else.
        names.contains { groups[$0].map { $0.contains(identity) } ?? $0.utf8.elementsEqual(identity.id.utf8) }
    }

    /// The gates of a step that somebody can do something about.
    public func requests(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> [GateRequest] {
        RuleSelection(policies(for: image, from: from, to: to), for: image).rules.flatMap { policy, rules in rules.compactMap { policy.request($0) } }
    }

    /// What can be done about the gates of a decision that are not open.
    public func openRequests(of decision: Decision, for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> [GateRequest] {
        let closed = decision.gates.filter { $0.outcome != .allow && !$0.isWarning }
        return requests(for: image, from: from, to: to).filter { request in
            closed.contains { $0.gate == request.gate && $0.policy == request.policy }
        }
    }

    /// The gates of any step that look at what is posted about digests: of one image, or of all.
    public func evidenceRequests(for image: ImageName?) -> [GateRequest] {
        policies.filter { policy in image.map { policy.applies(to: $0) } ?? true }.flatMap { policy in
            (policy.gates + policy.defaults).compactMap { policy.request($0) }
        }
    }

    /// Who may open which gates of a step by order: empty where nobody may.
    public func overridingGroups(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> [String] {
        var seen: Set<String> = []
        return policies(for: image, from: from, to: to).flatMap { $0.overrides?.by ?? [] }.filter { seen.insert($0).inserted }
    }
}

extension Policy {
    fileprivate func request(_ rule: GateRule) -> GateRequest? {
        let overridable = overrides.map { $0.gates.contains(rule.name) ? $0.by : [] } ?? []
        let wishes = rule.condition.wishes
        guard !wishes.isEmpty || !overridable.isEmpty else { return nil }
        return GateRequest(policy: name, gate: rule.name, source: rule.place, wishes: wishes, overridableBy: overridable)
    }
}

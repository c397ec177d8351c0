public import OCI

/// Which rules apply to an image on a step, and where each of them stands.
public struct PolicyExplanation: Sendable {
    /// One policy that applies.
    public struct Part: Sendable {
        public let policy: String
        public let mode: Policy.Mode
        public let source: SourceLocation
        /// Whether it opens the step, or only adds to it.
        public let opensStep: Bool
        public let rules: [Rule]
    }

    /// One rule of a policy that applies.
    public struct Rule: Sendable, Hashable {
        public let gate: String
        /// What it asks for, in words.
        public let text: String
        public let source: SourceLocation
        /// The policies whose default of the same name takes its place; empty where it counts.
        public let replacedBy: [String]
        /// Who may open it by order; empty where nobody may.
        public let overridableBy: [String]
    }

    public let image: ImageName
    public let from: EnvironmentName
    public let to: EnvironmentName
    /// Whether the step is open for the image at all.
    public let isOpen: Bool
    public let parts: [Part]
    /// The templates of the tags that will be written.
    public let targetTags: [String]
    /// The patterns of tags that never move in the target, and where they stand.
    public let immutableTags: [String]
    public let immutableTagsSource: SourceLocation?
}

extension PolicySet {
    /// Which rules apply to an image on a step, from which file and line.
    public func explain(_ image: ImageName, from: EnvironmentName, to: EnvironmentName) -> PolicyExplanation {
        let applicable = policies(for: image, from: from, to: to)
        let selection = RuleSelection(applicable, for: image)
        let target = environment(named: to)
        return PolicyExplanation(
            image: image, from: from, to: to, isOpen: opensStep(for: image, from: from, to: to) && target != nil && environment(named: from) != nil,
            parts: applicable.map { part($0, selection) }, targetTags: selection.templates.map(\.description),
            immutableTags: target?.immutableTags.map(\.description) ?? [], immutableTagsSource: target?.source)
    }

    /// The steps into an environment that are open for an image, in the order of the way to production.
    public func steps(for image: ImageName, to: EnvironmentName) -> [EnvironmentName] {
        environments.map(\.name).filter { $0 != to && opensStep(for: image, from: $0, to: to) }
    }

    private func part(_ policy: Policy, _ selection: RuleSelection) -> PolicyExplanation.Part {
        var rules: [PolicyExplanation.Rule] = []
        if let tags = policy.tags {
            rules.append(PolicyExplanation.Rule(gate: "tag", text: tags.text, source: policy.source, replacedBy: [], overridableBy: []))
            if tags.existing == .sameDigest {
                rules.append(
                    PolicyExplanation.Rule(gate: "target-tag", text: "no tag moves", source: policy.source, replacedBy: [], overridableBy: []))
            }
        }
        rules += policy.gates.map { rule($0, policy, replacedBy: []) }
        rules += policy.defaults.map { rule($0, policy, replacedBy: selection.replacing(default: $0.name, of: policy.name)) }
        return PolicyExplanation.Part(policy: policy.name, mode: policy.mode, source: policy.source, opensStep: policy.opensStep, rules: rules)
    }

    private func rule(_ rule: GateRule, _ policy: Policy, replacedBy: [String]) -> PolicyExplanation.Rule {
        let overridable = policy.overrides.map { $0.gates.contains(rule.name) ? $0.by : [] } ?? []
        return PolicyExplanation.Rule(gate: rule.name, text: rule.text, source: rule.source, replacedBy: replacedBy, overridableBy: overridable)
    }
}

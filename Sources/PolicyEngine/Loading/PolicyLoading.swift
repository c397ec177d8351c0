import OCI
import Yams

/// Collects environments and policies from files, and every mistake in them.
struct PolicyLoading {
    var environments: [EnvironmentDefinition] = []
    var policies: [Policy] = []
    var diagnostics: [PolicyDiagnostic] = []
    private var environmentsFile: String?
    /// Whether the environments are complete. Where they are not, nothing is said about those that policies name.
    private var knowsEnvironments = false
    /// Whether some file could not be read as far as its kind: it may be the one that is missed.
    private var hasUnreadable = false
    private var policyPlaces: [(policy: Policy, fromNode: Node, toNode: Node)] = []

    private enum Kind: String, CaseIterable {
        case environments = "Environments"
        case policy = "Policy"
    }

    mutating func read(_ file: PolicyFile) {
        var reader = YAMLReader(file: file.path)
        defer { diagnostics += reader.diagnostics }
        guard let document = reader.document(file.text), let (kind, kindNode) = Self.kind(of: document, &reader) else {
            hasUnreadable = true
            return
        }
        switch kind {
        case .environments: readEnvironments(document, kindNode, &reader)
        case .policy:
            if let (policy, from, to) = reader.policy(document) { policyPlaces.append((policy, from, to)) }
        }
    }

    private static func kind(of document: Node, _ reader: inout YAMLReader) -> (Kind, Node)? {
        guard case .mapping(let mapping) = document else {
            reader.report(document, "the file must be a mapping", "start it with 'version: 1' and 'kind: Environments' or 'kind: Policy'")
            return nil
        }
        guard let version = mapping["version"], version.scalar?.string == "1" else {
            reader.report(mapping["version"] ?? document, "version 1 is the only one there is", "write 'version: 1'")
            return nil
        }
        guard let kindNode = mapping["kind"] else {
            reader.report(document, "the file does not say its kind", "write 'kind: Environments' or 'kind: Policy'")
            return nil
        }
        return reader.choice(kindNode, "kind", Kind.self).map { ($0, kindNode) }
    }

    private mutating func readEnvironments(_ document: Node, _ kindNode: Node, _ reader: inout YAMLReader) {
        if let other = environmentsFile {
            reader.report(kindNode, "environments stand in \(other) already", "keep them in one file: their order is the way to production")
            return
        }
        environmentsFile = reader.file
        environments = reader.environments(document)
        knowsEnvironments = reader.diagnostics.isEmpty
    }

    /// Checks what no single file can know.
    mutating func checkTogether() {
        guard environmentsFile != nil || hasUnreadable else {
            diagnostics.append(
                PolicyDiagnostic(
                    file: "environments.yaml", line: 1, column: 1, problem: "no file of kind Environments was found",
                    remedy: "add one that names the environments and their registries"))
            return
        }
        let names = environments.map(\.name.description)
        var seen: [String: SourceLocation] = [:]
        for (policy, from, to) in policyPlaces {
            var reader = YAMLReader(file: policy.source.file)
            for (node, name) in [(from, policy.from), (to, policy.to)] where knowsEnvironments && !names.contains(name.description) {
                let nearest = Spelling.nearest(to: name.description, in: names)
                reader.report(
                    node, "environment '\(name)' is not in \(environmentsFile ?? "environments.yaml")",
                    nearest.map { "did you mean '\($0)'?" } ?? "known: \(names.joined(separator: ", "))")
            }
            if let first = seen[policy.name] {
                reader.report(line: policy.source.line, column: 1, "policy '\(policy.name)' stands in \(first) already", "give each policy its own name")
            }
            seen[policy.name] = seen[policy.name] ?? policy.source
            diagnostics += reader.diagnostics
            policies.append(policy)
        }
    }
}

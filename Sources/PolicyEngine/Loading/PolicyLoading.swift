import OCI
import Yams

/// Collects environments, policies and test cases from files, and every mistake in them.
struct PolicyLoading {
    var environments = EnvironmentsFile()
    var identities = Identities()
    var policies: [Policy] = []
    var cases: [PolicyCase] = []
    var diagnostics: [PolicyDiagnostic] = []
    /// The files that decide: all but test cases.
    var decisive: [PolicyFile] = []
    private var environmentsFile: String?
    private var identitiesFile: String?
    /// Whether the environments are complete. Where they are not, nothing is said about what policies name.
    private var knowsEnvironments = false
    /// Whether some file could not be read as far as its kind: it may be the one that is missed.
    private var hasUnreadable = false
    private var references: [(file: String, references: [Reference])] = []

    private enum Kind: String, CaseIterable {
        case environments = "Environments"
        case policy = "Policy"
        case cases = "Cases"
        case identities = "Identities"
    }

    private static let kinds = "'kind: Environments', 'kind: Policy', 'kind: Identities' or 'kind: Cases'"

    /// Keys, certificates and trust roots, by their paths.
    private var material: [String: PolicyFile] = [:]

    mutating func read(_ file: PolicyFile) {
        guard file.path.hasSuffix(".yaml") || file.path.hasSuffix(".yml") else {
            material[file.path] = file
            return
        }
        var reader = YAMLReader(file: file.path)
        defer {
            diagnostics += reader.diagnostics
            references.append((file.path, reader.references))
        }
        guard let document = reader.document(file.text), let (kind, kindNode) = Self.kind(of: document, &reader) else {
            hasUnreadable = true
            return
        }
        if kind != .cases { decisive.append(file) }
        switch kind {
        case .environments: readEnvironments(document, kindNode, &reader)
        case .policy: policies += reader.policy(document).map { [$0] } ?? []
        case .cases: cases += reader.cases(document)
        case .identities: readIdentities(document, kindNode, &reader)
        }
    }

    private static func kind(of document: Node, _ reader: inout YAMLReader) -> (Kind, Node)? {
        guard case .mapping(let mapping) = document else {
            reader.report(document, "the file must be a mapping", "start it with 'version: 1' and \(kinds)")
            return nil
        }
        guard let version = mapping["version"], version.scalar?.string == "1" else {
            reader.report(mapping["version"] ?? document, "version 1 is the only one there is", "write 'version: 1'")
            return nil
        }
        guard let kindNode = mapping["kind"] else {
            reader.report(document, "the file does not say its kind", "write \(kinds)")
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
        environments = reader.environmentsFile(document)
        knowsEnvironments = reader.diagnostics.isEmpty
    }

    private mutating func readIdentities(_ document: Node, _ kindNode: Node, _ reader: inout YAMLReader) {
        if let other = identitiesFile {
            reader.report(kindNode, "identities stand in \(other) already", "keep them in one file: who may do what is read in one place")
            return
        }
        identitiesFile = reader.file
        identities = reader.identities(document)
    }

    /// The files that signers and issuers name: they decide as well.
    var trustMaterial: [PolicyFile] { Set(environments.signers.flatMap(\.files) + identities.issuers.flatMap(\.files)).compactMap { material[$0] } }

    /// Checks what no single file can know.
    mutating func checkTogether() {
        guard environmentsFile != nil || hasUnreadable else {
            diagnostics.append(
                PolicyDiagnostic(
                    file: "environments.yaml", line: 1, column: 1, problem: "no file of kind Environments was found",
                    remedy: "add one that names the environments and their registries"))
            return
        }
        if knowsEnvironments { checkReferences() }
        var seen: [String: SourceLocation] = [:]
        for policy in policies {
            if let first = seen[policy.name] {
                diagnostics.append(
                    PolicyDiagnostic(
                        file: policy.source.file, line: policy.source.line, column: 1, problem: "policy '\(policy.name)' stands in \(first) already",
                        remedy: "give each policy its own name"))
            }
            seen[policy.name] = seen[policy.name] ?? policy.source
        }
    }

    private mutating func checkReferences() {
        let groups = environments.groups.map(\.name)
        let signers = environments.signers.map(\.name)
        let known: [Reference.Kind: [String]] = [
            .environment: environments.environments.map(\.name.description), .group: groups, .signer: signers, .source: groups + signers,
            .check: environments.checks.map(\.name),
        ]
        for (file, references) in references {
            for reference in references {
                let names = known[reference.kind, default: []]
                guard !names.contains(reference.name) else { continue }
                let nearest = Spelling.nearest(to: reference.name, in: names)
                diagnostics.append(
                    PolicyDiagnostic(
                        file: file, line: reference.line, column: reference.column,
                        problem: "\(reference.kind.word) '\(reference.name)' is not in \(environmentsFile ?? "environments.yaml")",
                        remedy: nearest.map { "did you mean '\($0)'?" } ?? reference.kind.remedy(known: names)))
            }
        }
    }
}

extension Reference.Kind {
    fileprivate var word: String {
        switch self {
        case .environment: "environment"
        case .group: "group"
        case .signer: "signer"
        case .source: "group or signer"
        case .check: "check"
        }
    }

    fileprivate func remedy(known: [String]) -> String {
        guard known.isEmpty else { return "known: \(known.joined(separator: ", "))" }
        return switch self {
        case .environment: "add it under 'environments:'"
        case .group: "add it under 'groups:', or write an id such as token:…"
        case .signer: "add it under 'trust:'"
        case .source: "add it under 'groups:' or 'trust:'"
        case .check: "add it under 'checks:'"
        }
    }
}

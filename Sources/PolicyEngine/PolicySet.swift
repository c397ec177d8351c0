public import OCI

/// All that is in force at one time: environments and policies, parsed and consistent.
public struct PolicySet: Sendable {
    public let version: PolicyVersion
    /// In the order of the way to production.
    public let environments: [EnvironmentDefinition]
    public let groups: [String: Group]
    /// Those whose signatures count, by name.
    public let signers: [String: TrustedSigner]
    /// Services outside that may be asked, by name. No other is.
    public let checks: [String: CheckEndpoint]
    /// Whose tokens count, and for what.
    public let identities: Identities
    /// The files that signers and issuers name, by their paths; those that are missing are not here.
    public let trustMaterial: [String: PolicyFile]
    public let policies: [Policy]
    /// Test cases; they decide nothing.
    public let cases: [PolicyCase]
    public let files: [PolicyFile]
    /// `NAME <ADDRESS>` of the commit that the files come from; `nil` where they come from none.
    public private(set) var author: String?

    /// Reads and checks a folder's files. All mistakes are reported together.
    public init(files: [PolicyFile], commit: String?) throws(PolicyLoadError) {
        var loading = PolicyLoading()
        for file in files.sorted(by: { $0.path < $1.path }) { loading.read(file) }
        loading.checkTogether()
        guard loading.diagnostics.isEmpty else { throw PolicyLoadError(diagnostics: loading.diagnostics) }
        version = PolicyVersion(files: loading.decisive + loading.trustMaterial, commit: commit)
        trustMaterial = Dictionary(loading.trustMaterial.map { ($0.path, $0) }) { first, _ in first }
        environments = loading.environments.environments
        groups = Dictionary(loading.environments.groups.map { ($0.name, $0) }) { first, _ in first }
        signers = Dictionary(loading.environments.signers.map { ($0.name, $0) }) { first, _ in first }
        checks = Dictionary(loading.environments.checks.map { ($0.name, $0) }) { first, _ in first }
        identities = loading.identities
        policies = loading.policies
        cases = loading.cases
        self.files = files
    }

    /// The same set, as somebody's commit has it.
    public func written(by author: String?) -> PolicySet {
        var set = self
        set.author = author
        return set
    }

    public func environment(named name: EnvironmentName) -> EnvironmentDefinition? { environments.first { $0.name == name } }

    /// The policies that govern an image on a step.
    public func policies(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> [Policy] {
        policies.filter { $0.applies(to: image, from: from, to: to) }
    }

    /// Whether one of the policies opens the step for the image.
    public func opensStep(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> Bool {
        policies.contains { $0.opensStep && $0.applies(to: image, from: from, to: to) }
    }
}

public import OCI

/// All that is in force at one time: environments and policies, parsed and consistent.
public struct PolicySet: Sendable {
    public let version: PolicyVersion
    /// In the order of the way to production.
    public let environments: [EnvironmentDefinition]
    public let policies: [Policy]
    public let files: [PolicyFile]

    /// Reads and checks a folder's files. All mistakes are reported together.
    public init(files: [PolicyFile], commit: String?) throws(PolicyLoadError) {
        var loading = PolicyLoading()
        for file in files.sorted(by: { $0.path < $1.path }) { loading.read(file) }
        loading.checkTogether()
        guard loading.diagnostics.isEmpty else { throw PolicyLoadError(diagnostics: loading.diagnostics) }
        version = PolicyVersion(files: files, commit: commit)
        environments = loading.environments
        policies = loading.policies
        self.files = files
    }

    public func environment(named name: EnvironmentName) -> EnvironmentDefinition? { environments.first { $0.name == name } }

    /// The policies that govern an image on a step.
    public func policies(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> [Policy] {
        policies.filter { $0.from == from && $0.to == to && $0.applies(to: image) }
    }
}

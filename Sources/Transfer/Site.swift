import HTTPTransport
public import OCI
public import Registry

/// A repository of a registry that content comes from or goes to.
public struct Site: Sendable {
    public let client: RegistryClient
    public let repository: RepositoryName

    public init(client: RegistryClient, repository: RepositoryName) {
        self.client = client
        self.repository = repository
    }

    /// Which server it is: sites on the same one can mount from each other, whatever environment they belong to.
    public var server: String { client.endpoint.url.origin.description }
    public var registry: String { client.endpoint.name }
    /// The registry as an environment names it, on its server: one server may offer different kinds of repositories under different paths.
    public var registryKey: String { "\(registry) \(server)" }

    /// The place as plans are made for it.
    var planned: PlanSite { PlanSite(server: server, repository: repository, mounts: client.profile.mount ?? .any, mountsFromElsewhere: client.profile.origin == true) }

    func isSamePlace(as other: Site) -> Bool { server == other.server && repository == other.repository }
}

public import OCI

/// What of an environment is looked at as a whole, and how often.
public struct ScanRules: Sendable, Hashable {
    /// `nil`: only when somebody asks.
    public var interval: PolicyDuration?
    /// The images that are looked at; all where it is empty. Those without a wildcard are looked for even where the registry has no catalog.
    public var images: [ImagePattern]
    public var exclude: [ImagePattern]

    public init(interval: PolicyDuration?, images: [ImagePattern] = [], exclude: [ImagePattern] = []) {
        self.interval = interval
        self.images = images
        self.exclude = exclude
    }

    /// What an environment has that says nothing of it.
    public static let usual = ScanRules(interval: PolicyDuration(parsing: "1h"))

    /// Repositories of Shiplift's own.
    private static let own: Set<String> = ["shiplift-probe", "shiplift-probe-mount"]

    public func includes(_ image: ImageName) -> Bool {
        !Self.own.contains(image.description) && (images.isEmpty || images.contains { $0.matches(image) }) && !exclude.contains { $0.matches(image) }
    }

    /// The images that are named, rather than matched.
    public var namedImages: [ImageName] {
        images.compactMap { pattern in do { return try ImageName(parsing: pattern.description) } catch { return nil } }
    }
}

/// What happens where a tag no longer names what Shiplift made it name.
public enum DriftResponse: String, Sendable, Hashable, CaseIterable {
    /// It is recorded and shown.
    case report
    /// It is put back, through policy, by a promotion of its own.
    case restore
}

extension PolicySet {
    /// The image whose repository this is in a registry; `nil` where it is none of that registry's, or rather another one's of the same server.
    public func image(of repository: RepositoryName, in registry: RegistryDefinition) -> ImageName? {
        guard let image = registry.repository.image(for: repository) else { return nil }
        // Of two templates, the longer one says more: prod/{image} before {image}.
        let others = environments.flatMap(\.registries).filter { other in
            other.url == registry.url && other.name != registry.name && other.repository.description.utf8.count > registry.repository.description.utf8.count
        }
        return others.contains { $0.repository.image(for: repository) != nil } ? nil : image
    }
}

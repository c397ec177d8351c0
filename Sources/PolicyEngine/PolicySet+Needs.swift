public import OCI

/// What the policies of a step look at, beyond what every decision needs: what nobody looks at is not read, since each of it costs a request.
public struct FactNeeds: Sendable, Hashable {
    /// Labels, user and creation time: they stand in the configuration of each platform's image.
    public var configurations: Bool
    /// The platforms. An index says them itself; of a single image its configuration does.
    public var platforms: Bool

    public init(configurations: Bool = false, platforms: Bool = false) {
        self.configurations = configurations
        self.platforms = platforms
    }

    /// Everything there is.
    public static let all = FactNeeds(configurations: true, platforms: true)
}

extension PolicySet {
    /// What has to be known of an image before it can be decided about.
    public func needs(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> FactNeeds {
        policies(for: image, from: from, to: to).reduce(into: FactNeeds()) { needs, policy in
            needs.configurations = needs.configurations || !policy.requiredLabels.isEmpty
            needs.platforms = needs.platforms || !policy.requiredPlatforms.isEmpty
        }
    }
}

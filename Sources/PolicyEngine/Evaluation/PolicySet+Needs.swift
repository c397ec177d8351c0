public import OCI

/// What the policies of a step look at, beyond what every decision needs: what nobody looks at is not read, since each of it costs a request.
public struct FactNeeds: Sendable, Hashable {
    /// Labels, user and creation time: they stand in the configuration of each platform's image.
    public var configurations: Bool
    /// The platforms. An index says them itself; of a single image its configuration does.
    public var platforms: Bool
    /// Where the digest is and was, and when it was first seen.
    public var presence = false
    public var signatures = false
    public var provenance = false
    public var sboms = false
    public var scans = false
    /// The kinds of evidence that pipelines post.
    public var evidence: Set<String> = []
    public var approvals = false
    /// The services outside that are asked, by their names in the environments file.
    public var checks: Set<String> = []
    /// How far back promotions into the target are counted; `nil` where nobody counts.
    public var recentPromotions: PolicyDuration?
    /// Claims of the requester and of others, by which groups are recognised.
    public var identities = false

    /// Whether what hangs on the artifact has to be read.
    public var readsAttachments: Bool { signatures || provenance || sboms || scans }

    public init(configurations: Bool = false, platforms: Bool = false) {
        self.configurations = configurations
        self.platforms = platforms
    }

    /// Everything that the registries say of an image.
    public static let all = FactNeeds(configurations: true, platforms: true)
}

extension PolicySet {
    /// What has to be known of an image before it can be decided about.
    public func needs(for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> FactNeeds {
        var needs = FactNeeds()
        for policy in policies(for: image, from: from, to: to) {
            for rule in policy.gates + policy.defaults { rule.condition.add(to: &needs) }
            if policy.overrides != nil { needs.identities = true }
        }
        // Evidence may be bound to a platform's own manifest.
        if needs.readsAttachments || !needs.evidence.isEmpty { needs.platforms = true }
        return needs
    }

    /// Whether a gate that looks at what hangs on the artifact is not open: more of it might open it.
    public func lacksAttachments(_ decision: Decision, for image: ImageName, from: EnvironmentName, to: EnvironmentName) -> Bool {
        policies(for: image, from: from, to: to).contains { policy in
            (policy.gates + policy.defaults).contains { rule in
                var needs = FactNeeds()
                rule.condition.add(to: &needs)
                return needs.readsAttachments && decision.gates.contains { $0.policy == policy.name && $0.gate == rule.name && $0.outcome != .allow }
            }
        }
    }
}

public import OCI

/// What one platform's image says of itself.
public struct PlatformFacts: Sendable, Hashable, Codable {
    public let platform: Platform
    public let labels: [String: String]
    public let user: String?

    public init(platform: Platform, labels: [String: String], user: String?) {
        self.platform = platform
        self.labels = labels
        self.user = user
    }
}

/// What a target tag names now, in one of the target's registries.
public struct CurrentTag: Sendable, Hashable, Codable {
    public let tag: Tag
    public let digest: Digest

    public init(tag: Tag, digest: Digest) {
        self.tag = tag
        self.digest = digest
    }
}

/// Everything that a decision may look at. Read by digest, once, and stored with the decision.
public struct PromotionFacts: Sendable, Hashable, Codable {
    public let image: ImageName
    public let from: EnvironmentName
    public let to: EnvironmentName
    public let digest: Digest
    /// The tag it was asked for by, if any.
    public let tag: Tag?
    public let requestedTargetTags: [Tag]
    /// The requester's stable id.
    public let requester: String
    public let mediaType: MediaType
    public let artifactType: String?
    public let platforms: [PlatformFacts]
    public let annotations: [String: String]
    public let sizeBytes: Int64
    /// RFC 3339, as the image says.
    public let created: String?
    /// Whether the digest is in the source environment.
    public let presentInSource: Bool
    /// What the target tags name now.
    public let targetTags: [CurrentTag]

    public init(
        image: ImageName, from: EnvironmentName, to: EnvironmentName, digest: Digest, tag: Tag?, requestedTargetTags: [Tag], requester: String,
        mediaType: MediaType, artifactType: String?, platforms: [PlatformFacts], annotations: [String: String], sizeBytes: Int64,
        created: String?, presentInSource: Bool, targetTags: [CurrentTag]
    ) {
        self.image = image
        self.from = from
        self.to = to
        self.digest = digest
        self.tag = tag
        self.requestedTargetTags = requestedTargetTags
        self.requester = requester
        self.mediaType = mediaType
        self.artifactType = artifactType
        self.platforms = platforms
        self.annotations = annotations
        self.sizeBytes = sizeBytes
        self.created = created
        self.presentInSource = presentInSource
        self.targetTags = targetTags
    }
}

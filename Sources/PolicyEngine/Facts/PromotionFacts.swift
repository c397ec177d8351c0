public import Foundation
public import OCI

/// What one platform's image says of itself.
public struct PlatformFacts: Sendable, Hashable, Codable {
    public let platform: Platform
    public let labels: [String: String]
    public let user: String?
    /// The platform's own manifest, to which evidence may be bound. `nil` where it was not recorded.
    public let digest: Digest?

    public init(platform: Platform, labels: [String: String], user: String?, digest: Digest? = nil) {
        self.platform = platform
        self.labels = labels
        self.user = user
        self.digest = digest
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

/// What a decision knows of a rollback: the image had this digest under these tags in the environment.
public struct RollbackFact: Sendable, Hashable, Codable {
    /// Where the digest is now: the environment itself, or one that it is brought back from.
    public let source: EnvironmentName
    /// The time whose state it goes back to; `nil` where it was asked for by digest.
    public let state: Date?
    /// Whether it puts back what Shiplift itself had written last, and others have moved.
    public let restores: Bool

    public init(source: EnvironmentName, state: Date?, restores: Bool) {
        self.source = source
        self.state = state
        self.restores = restores
    }
}

/// Everything that a decision may look at. Read by digest, once, and stored with the decision.
///
/// What is optional may not have been collected, and a decision that was stored before it existed has none of it. A gate that needs it does
/// not open without it: `nil` means that nobody looked, an empty list that somebody looked and found none.
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

    /// The requester with the claims by which groups are recognised.
    public var requesterIdentity: Identity?
    /// Where the digest is and was.
    public var presence: [EnvironmentPresence]?
    /// When a registry of ours first had the digest.
    public var firstSeen: Date?
    /// Signatures that verify, and those that say to be by somebody trusted and do not verify.
    public var signatures: [SignatureFact]?
    public var provenance: [ProvenanceFact]?
    public var sboms: [SBOMFact]?
    public var scans: [ScanFact]?
    /// What pipelines posted about the digest.
    public var evidence: [EvidenceFact]?
    /// What was said to this promotion.
    public var approvals: [ApprovalFact]?
    /// Promotions into the target environment, of any image, as far back as the quotas look.
    public var recentPromotions: [RecentPromotion]?
    /// What services outside answered.
    public var checks: [CheckFact]?
    /// Somebody's order to let it pass in spite of some gates.
    public var override: OverrideFact?
    /// Set where the image goes back to a state that it had; `from` is then the step by whose rules that is decided.
    public var rollback: RollbackFact?
    /// Everybody's, the oldest first; decisions that were stored before there could be several have only the one.
    public var overrides: [OverrideFact]?
    /// `NAME <ADDRESS>` of the commit that the policy comes from, as the commit says; `nil` where it comes from none.
    public var policyAuthor: String?

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

    /// The requester, with claims where they are known.
    var askedBy: Identity { requesterIdentity ?? Identity(id: requester) }
}

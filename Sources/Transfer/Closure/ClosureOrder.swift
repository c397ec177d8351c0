import OCI

/// Bounds of a closure: what others attach to an image must not grow without end on our way.
public struct ClosureLimits: Sendable, Hashable {
    /// How far from the image: 1 is what speaks about the image, 2 what speaks about that.
    public var depth = 3
    /// Most referrers of one subject that travel.
    public var perSubject = 64
    /// Most referrers of one subject that are looked at to find those.
    public var listed = 1_000
    /// Most manifests of one level that are asked about.
    public var subjects = 1_000
    /// Most manifests of all referrers together.
    public var manifests = 1_000
    /// Most bytes of all their manifests together.
    public var manifestBytes = 64 << 20

    public init() {}
}

/// Whether and which of an image's referrers travel with it.
public struct ClosureOrder: Sendable {
    public var selection: ReferrerSelection
    /// Whether cosign's tags are looked for where the registry has the referrers API. It costs one list of tags for each copy, however
    /// many subjects there are; without the API the list is read anyway.
    public var readsCosignTags: Bool
    public var limits: ClosureLimits
    public var knowledge: ReferrersKnowledge

    public init(
        _ selection: ReferrerSelection, knowledge: ReferrersKnowledge, readsCosignTags: Bool = true, limits: ClosureLimits = ClosureLimits()
    ) {
        self.selection = selection
        self.knowledge = knowledge
        self.readsCosignTags = readsCosignTags
        self.limits = limits
    }
}

/// What a copy takes beside the image itself, and what it leaves of it.
public struct CopyOptions: Sendable {
    /// `nil`: the image alone.
    public var closure: ClosureOrder?
    /// `nil`: all platforms.
    public var platforms: PlatformFilter?

    public init(closure: ClosureOrder? = nil, platforms: PlatformFilter? = nil) {
        self.closure = closure
        self.platforms = platforms
    }
}

/// How a registry keeps the lists of what refers to a manifest.
public enum ReferrersSupport: String, Sendable, Hashable, Codable, CaseIterable {
    /// By the referrers API: it keeps them itself.
    case api
    /// By tags that its clients write (distribution-spec, "Referrers Tag Schema").
    case tagSchema
}

/// What a registry can do, as far as it is known: `nil` is "not known", and then the way is taken that the specification asks every
/// registry to understand.
///
/// It comes from a probe, from what was met in earlier work, and from what an environment says; see ``over(_:)``.
public struct RegistryProfile: Sendable, Hashable, Codable {
    /// From which repositories it mounts blobs.
    public enum Mount: String, Sendable, Hashable, Codable, CaseIterable {
        case any
        /// Only where a manifest of that repository refers to the blob (ECR).
        case committed
        case never
    }

    /// How a whole blob is sent.
    public enum Upload: String, Sendable, Hashable, Codable, CaseIterable {
        /// In the POST that opens the upload (distribution-spec, "Single POST"); large blobs by POST and PUT.
        case post
        /// By POST, then PUT with the blob.
        case put
        /// By POST, PATCH with the blob, then PUT without a body.
        case patch
    }

    /// What stands under a referrers tag that nobody wrote.
    public enum FallbackTag: String, Sendable, Hashable, Codable, CaseIterable {
        /// Nothing: it is its clients' to write.
        case absent
        /// An index that the registry keeps itself.
        case served
        /// Something else than an index: the tag lies (oras#2148), and nothing is to be read from it.
        case lies
    }

    public var mount: Mount?
    /// Whether a mount may name another registry that the blob is in (`origin`). Never found out: it breaks mounts on some registries.
    public var origin: Bool?
    public var referrers: ReferrersSupport?
    /// Whether it says `OCI-Subject` without listing the referrer.
    public var subjectOnly: Bool?
    public var fallbackTag: FallbackTag?
    public var upload: Upload?
    /// Whether it takes a blob in several PATCHes.
    public var chunked: Bool?
    /// The largest body it takes, in bytes: larger blobs go in parts of this size.
    public var chunkBytes: Int64?
    /// Whether an upload can be gone on with: the session says how far it is.
    public var resume: Bool?
    /// Whether a manifest's PUT heeds `If-Match` and `If-None-Match`.
    public var conditionalPut: Bool?
    /// Whether a tag can be moved.
    public var movableTags: Bool?

    public init() {}

    /// This, and what it leaves open from `other`.
    public func over(_ other: RegistryProfile) -> RegistryProfile {
        var result = self
        result.mount = mount ?? other.mount
        result.origin = origin ?? other.origin
        result.referrers = referrers ?? other.referrers
        result.subjectOnly = subjectOnly ?? other.subjectOnly
        result.fallbackTag = fallbackTag ?? other.fallbackTag
        result.upload = upload ?? other.upload
        result.chunked = chunked ?? other.chunked
        result.chunkBytes = chunkBytes ?? other.chunkBytes
        result.resume = resume ?? other.resume
        result.conditionalPut = conditionalPut ?? other.conditionalPut
        result.movableTags = movableTags ?? other.movableTags
        return result
    }
}

extension RegistryProfile {
    /// Blobs up to this size, in bytes, go in a single POST where that is possible: larger ones would be lost whole with it.
    static let singlePostBytes: Int64 = 4 << 20
    /// The sizes of parts that are tried one after the other when a body is too large for the registry, or for a proxy before it.
    private static let ladder: [Int64] = [8 << 20, 4 << 20, 1 << 20, 256 << 10, 64 << 10]

    /// What to try after a body of so many bytes was too large; `nil` where nothing smaller is left.
    static func chunk(below refused: Int64) -> Int64? { ladder.first { $0 < refused } }

    /// Whether a blob of this size goes in the POST that opens its upload.
    func takesSinglePost(_ bytes: Int64) -> Bool {
        upload == .post && bytes <= min(Self.singlePostBytes, chunkBytes ?? .max) && bytes > 0
    }
}

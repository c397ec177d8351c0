public import OCI

/// Why something about a promotion failed: everything a reader needs to act, and nothing secret.
public struct PromotionFailure: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// A stable word that programs branch on.
    public enum Kind: String, Sendable, Hashable, Codable {
        case unknownEnvironment = "unknown-environment"
        case imageNotFound = "image-not-found"
        case registryUnavailable = "registry-unavailable"
        case registryUnauthorized = "registry-unauthorized"
        case registryForbidden = "registry-forbidden"
        case registryRateLimited = "registry-rate-limited"
        case registryRefused = "registry-refused"
        case hostNotAllowed = "host-not-allowed"
        case contentMismatch = "content-mismatch"
        case malformedContent = "malformed-content"
        case contentMissing = "content-missing"
        case tagConflict = "tag-conflict"
        case configuration
        case timedOut = "timed-out"
        case storage
    }

    public let kind: Kind
    /// One sentence for people.
    public let message: String
    public let registry: String?
    public let repository: RepositoryName?
    /// The tag or digest that was asked for.
    public let reference: String?
    /// The HTTP status that the registry answered with.
    public let status: Int?
    /// The registry's own words, bounded.
    public let registryMessage: String?
    /// Whether trying again later may help without anybody changing anything.
    public let isTransient: Bool
    /// Seconds that the registry asked us to wait.
    public let retryAfter: Double?

    public init(
        _ kind: Kind, _ message: String, registry: String? = nil, repository: RepositoryName? = nil, reference: String? = nil,
        status: Int? = nil, registryMessage: String? = nil, isTransient: Bool = false, retryAfter: Double? = nil
    ) {
        self.kind = kind
        self.message = message
        self.registry = registry
        self.repository = repository
        self.reference = reference
        self.status = status
        self.registryMessage = registryMessage
        self.isTransient = isTransient
        self.retryAfter = retryAfter
    }

    public var description: String { message }
}

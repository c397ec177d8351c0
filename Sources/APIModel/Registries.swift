public import Foundation

/// One thing that is known of a registry.
public struct RegistryTraitResource: Codable, Sendable, Hashable {
    public var name: String
    public var value: String
    /// `configured`, `learned` or `probed`.
    public var source: String

    public init(name: String, value: String, source: String) {
        self.name = name
        self.value = value
        self.source = source
    }
}

/// What a registry says of how much may still be asked of it.
public struct RegistryRateLimitResource: Codable, Sendable, Hashable {
    /// Requests within the window, and how many of them are left.
    public var limit: Int
    public var remaining: Int?
    public var windowSeconds: Int?
    public var seenAt: Date

    public init(limit: Int, remaining: Int?, windowSeconds: Int?, seenAt: Date) {
        self.limit = limit
        self.remaining = remaining
        self.windowSeconds = windowSeconds
        self.seenAt = seenAt
    }
}

/// A registry that an environment names, and what is known of it.
public struct RegistryResource: Codable, Sendable, Hashable {
    public var name: String
    public var environment: String
    public var url: String
    public var repository: String
    /// Requests at once: at most, and as the registry bears it now.
    public var concurrency: Int
    public var allowance: Int
    /// Bytes a second, all transfers together.
    public var bandwidth: Int?
    public var rateLimit: RegistryRateLimitResource?
    public var profile: [RegistryTraitResource]
    public var probedAt: Date?
    public var mayWrite: Bool?
    public var findings: [String]
    public var leftBehind: [String]
    public var failure: String?

    public init(
        name: String, environment: String, url: String, repository: String, concurrency: Int, allowance: Int, bandwidth: Int?,
        rateLimit: RegistryRateLimitResource?, profile: [RegistryTraitResource], probedAt: Date?, mayWrite: Bool?, findings: [String],
        leftBehind: [String], failure: String?
    ) {
        self.name = name
        self.environment = environment
        self.url = url
        self.repository = repository
        self.concurrency = concurrency
        self.allowance = allowance
        self.bandwidth = bandwidth
        self.rateLimit = rateLimit
        self.profile = profile
        self.probedAt = probedAt
        self.mayWrite = mayWrite
        self.findings = findings
        self.leftBehind = leftBehind
        self.failure = failure
    }
}

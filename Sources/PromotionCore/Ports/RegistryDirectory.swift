public import AuditLog
public import Foundation
public import PolicyEngine

/// One thing that is known of a registry, and from where.
public struct RegistryTrait: Sendable, Hashable {
    /// Who says so, in the order of their weight.
    public enum Source: String, Sendable, Hashable, CaseIterable {
        /// environments.yaml.
        case configured
        /// Met in work.
        case learned
        /// Found out by a probe.
        case probed
    }

    /// `mount`, `upload`, `referrers`, …: the keys of `profile` in environments.yaml, and what only a probe can tell.
    public let name: String
    public let value: String
    public let source: Source

    public init(name: String, value: String, source: Source) {
        self.name = name
        self.value = value
        self.source = source
    }
}

/// A registry as it is known now.
public struct RegistryState: Sendable, Hashable {
    /// What a registry says of how much may still be asked of it.
    public struct RateLimit: Sendable, Hashable {
        public let limit: Int
        public let remaining: Int?
        public let windowSeconds: Int?
        public let seenAt: Date

        public init(limit: Int, remaining: Int?, windowSeconds: Int?, seenAt: Date) {
            self.limit = limit
            self.remaining = remaining
            self.windowSeconds = windowSeconds
            self.seenAt = seenAt
        }
    }

    public let name: String
    public let environment: EnvironmentName
    public let url: String
    public let repository: String
    /// Requests that may be under way at once: as the environment says, and as the registry bears it now.
    public let concurrency: Int
    public let allowance: Int
    /// Bytes a second of all transfers together; `nil` is unlimited.
    public let bandwidth: Int?
    public var rateLimit: RateLimit?
    public var traits: [RegistryTrait] = []
    public var probedAt: Date?
    /// Whether the credentials may write; `nil` before a probe.
    public var mayWrite: Bool?
    /// What the probe asked and heard.
    public var findings: [String] = []
    /// What the probe could not take away again.
    public var leftBehind: [String] = []
    /// Why the last probe came to nothing.
    public var failure: String?

    public init(
        name: String, environment: EnvironmentName, url: String, repository: String, concurrency: Int, allowance: Int, bandwidth: Int?
    ) {
        self.name = name
        self.environment = environment
        self.url = url
        self.repository = repository
        self.concurrency = concurrency
        self.allowance = allowance
        self.bandwidth = bandwidth
    }
}

/// The registries that environments name, and what is known of them.
public protocol RegistryDirectory: Sendable {
    func registries() async throws(PromotionFailure) -> [RegistryState]

    /// Finds out what a registry can do, now. Writes to scratch repositories there, and an audit entry.
    ///
    /// - Returns: `nil` where no environment names such a registry.
    func probe(
        _ name: String, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) async throws(PromotionFailure) -> RegistryState?
}

public import Foundation
public import OCI
public import PolicyEngine

/// The times in which a digest was seen in one registry.
public struct RegistryPresence: Sendable, Hashable {
    /// The registry's name in environments.yaml.
    public let registry: String
    public let firstSeen: Date
    /// Since when it is there without a break; `nil` where it no longer is.
    public let since: Date?

    public init(registry: String, firstSeen: Date, since: Date?) {
        self.registry = registry
        self.firstSeen = firstSeen
        self.since = since
    }
}

/// What Shiplift remembers that policy asks about: where a digest is and was, what entered an environment, and what was said.
public protocol FactStore: Sendable {
    /// When tags of the image were seen to name the digest, by registry.
    func sightings(of digest: Digest, image: ImageName) async throws(StoreError) -> [RegistryPresence]

    /// Promotions that entered an environment since then, the newest first, at most 100,000.
    func promotions(into environment: EnvironmentName, since: Date) async throws(StoreError) -> [RecentPromotion]

    /// What was said to a promotion, the oldest first, at most 1,000.
    func verdicts(on promotion: PromotionID) async throws(StoreError) -> [PromotionVerdict]

    /// What was posted about any of the digests, of these kinds: of each kind, digest and poster the newest, at most 500.
    func evidence(about digests: [Digest], image: ImageName, kinds: Set<String>) async throws(StoreError) -> [EvidenceFact]

    /// Scans that were posted of any of the digests: of each scanner, digest and poster the newest, at most 100.
    func scans(of digests: [Digest], image: ImageName) async throws(StoreError) -> [ScanFact]
}

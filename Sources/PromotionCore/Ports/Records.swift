public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// API tokens. Each change is one transaction with its audit entry.
public protocol TokenStore: Sendable {
    func create(_ token: TokenRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError)
    /// The token with this hash, or whose previous secret with this hash still counts; notes the day of its use.
    func token(sha256: [UInt8]) async throws(StoreError) -> TokenRecord?
    func tokens(limit: Int) async throws(StoreError) -> [TokenRecord]
    func revoke(_ id: UUID, audit: AuditEntry) async throws(StoreError) -> TokenRecord
    /// Gives a token another secret. The one before counts until `overlap`; one that still counted from an earlier rotation does no longer.
    ///
    /// - Throws: `notFound` where there is no such token, or it was revoked.
    func rotate(_ token: TokenRecord, sha256: [UInt8], overlap: Date, audit: AuditEntry) async throws(StoreError) -> TokenRecord
}

/// An image that Shiplift has seen, and where.
public struct ImageSummary: Sendable, Hashable {
    public let image: ImageName
    public let environments: [EnvironmentName]
    public let lastPromotedAt: Date?

    public init(image: ImageName, environments: [EnvironmentName], lastPromotedAt: Date?) {
        self.image = image
        self.environments = environments
        self.lastPromotedAt = lastPromotedAt
    }
}

/// A stretch of time in which a tag named one digest, as it was seen.
public struct TagPeriod: Sendable, Hashable {
    public let environment: EnvironmentName
    public let registry: String
    public let repository: RepositoryName
    public let tag: Tag
    /// `nil`: the tag did not exist.
    public let digest: Digest?
    public let since: Date
    /// `nil`: still so when last seen.
    public let until: Date?
    public let promotion: PromotionID?

    public init(
        environment: EnvironmentName, registry: String, repository: RepositoryName, tag: Tag, digest: Digest?, since: Date, until: Date?,
        promotion: PromotionID?
    ) {
        self.environment = environment
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest
        self.since = since
        self.until = until
        self.promotion = promotion
    }
}

/// Where an artifact is known to be.
public struct ArtifactLocation: Sendable, Hashable {
    public let environment: EnvironmentName
    public let registry: String
    public let image: ImageName
    public let repository: RepositoryName
    /// The tags that name it now, as last seen.
    public let tags: [Tag]
    public let seenAt: Date

    public init(environment: EnvironmentName, registry: String, image: ImageName, repository: RepositoryName, tags: [Tag], seenAt: Date) {
        self.environment = environment
        self.registry = registry
        self.image = image
        self.repository = repository
        self.tags = tags
        self.seenAt = seenAt
    }
}

/// An artifact's description and whereabouts.
public struct ArtifactSummary: Sendable, Hashable {
    public let digest: Digest
    public let mediaType: MediaType?
    public let sizeBytes: Int?
    public let locations: [ArtifactLocation]

    public init(digest: Digest, mediaType: MediaType?, sizeBytes: Int?, locations: [ArtifactLocation]) {
        self.digest = digest
        self.mediaType = mediaType
        self.sizeBytes = sizeBytes
        self.locations = locations
    }
}

/// What is where, as last seen.
public protocol Catalog: Sendable {
    func images(matching text: String?, cursor: String?, limit: Int) async throws(StoreError) -> Page<ImageSummary>
    func tags(image: ImageName, environment: EnvironmentName?, tag: Tag?, history: Bool, cursor: String?, limit: Int)
        async throws(StoreError) -> Page<TagPeriod>
    func artifact(_ digest: Digest) async throws(StoreError) -> ArtifactSummary?
    /// Writes down what a tag was seen to name (`nil`: it does not exist). Equal sightings only move the time.
    func observe(tag: Tag, target: TargetRepository, image: ImageName, environment: EnvironmentName, digest: Digest?, seenBy: String)
        async throws(StoreError)
    /// Makes environments, registries and repositories of a policy set known to the database.
    func adopt(_ policies: PolicySet, audit: AuditEntry) async throws(StoreError)
    /// The files of the version that was put in force last; `nil` where none ever was.
    func lastPolicy() async throws(StoreError) -> [PolicyFile]?
}

/// Which audit entries a query shows. Empty fields don't filter.
public struct AuditFilter: Sendable, Hashable {
    public var actor: SubjectID?
    public var action: String?
    public var outcome: String?
    public var image: ImageName?
    public var digest: Digest?
    public var environment: EnvironmentName?
    public var promotion: PromotionID?
    public var since: Date?
    public var until: Date?

    public init() {}
}

/// An entry with its place in the log; no place until the sequencer has come by (within a second).
public struct LoggedAct: Sendable, Hashable {
    public let index: Int64?
    public let leafHash: MerkleHash
    public let entry: AuditEntry

    public init(index: Int64?, leafHash: MerkleHash, entry: AuditEntry) {
        self.index = index
        self.leafHash = leafHash
        self.entry = entry
    }
}

/// The audit log.
public protocol AuditTrail: Sendable {
    /// Writes an entry about something that changes nothing else in the database.
    func append(_ entry: AuditEntry) async throws(StoreError)
    /// Newest first.
    func entries(_ filter: AuditFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<LoggedAct>
    /// Gives waiting entries their place, alone under a lock; signs a checkpoint when the tree grew. Answers how many were placed.
    func sequence(signer: CheckpointSigner?) async throws(StoreError) -> Int
    /// Reads the whole log in order and checks it.
    func verify(keys: [CheckpointVerifier]) async throws(StoreError) -> AuditVerification
    /// The newest signed checkpoint.
    func checkpoint() async throws(StoreError) -> String?
    /// Streams the log in its export form, a line at a time.
    func export(to line: @concurrent (String) async throws -> Void) async throws
}

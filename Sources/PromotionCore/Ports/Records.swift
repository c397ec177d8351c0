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
    func tags(image: ImageName, environment: EnvironmentName?, tag: Tag?, history: Bool, cursor: String?, limit: Int)
        async throws(StoreError) -> Page<TagPeriod>
    func artifact(_ digest: Digest) async throws(StoreError) -> ArtifactSummary?
    /// Writes down what a tag was seen to name (`nil`: it does not exist). Equal sightings change nothing.
    ///
    /// - Parameter age: how long ago the look began: what was written since, by a promotion or another look, is not touched.
    func observe(
        tag: Tag, target: TargetRepository, image: ImageName, environment: EnvironmentName, digest: Digest?, seenBy: String, age: Duration
    ) async throws(StoreError)
    /// Makes environments, registries and repositories of a policy set known to the database.
    func adopt(_ policies: PolicySet, audit: AuditEntry) async throws(StoreError)
    /// The files of the version that was put in force last; `nil` where none ever was.
    func lastPolicy() async throws(StoreError) -> [PolicyFile]?
}

extension Catalog {
    /// A look that has just been.
    public func observe(
        tag: Tag, target: TargetRepository, image: ImageName, environment: EnvironmentName, digest: Digest?, seenBy: String
    ) async throws(StoreError) {
        try await observe(tag: tag, target: target, image: image, environment: environment, digest: digest, seenBy: seenBy, age: .zero)
    }
}

/// How an entry is named: by its id, or by its place in the log.
public enum EntryReference: Sendable, Hashable {
    case id(UUID)
    case index(Int64)

    /// `nil` where the text is neither.
    public init?(parsing text: String) {
        if let id = UUID(uuidString: text) {
            self = .id(id)
        } else if let index = Int64(text), index >= 0 {
            self = .index(index)
        } else {
            return nil
        }
    }
}

extension AuditTrail {
    /// The newest signed checkpoint.
    public func checkpoint() async throws(StoreError) -> String? { try await checkpoint(witnessed: false) }
}

/// The audit log.
public protocol AuditTrail: Sendable {
    /// Writes an entry about something that changes nothing else in the database.
    func append(_ entry: AuditEntry) async throws(StoreError)
    /// A page of entries by their time. A cursor leads on in either direction.
    func entries(_ filter: AuditFilter, order: AuditOrder, cursor: String?, limit: Int) async throws(StoreError) -> AuditPage
    /// Entries after a place in the log, in the log's order: what came since, with nothing left out. Looks at a bounded stretch of the log.
    func entries(_ filter: AuditFilter, after index: Int64, limit: Int) async throws(StoreError) -> AuditPage
    /// All entries of a query, one at a time.
    func stream(_ filter: AuditFilter, order: AuditOrder, to act: @concurrent (ListedAct) async throws -> Void) async throws
    /// Gives waiting entries their place, alone under a lock; signs a checkpoint when the tree grew. Answers how many were placed.
    func sequence(signer: CheckpointSigner?) async throws(StoreError) -> Int
    /// Reads the whole log in order and checks it.
    func verify(keys: [CheckpointVerifier]) async throws(StoreError) -> AuditVerification
    /// The newest signed checkpoint, with what witnesses said of it.
    ///
    /// - Parameter witnessed: the newest that a witness cosigned; the newest of all is a little newer.
    func checkpoint(witnessed: Bool) async throws(StoreError) -> String?
    /// How far publishing checkpoints has come, place by place.
    func sinkStates() async throws(StoreError) -> [CheckpointSinkState]
    /// An entry with its proof under the newest signed checkpoint; `nil` where there is no such entry.
    ///
    /// - Throws: `notYet` where it is younger than that checkpoint.
    func proof(of entry: EntryReference) async throws(StoreError) -> AuditProof?
    /// That the log of `second` entries, or of the newest checkpoint, continues that of `first`; `nil` where the log has not so many entries.
    func consistency(from first: UInt64, to second: UInt64?) async throws(StoreError) -> AuditConsistency?
    /// Streams the log in its export form, a line at a time.
    func export(to line: @concurrent (String) async throws -> Void) async throws
}

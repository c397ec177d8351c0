public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// What a tag was found to name.
public struct TagLook: Sendable, Hashable {
    public let tag: Tag
    /// `nil`: it does not exist.
    public let digest: Digest?

    public init(tag: Tag, digest: Digest?) {
        self.tag = tag
        self.digest = digest
    }
}

/// Reads whole registries, within their limits. Talks only to registries that an environment names.
public protocol RegistrySurvey: Sendable {
    /// The names of all repositories of a registry, at most 200,000; `nil` where it does not tell us.
    func catalog(of registry: RegistryDefinition, tally: RequestTally) async throws(PromotionFailure) -> [RepositoryName]?

    /// The tags of an image, page by page, each once; none where it does not exist.
    func tags(
        of image: ImageName, in registry: RegistryDefinition, tally: RequestTally, page: @escaping ([Tag]) async throws(PromotionFailure) -> Void
    ) async throws(PromotionFailure)

    /// What tags name: one request each. The manifests of those in `unknown` are read and kept.
    func look(
        at tags: [Tag], unknown: Set<Tag>, of image: ImageName, in registry: RegistryDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> [TagLook]

    /// What an artifact says of itself; `nil` where it can't be read.
    ///
    /// - Parameter tally: counts the requests; without it none is made, and what is not kept is not known.
    func describe(
        _ digest: Digest, of image: ImageName, in registry: RegistryDefinition, tally: RequestTally?
    ) async throws(PromotionFailure) -> ArtifactDescription?
}

/// An artifact that nobody has described yet, and where it is.
public struct UndescribedArtifact: Sendable, Hashable {
    public let digest: Digest
    public let image: ImageName
    public let registry: String
    public let environment: EnvironmentName

    public init(digest: Digest, image: ImageName, registry: String, environment: EnvironmentName) {
        self.digest = digest
        self.image = image
        self.registry = registry
        self.environment = environment
    }
}

/// Scans, and what they find out. All times are the database's own.
public protocol InventoryStore: Sendable {
    /// Asks for a scan; where one is asked for already, that one is answered.
    func request(_ id: UUID, of environment: EnvironmentName, by actor: SubjectID, audit: AuditEntry?) async throws(StoreError) -> InventoryScan
    /// Whether an environment's last scan ended, or began to be waited for, longer ago than this.
    func isScanDue(_ environment: EnvironmentName, every interval: Duration) async throws(StoreError) -> Bool
    /// Takes a scan that waits, or whose worker is gone.
    func claimScan(owner: UUID, for duration: Duration) async throws(StoreError) -> InventoryScan?
    /// Notes how far a scan is, and keeps it; `leaseLost` where another has it.
    func advance(_ scan: UUID, owner: UUID, counts: ScanCounts, position: ScanPosition?, failures: [String], for duration: Duration)
        async throws(StoreError)
    func finish(_ scan: UUID, owner: UUID, succeeded: Bool, counts: ScanCounts, failures: [String]) async throws(StoreError)
    func scan(_ id: UUID) async throws(StoreError) -> InventoryScan?
    func scans(of environment: EnvironmentName?, cursor: String?, limit: Int) async throws(StoreError) -> Page<InventoryScan>

    /// The images that were ever seen in a registry.
    func images(in registry: String) async throws(StoreError) -> [ImageName]
    /// What the tags of a repository named when they were last seen.
    func tags(of target: TargetRepository) async throws(StoreError) -> [Tag: Digest]
    /// Writes down what tags of a repository were seen to name.
    ///
    /// - Parameter age: how long ago the look began: what was written since is not touched.
    func observe(
        _ looks: [TagLook], of image: ImageName, at target: TargetRepository, in environment: EnvironmentName, age: Duration, seenBy: String
    ) async throws(StoreError) -> TagChanges
    /// Those of these artifacts that are not described, or not completely.
    func undescribed(_ digests: [Digest]) async throws(StoreError) -> [Digest]
    func describe(_ descriptions: [ArtifactDescription], of image: ImageName) async throws(StoreError)
    /// That these artifacts belong to the image, with what is known of them.
    func attribute(_ digests: [Digest], to image: ImageName) async throws(StoreError)
    /// What tags have come to name since then and nobody has described, and how far the look has come.
    func newArtifacts(after ordinal: Int64, limit: Int) async throws(StoreError) -> (artifacts: [UndescribedArtifact], reached: Int64)
}

/// Which drifts a query shows. Empty fields don't filter.
public struct DriftFilter: Sendable, Hashable {
    public var environment: EnvironmentName?
    public var image: ImageName?
    /// `nil` for both.
    public var isOpen: Bool?

    public init() {}
}

/// Questions about what is and was where.
public protocol InventoryQueries: Sendable {
    func search(_ search: ImageSearch, cursor: String?, limit: Int) async throws(StoreError) -> Page<ImageHit>
    /// What was in an environment at a time, as it was seen: by image, tag and registry.
    func state(of environment: EnvironmentName, image: ImageName?, at time: Date?, cursor: String?, limit: Int) async throws(StoreError)
        -> Page<PlacedTag>
    /// Moves of tags, the newest first.
    func moves(of image: ImageName?, environment: EnvironmentName?, tag: Tag?, since: Date?, until: Date?, cursor: String?, limit: Int)
        async throws(StoreError) -> Page<RecordedTagMove>
    /// Two environments beside each other, image by image.
    func difference(from: EnvironmentName, to: EnvironmentName, image: ImageName?, cursor: String?, limit: Int) async throws(StoreError)
        -> Page<ImageStanding>
    func drifts(_ filter: DriftFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Drift>
    /// How many drifts are open, by environment.
    func openDrifts() async throws(StoreError) -> [EnvironmentName: Int]
}

/// What a rollback goes back to.
public enum RollbackGoal: Sendable, Hashable {
    /// Before the last move of a tag: what moved together goes back together.
    case previous
    /// As it was then.
    case state(Date)
    /// What this artifact's tags were when it was there last.
    case digest(Digest)
}

/// What a tag named in an environment at an earlier time.
public struct EarlierTag: Sendable, Hashable {
    public let image: ImageName
    public let tag: Tag
    public let digest: Digest
    /// The time whose state this is.
    public let state: Date
    /// The environment from which the artifact came by promotion, as far as is known.
    public let step: EnvironmentName?
    /// Whether all registries of the environment have it so now.
    public let isCurrent: Bool

    public init(image: ImageName, tag: Tag, digest: Digest, state: Date, step: EnvironmentName?, isCurrent: Bool) {
        self.image = image
        self.tag = tag
        self.digest = digest
        self.state = state
        self.step = step
        self.isCurrent = isCurrent
    }
}

/// The earlier states of environments.
public protocol EarlierStates: Sendable {
    /// What tags named: of one image, or of all of an environment where `image` is `nil`, at most `limit`.
    ///
    /// - Parameter tags: only these, where there are any.
    func earlier(_ goal: RollbackGoal, in environment: EnvironmentName, image: ImageName?, tags: [Tag], limit: Int) async throws(StoreError)
        -> [EarlierTag]

    /// The promotions that a principal asked for under a key with `#` behind it.
    func promotions(under key: String, of principal: SubjectID) async throws(StoreError) -> [Promotion]
}

/// Drifts that are to be put right.
public protocol DriftQueue: Sendable {
    /// Takes open drifts of an environment whose turn has come and that no promotion is at work on; each for one caller.
    func driftsToRestore(in environment: EnvironmentName, limit: Int) async throws(StoreError) -> [Drift]
    /// Notes which promotion is to put it back.
    func restoring(_ drift: UUID, by promotion: PromotionID) async throws(StoreError)
}

import Foundation
public import OCI
public import PolicyEngine
import Synchronization
public import Trust

/// An artifact that was found in an environment.
public struct ResolvedArtifact: Sendable, Hashable {
    /// The registry it was found in.
    public let registry: String
    public let repository: RepositoryName
    public let digest: Digest

    public init(registry: String, repository: RepositoryName, digest: Digest) {
        self.registry = registry
        self.repository = repository
        self.digest = digest
    }
}

/// Counts the requests that a decision costs, by method class.
public final class RequestTally: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    public init() {}

    public var requests: [String: Int] { counts.withLock { $0 } }

    public func add(_ requests: [String: Int]) { counts.withLock { $0.merge(requests, uniquingKeysWith: +) } }
}

/// What a manifest tree says about an artifact, for policy.
public struct ArtifactFacts: Sendable, Hashable {
    public let mediaType: MediaType
    public let artifactType: String?
    public let annotations: [String: String]
    public let platforms: [PlatformFacts]
    /// Bytes of all blobs and manifests, each digest once.
    public let sizeBytes: Int64
    public let created: String?

    public init(
        mediaType: MediaType, artifactType: String?, annotations: [String: String], platforms: [PlatformFacts], sizeBytes: Int64, created: String?
    ) {
        self.mediaType = mediaType
        self.artifactType = artifactType
        self.annotations = annotations
        self.platforms = platforms
        self.sizeBytes = sizeBytes
        self.created = created
    }
}

/// What was found beside an artifact.
public struct AttachedEvidence: Sendable, Hashable {
    /// Something signed, and the manifest that it hangs on.
    public struct Signed: Sendable, Hashable {
        public let subject: Digest
        public let attachment: SignedAttachment

        public init(subject: Digest, attachment: SignedAttachment) {
            self.subject = subject
            self.attachment = attachment
        }
    }

    public var signed: [Signed] = []
    /// Those that nobody signed.
    public var sboms: [SBOMFact] = []

    public init() {}
}

/// Reading what is where. Talks only to registries that an environment names.
public protocol ImageRegistries: Sendable {
    /// Finds a tag or digest in an environment: one request per registry, the first that has it answers. `nil` where none has it.
    func resolve(_ image: ImageName, _ reference: ManifestReference, in environment: EnvironmentDefinition, tally: RequestTally)
        async throws(PromotionFailure) -> ResolvedArtifact?

    /// Whether a registry of the environment has the artifact, by its own word: what was seen a moment ago does not count.
    func holds(_ digest: Digest, image: ImageName, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> Bool

    /// Reads the tree of an artifact (from kept manifests where they are known) and what policy asks of it, no more than that.
    func facts(of digest: Digest, image: ImageName, in environment: EnvironmentDefinition, needs: FactNeeds, tally: RequestTally)
        async throws(PromotionFailure) -> ArtifactFacts

    /// Looks at tags that will soon be asked about with ``currentTargets(_:tag:in:tally:)``, while something else is waited for. A hint: what
    /// fails here fails there.
    func lookAhead(_ image: ImageName, tags: [Tag], in environment: EnvironmentDefinition, tally: RequestTally) async

    /// What a tag names now in each registry of an environment, or named a second ago at most; registries where it does not exist are left out.
    func currentTargets(_ image: ImageName, tag: Tag, in environment: EnvironmentDefinition, tally: RequestTally)
        async throws(PromotionFailure) -> [(target: TargetRepository, digest: Digest)]

    /// Reads what claims to be signed about an artifact or one of its platforms, and what bills of materials hang on them, within bounds.
    /// Nothing of it is believed yet.
    ///
    /// - Throws: `contentMissing` where the registry does not have the artifact.
    func attachments(to digest: Digest, image: ImageName, in registry: RegistryDefinition, needs: FactNeeds, tally: RequestTally)
        async throws(PromotionFailure) -> AttachedEvidence

    /// The tags of an image in an environment, bounded by `limit`, each looked up and recorded in the tag's history.
    func refreshTags(_ image: ImageName, in environment: EnvironmentDefinition, limit: Int) async throws(PromotionFailure) -> Int
}

extension ImageRegistries {
    public func holds(_ digest: Digest, image: ImageName, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> Bool {
        try await resolve(image, .digest(digest), in: environment, tally: RequestTally()) != nil
    }
}

/// The copy engine as the promotion sees it. Every method may run twice without harm.
public protocol ImageTransfer: Sendable {
    /// The plan that `copy` would follow now. Nothing is written.
    func plan(_ order: TransferOrder) async throws(PromotionFailure) -> CopyPlanSummary

    /// Brings blobs, child manifests and the root (by digest) to every registry of the target environment. No tag is touched.
    func copy(_ order: TransferOrder, progress: @escaping @Sendable (CopyProgress) -> Void) async throws(PromotionFailure) -> CopyReport

    /// Brings what has come to refer to an artifact since it was promoted to where the artifact still is. Answers what was done where
    /// something was, and what failed.
    func carryEvidence(_ order: TransferOrder) async throws(PromotionFailure) -> [CarriedEvidence]

    /// Moves the tags: reads and records each previous digest, writes where it differs, reads back.
    ///
    /// - Parameter deadline: no write starts, and none stays open, after this instant: it lies before the lease's end.
    func commit(_ order: TransferOrder, deadline: ContinuousClock.Instant) async throws(PromotionFailure) -> TagCommit
}

/// What a registry got of late evidence.
public struct CarriedEvidence: Sendable, Hashable {
    public let target: TargetRepository
    public let digests: [Digest]
    public let failure: PromotionFailure?

    public init(target: TargetRepository, digests: [Digest], failure: PromotionFailure? = nil) {
        self.target = target
        self.digests = digests
        self.failure = failure
    }
}

/// Which promoted artifacts are to be looked at for late evidence.
public protocol EvidenceQueue: Sendable {
    /// Takes promotions whose turn has come: the younger, the more often, for thirty days; each for one caller.
    ///
    /// - Parameter pause: the shortest time between two looks.
    func dueForEvidence(pause: Duration, limit: Int) async throws(StoreError) -> [Promotion]
}

/// The tags as they stand after a commit, and what it cost.
public struct TagCommit: Sendable, Hashable {
    public let moves: [TagMove]
    public let report: CopyReport

    public init(moves: [TagMove], report: CopyReport) {
        self.moves = moves
        self.report = report
    }
}

/// The policy in force.
public protocol PolicySource: Sendable {
    /// The last good version. Throws where none was ever loaded.
    func current() async throws(PromotionFailure) -> PolicySet

    /// Why the newest version of the files is not in force; empty where it is.
    func refused() async -> [PolicyDiagnostic]
}

import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Synchronization

/// One promotion in memory, with the moves that were made. Its state machine is the real one; SQL is tested on PostgreSQL.
final class InMemoryPromotions: PromotionStore, WorkQueue {
    struct State {
        var promotion: Promotion
        var moves: [PromotionState] = []
        var audits: [AuditEntry] = []
        var givenBack: [(delay: Duration, failed: Bool)] = []
        var isLeaseLost = false
        /// Another promotion that holds the same tags.
        var tagsAreHeldBy: PromotionID?
    }

    let state: Mutex<State>

    init(_ promotion: Promotion) { state = Mutex(State(promotion: promotion)) }

    var lease: Lease { Lease(job: 1, promotion: state.withLock { $0.promotion.id }, epoch: 1) }

    func move(_ changes: [StateChange], lease: Lease) async throws(StoreError) -> [RecordedMove] {
        let result: Result<[RecordedMove], StoreError> = state.withLock { state in
            if state.isLeaseLost { return .failure(.leaseLost) }
            // All or none, as in a transaction.
            var after = state
            var moves: [RecordedMove] = []
            for change in changes {
                guard change.from.contains(after.promotion.state), after.promotion.state.canMove(to: change.to) else {
                    return .failure(.stale(current: after.promotion.state))
                }
                if change.to == .copying, let holder = after.tagsAreHeldBy { return .failure(.targetHeld(by: holder)) }
                let move = RecordedMove(version: after.promotion.version + 1, at: Date())
                after.promotion = after.promotion.after(change, move)
                after.moves.append(change.to)
                after.audits.append(change.audit)
                moves.append(move)
            }
            state = after
            return .success(moves)
        }
        return try result.get()
    }

    func giveBack(_ lease: Lease, after delay: Duration, countsAsFailure: Bool) async throws(StoreError) {
        state.withLock { $0.givenBack.append((delay, countsAsFailure)) }
    }

    func create(_ promotion: Promotion, key: IdempotencyKey?, audit: AuditEntry) async throws(StoreError) -> CreatedPromotion { throw .notFound }
    func promotion(_ id: PromotionID) async throws(StoreError) -> Promotion? { state.withLock { $0.promotion } }
    func promotions(_ filter: PromotionFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Promotion> { throw .notFound }
    func cancel(_ id: PromotionID, audit: AuditEntry, whileRunning request: AuditEntry) async throws(StoreError) -> Promotion { throw .notFound }
    func retry(_ id: PromotionID, audit: AuditEntry) async throws(StoreError) -> Promotion { throw .notFound }
    func claim(owner: UUID, limit: Int, duration: Duration) async throws(StoreError) -> [LeasedPromotion] { [] }
    func renew(_ lease: Lease, for duration: Duration, progress: CopyProgress?) async throws(StoreError) -> Bool { false }
    func rescue() async throws(StoreError) -> Int { 0 }
    func wakeUps() async -> AsyncStream<Void> { AsyncStream { $0.finish() } }
    func announce() async throws(StoreError) {}
    func depth() async throws(StoreError) -> QueueDepth { QueueDepth(available: 0, running: 0, oldestSeconds: nil) }
}

/// Registries that hold one artifact in the source environment.
struct FakeRegistries: ImageRegistries {
    var labels: [String: String] = ["org.opencontainers.image.source": "https://git.example.test/shop/api"]
    var failure: PromotionFailure?
    var isPresent = true

    func resolve(
        _ image: ImageName, _ reference: ManifestReference, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> ResolvedArtifact? {
        if let failure { throw failure }
        tally.add(["head": 1])
        guard isPresent, case .digest(let digest) = reference, let repository = try? RepositoryName(parsing: "dev/shop/api") else { return nil }
        return ResolvedArtifact(registry: "dev", repository: repository, digest: digest)
    }

    func facts(
        of digest: Digest, image: ImageName, in environment: EnvironmentDefinition, needs: FactNeeds, tally: RequestTally
    ) async throws(PromotionFailure) -> ArtifactFacts {
        ArtifactFacts(
            mediaType: .ociManifest, artifactType: nil, annotations: [:],
            platforms: [PlatformFacts(platform: Platform(os: "linux", architecture: "amd64"), labels: labels, user: nil)], sizeBytes: 1, created: nil)
    }

    func lookAhead(_ image: ImageName, tags: [Tag], in environment: EnvironmentDefinition, tally: RequestTally) async {}

    func currentTargets(
        _ image: ImageName, tag: Tag, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> [(target: TargetRepository, digest: Digest)] { [] }

    func attachments(
        to digest: Digest, image: ImageName, in registry: RegistryDefinition, needs: FactNeeds, tally: RequestTally
    ) async throws(PromotionFailure) -> AttachedEvidence { AttachedEvidence() }

    func refreshTags(_ image: ImageName, in environment: EnvironmentDefinition, limit: Int) async throws(PromotionFailure) -> Int { 0 }
}

/// A copy engine that does as it is told.
final class FakeTransfer: ImageTransfer {
    let onCopy: @Sendable () async throws(PromotionFailure) -> Void
    let onCommit: @Sendable () async throws(PromotionFailure) -> Void

    init(
        onCopy: @escaping @Sendable () async throws(PromotionFailure) -> Void = {},
        onCommit: @escaping @Sendable () async throws(PromotionFailure) -> Void = {}
    ) {
        self.onCopy = onCopy
        self.onCommit = onCommit
    }

    func carryEvidence(_ order: TransferOrder) async throws(PromotionFailure) -> [CarriedEvidence] { [] }
    func plan(_ order: TransferOrder) async throws(PromotionFailure) -> CopyPlanSummary { CopyPlanSummary(targets: [], steps: []) }

    func copy(_ order: TransferOrder, progress: @escaping @Sendable (CopyProgress) -> Void) async throws(PromotionFailure) -> CopyReport {
        try await onCopy()
        return CopyReport(sourceRequests: ["get": 2])
    }

    func commit(_ order: TransferOrder, deadline: ContinuousClock.Instant) async throws(PromotionFailure) -> TagCommit {
        try await onCommit()
        return TagCommit(moves: [], report: CopyReport(sourceRequests: ["head": 1]))
    }
}

struct FixedPolicies: PolicySource {
    let set: PolicySet
    func current() async throws(PromotionFailure) -> PolicySet { set }
    func refused() async -> [PolicyDiagnostic] { [] }
}

struct NothingRemembered: FactStore {
    func sightings(of digest: Digest, image: ImageName) async throws(StoreError) -> [RegistryPresence] { [] }
    func promotions(into environment: EnvironmentName, since: Date) async throws(StoreError) -> [RecentPromotion] { [] }
    func verdicts(on promotion: PromotionID) async throws(StoreError) -> [PromotionVerdict] { [] }
    func evidence(about digests: [Digest], image: ImageName, kinds: Set<String>) async throws(StoreError) -> [EvidenceFact] { [] }
    func scans(of digests: [Digest], image: ImageName) async throws(StoreError) -> [ScanFact] { [] }
}

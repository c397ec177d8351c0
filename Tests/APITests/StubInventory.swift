import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore

/// Nothing was ever seen.
extension UnreachableStore {
    func request(_ id: UUID, of environment: EnvironmentName, by actor: SubjectID, audit: AuditEntry?) async throws(StoreError) -> InventoryScan {
        InventoryScan(
            id: id, environment: environment, state: .waiting, requestedBy: actor, requestedAt: Date(timeIntervalSince1970: 1_800_000_000), startedAt: nil,
            finishedAt: nil, counts: ScanCounts(), position: nil, failures: [])
    }
    func isScanDue(_ environment: EnvironmentName, every interval: Duration) async throws(StoreError) -> Bool { false }
    func claimScan(owner: UUID, for duration: Duration) async throws(StoreError) -> InventoryScan? { nil }
    func advance(
        _ scan: UUID, owner: UUID, counts: ScanCounts, position: ScanPosition?, failures: [String], for duration: Duration
    ) async throws(StoreError) {}
    func finish(_ scan: UUID, owner: UUID, succeeded: Bool, counts: ScanCounts, failures: [String]) async throws(StoreError) {}
    func scan(_ id: UUID) async throws(StoreError) -> InventoryScan? { nil }
    func scans(of environment: EnvironmentName?, cursor: String?, limit: Int) async throws(StoreError) -> Page<InventoryScan> { Page(items: [], next: nil) }
    func images(in registry: String) async throws(StoreError) -> [ImageName] { [] }
    func tags(of target: TargetRepository) async throws(StoreError) -> [Tag: Digest] { [:] }
    func observe(
        _ looks: [TagLook], of image: ImageName, at target: TargetRepository, in environment: EnvironmentName, age: Duration, seenBy: String
    ) async throws(StoreError) -> TagChanges { TagChanges() }
    func undescribed(_ digests: [Digest]) async throws(StoreError) -> [Digest] { [] }
    func describe(_ descriptions: [ArtifactDescription], of image: ImageName) async throws(StoreError) {}
    func attribute(_ digests: [Digest], to image: ImageName) async throws(StoreError) {}
    func newArtifacts(after ordinal: Int64, limit: Int) async throws(StoreError) -> (artifacts: [UndescribedArtifact], reached: Int64) { ([], 0) }

    func search(_ search: ImageSearch, cursor: String?, limit: Int) async throws(StoreError) -> Page<ImageHit> { Page(items: [], next: nil) }
    func state(of environment: EnvironmentName, image: ImageName?, at time: Date?, cursor: String?, limit: Int) async throws(StoreError) -> Page<PlacedTag> {
        Page(items: [], next: nil)
    }
    func moves(
        of image: ImageName?, environment: EnvironmentName?, tag: Tag?, since: Date?, until: Date?, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<RecordedTagMove> { Page(items: [], next: nil) }
    func difference(
        from: EnvironmentName, to: EnvironmentName, image: ImageName?, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<ImageStanding> { Page(items: [], next: nil) }
    func drifts(_ filter: DriftFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Drift> { Page(items: [], next: nil) }
    func openDrifts() async throws(StoreError) -> [EnvironmentName: Int] { [:] }
    func earlier(
        _ goal: RollbackGoal, in environment: EnvironmentName, image: ImageName?, tags: [Tag], limit: Int
    ) async throws(StoreError) -> [EarlierTag] { [] }
    func promotions(under key: String, of principal: SubjectID) async throws(StoreError) -> [Promotion] { [] }

    func catalog(of registry: RegistryDefinition, tally: RequestTally) async throws(PromotionFailure) -> [RepositoryName]? { nil }
    func tags(
        of image: ImageName, in registry: RegistryDefinition, tally: RequestTally, page: @escaping ([Tag]) async throws(PromotionFailure) -> Void
    ) async throws(PromotionFailure) {}
    func look(
        at tags: [Tag], unknown: Set<Tag>, of image: ImageName, in registry: RegistryDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> [TagLook] { [] }
    func describe(
        _ digest: Digest, of image: ImageName, in registry: RegistryDefinition, tally: RequestTally?
    ) async throws(PromotionFailure) -> ArtifactDescription? { nil }
}

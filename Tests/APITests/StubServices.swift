import API
import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore

/// Ports that are never reached: what gets this far in these tests is a mistake of the routes.
struct UnreachableStore: PromotionStore, WorkQueue, TokenStore, Catalog, AuditTrail, ImageRegistries, ImageTransfer, FactStore, PolicySource, PolicyDesk,
    StatementStore, DecisionLog, RegistryDirectory, PromotionJournal, SessionStore, IssuerDocuments, ImageInspection, InventoryStore, InventoryQueries,
    EarlierStates, RegistrySurvey
{
    /// The one token that is known.
    var known: (sha256: [UInt8], record: TokenRecord)?
    /// The one browser in which somebody has logged in.
    var session: (sha256: [UInt8], record: SessionRecord)?
    /// What there is, where a test is about answers that hold something.
    var samples: Samples?

    /// What the audit log holds.
    static let acts: [ListedAct] = {
        do {
            let entry = try AuditEntry(
                id: UUID(uuid: (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)), time: Date(timeIntervalSince1970: 1_800_000_000),
                actor: AuditActor(id: "token:ci", authentication: .token), action: "promotion.requested", outcome: .success,
                subject: AuditEntry.Subject(image: "shop/api", tags: ["1.0", "1"]), reason: "=HYPERLINK(\"http://x\")")
            return [ListedAct(index: 7, leafHash: entry.leafHash, canonicalText: entry.canonicalText)]
        } catch { return [] }
    }()

    func create(_ promotion: Promotion, key: IdempotencyKey?, audit: AuditEntry) async throws(StoreError) -> CreatedPromotion {
        guard samples != nil else { throw .notFound }
        return .created(promotion)
    }
    func promotion(_ id: PromotionID) async throws(StoreError) -> Promotion? { samples?.promotion(id) }
    func promotions(_ filter: PromotionFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Promotion> {
        Page(items: samples?.promotions ?? [], next: samples.map { _ in "bmV4dA==" })
    }
    func move(_ changes: [StateChange], lease: Lease) async throws(StoreError) -> [RecordedMove] { throw .notFound }
    func cancel(
        _ id: PromotionID, ifVersion versions: Set<Int>?, audit: AuditEntry, whileRunning request: AuditEntry
    ) async throws(StoreError) -> Promotion { try changed(id, versions) }
    func retry(_ id: PromotionID, ifVersion versions: Set<Int>?, audit: AuditEntry) async throws(StoreError) -> Promotion { try changed(id, versions) }
    private func changed(_ id: PromotionID, _ versions: Set<Int>?) throws(StoreError) -> Promotion {
        guard let promotion = samples?.promotion(id) else { throw .notFound }
        if let versions, !versions.contains(promotion.version) { throw .changed(version: promotion.version) }
        return promotion
    }
    func claim(owner: UUID, limit: Int, duration: Duration) async throws(StoreError) -> [LeasedPromotion] { [] }
    func renew(_ lease: Lease, for duration: Duration, progress: CopyProgress?) async throws(StoreError) -> Bool { false }
    func giveBack(_ lease: Lease, after delay: Duration, countsAsFailure: Bool) async throws(StoreError) {}
    func standings(of ids: [PromotionID]) async throws(StoreError) -> [PromotionStanding] { [] }
    func moves(of id: PromotionID, after version: Int, limit: Int) async throws(StoreError) -> [PromotionMove] { samples?.moves(after: version) ?? [] }
    func rescue() async throws(StoreError) -> Int { 0 }
    func wakeUps() async -> AsyncStream<Void> { AsyncStream { $0.finish() } }
    func announce() async throws(StoreError) {}
    func depth() async throws(StoreError) -> QueueDepth { QueueDepth(available: 0, running: 0, oldestSeconds: nil) }
    func create(_ token: TokenRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError) {}
    func token(sha256: [UInt8]) async throws(StoreError) -> TokenRecord? { known?.sha256 == sha256 ? known?.record : nil }
    func tokens(limit: Int) async throws(StoreError) -> [TokenRecord] { samples == nil ? [] : [known?.record].compactMap(\.self) }
    func revoke(_ id: UUID, audit: AuditEntry) async throws(StoreError) -> TokenRecord {
        guard samples != nil, let record = known?.record else { throw .notFound }
        return record
    }
    func rotate(_ token: TokenRecord, sha256: [UInt8], overlap: Date, audit: AuditEntry) async throws(StoreError) -> TokenRecord { throw .notFound }
    func create(_ session: SessionRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError) {}
    func session(sha256: [UInt8], now: Date) async throws(StoreError) -> SessionRecord? { session?.sha256 == sha256 ? session?.record : nil }
    func end(_ id: UUID, at now: Date, audit: AuditEntry) async throws(StoreError) {}
    func document(at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data { throw IssuerDocumentError("nobody is asked") }
    func exchange(_ form: [(name: String, value: String)], at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data {
        throw IssuerDocumentError("nobody is asked")
    }
    func tags(
        image: ImageName, environment: EnvironmentName?, tag: Tag?, history: Bool, cursor: String?, limit: Int
    ) async throws(StoreError) -> Page<TagPeriod> { Page(items: samples?.tags ?? [], next: nil) }
    func artifact(_ digest: Digest) async throws(StoreError) -> ArtifactSummary? { samples?.artifact }
    func observe(
        tag: Tag, target: TargetRepository, image: ImageName, environment: EnvironmentName, digest: Digest?, seenBy: String, age: Duration
    ) async throws(StoreError) {}
    func adopt(_ policies: PolicySet, audit: AuditEntry) async throws(StoreError) {}
    func lastPolicy() async throws(StoreError) -> [PolicyFile]? { nil }
    func append(_ entry: AuditEntry) async throws(StoreError) {}
    func entries(_ filter: AuditFilter, order: AuditOrder, cursor: String?, limit: Int) async throws(StoreError) -> AuditPage {
        AuditPage(items: Self.acts, next: nil, previous: nil, position: nil)
    }
    func entries(_ filter: AuditFilter, after index: Int64, limit: Int) async throws(StoreError) -> AuditPage {
        AuditPage(items: [], next: nil, previous: nil, position: index)
    }
    func stream(_ filter: AuditFilter, order: AuditOrder, to act: @concurrent (ListedAct) async throws -> Void) async throws {
        for listed in Self.acts { try await act(listed) }
    }
    func sequence(signer: CheckpointSigner?) async throws(StoreError) -> Int { 0 }
    func verify(keys: [CheckpointVerifier]) async throws(StoreError) -> AuditVerification { .intact(size: 0, root: .empty, checkpoints: 0) }
    func checkpoint(witnessed: Bool) async throws(StoreError) -> String? { samples.map { _ in "shiplift\n1\nAAAA\n" } }
    func sinkStates() async throws(StoreError) -> [CheckpointSinkState] { [CheckpointSinkState(name: "file /x", size: 7, publishedAt: nil, failures: 2, lastError: "full")] }
    func proof(of entry: EntryReference) async throws(StoreError) -> AuditProof? { nil }
    func consistency(from first: UInt64, to second: UInt64?) async throws(StoreError) -> AuditConsistency? { nil }
    func export(to line: @concurrent (String) async throws -> Void) async throws {}
    func resolve(
        _ image: ImageName, _ reference: ManifestReference, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> ResolvedArtifact? { samples?.resolved }
    func facts(
        of digest: Digest, image: ImageName, in environment: EnvironmentDefinition, needs: FactNeeds, tally: RequestTally
    ) async throws(PromotionFailure) -> ArtifactFacts {
        throw PromotionFailure(.storage, "")
    }
    func inspect(_ digest: Digest, image: ImageName, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> InspectedImage {
        throw PromotionFailure(.storage, "")
    }
    func lookAhead(_ image: ImageName, tags: [Tag], in environment: EnvironmentDefinition, tally: RequestTally) async {}
    func currentTargets(
        _ image: ImageName, tag: Tag, in environment: EnvironmentDefinition, tally: RequestTally
    ) async throws(PromotionFailure) -> [(target: TargetRepository, digest: Digest)] { [] }
    func attachments(
        to digest: Digest, image: ImageName, in registry: RegistryDefinition, needs: FactNeeds, tally: RequestTally
    ) async throws(PromotionFailure) -> AttachedEvidence { AttachedEvidence() }

    func refreshTags(_ image: ImageName, in environment: EnvironmentDefinition, limit: Int) async throws(PromotionFailure) -> Int { 0 }
    func sightings(of digest: Digest, image: ImageName) async throws(StoreError) -> [RegistryPresence] { [] }
    func promotions(into environment: EnvironmentName, since: Date) async throws(StoreError) -> [RecentPromotion] { [] }
    func verdicts(on promotion: PromotionID) async throws(StoreError) -> [PromotionVerdict] { samples?.verdicts ?? [] }
    func evidence(about digests: [Digest], image: ImageName, kinds: Set<String>) async throws(StoreError) -> [EvidenceFact] { [] }
    func scans(of digests: [Digest], image: ImageName) async throws(StoreError) -> [ScanFact] { [] }
    func record(
        _ verdict: PromotionVerdict, ifVersion versions: Set<Int>?, audit: AuditEntry, revival: AuditEntry
    ) async throws(StoreError) -> Promotion { try changed(verdict.promotion, versions) }
    func record(_ evidence: PostedEvidence, audit: AuditEntry) async throws(StoreError) -> [PromotionID] { [] }
    func record(_ scan: PostedScan, audit: AuditEntry) async throws(StoreError) -> [PromotionID] { [] }
    func statements(about digest: Digest, cursor: String?, limit: Int) async throws(StoreError) -> Page<PostedFact> {
        Page(items: samples?.statements ?? [], next: nil)
    }
    func decisions(since: Date, cursor: String?, limit: Int) async throws(StoreError) -> Page<RecordedDecision> { Page(items: [], next: nil) }
    func carryEvidence(_ order: TransferOrder) async throws(PromotionFailure) -> [CarriedEvidence] { [] }
    func plan(_ order: TransferOrder) async throws(PromotionFailure) -> CopyPlanSummary { CopyPlanSummary(targets: [], steps: []) }
    func copy(_ order: TransferOrder, progress: @escaping @Sendable (CopyProgress) -> Void) async throws(PromotionFailure) -> CopyReport { CopyReport() }
    func commit(_ order: TransferOrder, deadline: ContinuousClock.Instant) async throws(PromotionFailure) -> TagCommit {
        TagCommit(moves: [], report: CopyReport())
    }
    func current() async throws(PromotionFailure) -> PolicySet {
        let files =
            [
                PolicyFile(
                    path: "environments.yaml",
                    text: """
                        version: 1
                        kind: Environments
                        groups:
                          release-managers: [{ issuer: shiplift, claims: { groups: release-managers } }]
                        environments:
                          - { name: dev, registries: [{ url: "https://dev.example.test" }] }
                          - { name: test, registries: [{ url: "https://test.example.test" }] }
                          - { name: staging, registries: [{ url: "https://staging.example.test" }] }
                          - { name: production, registries: [{ url: "https://production.example.test" }] }
                        """),
                PolicyFile(
                    path: "identities.yaml",
                    text: """
                        version: 1
                        kind: Identities
                        issuers: { idp: { issuer: "https://idp.example.test", audience: shiplift, login: { clientID: shiplift } } }
                        rules: [{ name: everybody, issuer: idp, claims: { groups: staff }, grants: [{ verbs: administer }] }]
                        """),
            ] + (samples?.policies ?? [])
        do { return try PolicySet(files: files, commit: nil) } catch { throw PromotionFailure(.configuration, "\(error)") }
    }
    func refused() async -> [PolicyDiagnostic] { [] }
    func registries() async throws(PromotionFailure) -> [RegistryState] {
        guard let environment = EnvironmentName(parsing: "dev") else { return [] }
        var state = RegistryState(
            name: "dev", environment: environment, url: "https://dev.example.test", repository: "{image}", concurrency: 32, allowance: 8, bandwidth: nil)
        state.traits = [RegistryTrait(name: "mount", value: "any", source: .probed)]
        state.rateLimit = RegistryState.RateLimit(limit: 100, remaining: 3, windowSeconds: 21_600, seenAt: Date(timeIntervalSince1970: 1_800_000_000))
        return [state]
    }
    func probe(
        _ name: String, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) async throws(PromotionFailure) -> RegistryState? {
        if name == "down" { throw PromotionFailure(.registryUnavailable, "no answer", registry: name, isTransient: true) }
        return try await registries().first { $0.name == name }
    }
    var status: PolicyStatus {
        PolicyStatus(
            place: PolicyPlace(kind: .folder, location: "/policies"), inForce: nil, commit: nil, since: nil, checkedAt: nil, refusal: nil, unreachable: nil)
    }
    func refresh(by actor: SubjectID) async throws(PromotionFailure) -> PolicyStatus { status }
}

enum StubServices {
    /// The contract that the service ships with.
    static let contract: APIContract = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../openapi.yaml")
        do { return try APIContract(yaml: String(contentsOf: file, encoding: .utf8)) } catch { preconditionFailure("openapi.yaml: \(error)") }
    }()

    static func make(
        grant: Grant? = nil, secret: APITokenSecret? = nil, groups: [String] = [], metrics: MetricsAccess = .loopback, settings: APISettings = APISettings(),
        samples: Samples? = nil, session: (sha256: [UInt8], record: SessionRecord)? = nil
    ) -> APIServices {
        var stub = UnreachableStore()
        stub.session = session
        stub.samples = samples
        if let grant, let secret {
            stub.known = (
                secret.sha256,
                TokenRecord(
                    id: samples.flatMap { _ in UUID(uuidString: Samples.ended) } ?? UUID(), name: "t", grant: grant, groups: groups, hint: secret.hint, createdAt: Date(),
                    expiresAt: Date().addingTimeInterval(3600))
            )
        }
        // What is made is found again.
        let environs = Environs(now: { Date() }, newID: { samples.flatMap { _ in UUID(uuidString: Samples.ended) } ?? UUID() })
        let promotions = Promotions(store: stub, queue: stub, registries: stub, transfer: stub, memory: stub, policies: stub, environs: environs)
        let (tokens, keyring) = (Tokens(store: stub, environs: environs), IssuerKeyring(documents: stub, now: environs.now))
        return APIServices(
            promotions: promotions, store: stub,
            catalog: stub, registries: stub, policies: stub, policyDesk: stub, trail: stub, tokens: tokens,
            authentication: Authentication(
                tokens: tokens, keyring: keyring, policies: stub, journal: AuthenticationJournal(trail: stub, environs: environs), environs: environs),
            browsers: BrowserAccess(
                signIn: SignIn(
                    keyring: keyring, documents: stub, sessions: stub, policies: stub, environs: environs, redirect: "https://shiplift.example.test/auth/callback"
                ) { _ in "" }, origin: "https://shiplift.example.test"),
            verdicts: Verdicts(store: stub, statements: stub, queue: stub, policies: stub, environs: environs),
            evidence: EvidencePosting(statements: stub, queue: stub, policies: stub, environs: environs),
            eligibility: Eligibility(registries: stub, catalog: stub, policies: stub, memory: stub, environs: environs),
            reviews: Reviews(
                promotions: promotions, registries: stub, inspection: stub, catalog: stub, policies: stub, memory: stub, statements: stub, environs: environs),
            decisions: stub, checkpointKeys: [],
            readiness: { ["database": "down"] }, directory: stub,
            inventory: InventoryServices(
                scanning: InventoryScanning(store: stub, survey: stub, policies: stub, environs: environs), queries: stub,
                rollbacks: Rollbacks(states: stub, store: stub, queue: stub, registries: stub, memory: stub, policies: stub, environs: environs)),
            metrics: .init(access: metrics, contentType: "text/plain; version=0.0.4; charset=utf-8") { "up 1\n" },
            events: PromotionEvents(journal: stub, changes: PromotionChanges()), contract: contract, settings: settings)
    }
}

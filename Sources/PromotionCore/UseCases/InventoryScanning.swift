import AuditLog
public import Foundation
import OCI
public import PolicyEngine

/// Looks at everything in the environments' registries: when its time has come, or when somebody asks.
///
/// A scan is one replica's at a time and is kept by a lease. Another one goes on behind the repository that was done last.
public struct InventoryScanning: Sendable {
    let store: any InventoryStore
    let survey: any RegistrySurvey
    private let policies: any PolicySource
    private let environs: Environs
    let lease: Duration
    private let owner: UUID

    /// Tags that are looked at together.
    static let batch = 200
    /// A registry that fails for so many repositories, one after the other, is left for the next scan.
    private static let patience = 5

    public init(store: any InventoryStore, survey: any RegistrySurvey, policies: any PolicySource, environs: Environs, lease: Duration = .seconds(30)) {
        self.store = store
        self.survey = survey
        self.policies = policies
        self.environs = environs
        self.lease = lease
        owner = environs.newID()
    }

    // MARK: Asking

    /// Asks for a scan, now; one that is under way already is answered.
    public func request(
        _ environment: EnvironmentName, by principal: Principal, requestID: RequestID
    ) async throws(PromotionRequestError) -> InventoryScan {
        guard principal.mayScan(environment) else {
            throw .notPermitted("only who may promote into \(environment) may ask for a scan of it")
        }
        let policySet: PolicySet
        do { policySet = try await policies.current() } catch { throw .failure(error) }
        guard policySet.environment(named: environment) != nil else {
            throw .unknownEnvironment(environment, known: policySet.environments.map(\.name))
        }
        let audit: AuditEntry
        do {
            audit = try InventoryActs(environs).scanRequested(environment, by: principal.subject, authentication: principal.authentication, requestID: requestID)
        } catch { throw .store(.auditUnavailable("\(error)")) }
        do { return try await store.request(environs.newID(), of: environment, by: principal.subject, audit: audit) } catch { throw .store(error) }
    }

    public func scan(_ id: UUID) async throws(PromotionRequestError) -> InventoryScan? {
        do { return try await store.scan(id) } catch { throw .store(error) }
    }

    public func scans(of environment: EnvironmentName?, cursor: String?, limit: Int) async throws(PromotionRequestError) -> Page<InventoryScan> {
        do { return try await store.scans(of: environment, cursor: cursor, limit: limit) } catch { throw .store(error) }
    }

    // MARK: Working

    /// Asks for the scans whose time has come.
    public func requestWhatIsDue() async throws {
        for environment in try await policies.current().environments {
            guard let interval = environment.scan.interval, try await store.isScanDue(environment.name, every: .seconds(interval.seconds)) else { continue }
            _ = try await store.request(environs.newID(), of: environment.name, by: .service, audit: nil)
        }
    }

    /// Works on one scan that waits, if there is one, to its end. Answers it as it ended.
    public func work() async throws -> InventoryScan? {
        guard let scan = try await store.claimScan(owner: owner, for: lease) else { return nil }
        let run = ScanRun(scan: scan, owner: owner, lease: lease, store: store, survey: survey)
        // A registry may let us wait for longer than the lease lasts.
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: lease / 3)
                    try await run.keep()
                }
            }
            group.addTask { try await walk(run) }
            try await group.next()
            group.cancelAll()
        }
        return try await store.scan(scan.id)
    }

    private func walk(_ run: ScanRun) async throws {
        let scan = run.scan
        let policySet = try await policies.current()
        guard let environment = policySet.environment(named: scan.environment) else {
            run.fail("environment \(scan.environment) is no longer in the policy in force")
            return try await run.finish()
        }
        for registry in environment.registries.sorted(by: { $0.name < $1.name }) {
            try await look(at: registry, environment, policySet, run)
        }
        try await run.finish()
    }

    private func look(at registry: RegistryDefinition, _ environment: EnvironmentDefinition, _ policies: PolicySet, _ run: ScanRun) async throws {
        if let position = run.position, position.registry > registry.name { return }
        var images: [ImageName]
        do { images = try await self.images(in: registry, environment, policies, run.tally) } catch let failure as PromotionFailure {
            return run.fail("\(registry.name): \(failure.message)")
        }
        if let position = run.position, position.registry == registry.name {
            images = images.filter { $0.description > position.image.description }
        }
        var inARow = 0
        for image in images {
            try Task.checkCancellation()
            do {
                try await look(at: image, registry, environment, run)
                inARow = 0
            } catch let failure as PromotionFailure {
                run.fail("\(registry.name): \(image): \(failure.message)")
                inARow += 1
            }
            try await run.done(image, in: registry)
            if inARow >= Self.patience { return run.fail("\(registry.name): left for the next scan after \(inARow) failures in a row") }
        }
    }

    /// What the catalog tells, what the configuration names, and what was ever seen there; sorted.
    private func images(
        in registry: RegistryDefinition, _ environment: EnvironmentDefinition, _ policies: PolicySet, _ tally: RequestTally
    ) async throws -> [ImageName] {
        var found = Set(try await store.images(in: registry.name))
        if let repositories = try await survey.catalog(of: registry, tally: tally) {
            found.formUnion(repositories.compactMap { policies.image(of: $0, in: registry) })
        }
        found.formUnion(environment.scan.namedImages)
        return found.filter { environment.scan.includes($0) }.sorted { $0.description < $1.description }
    }

    private func look(at image: ImageName, _ registry: RegistryDefinition, _ environment: EnvironmentDefinition, _ run: ScanRun) async throws {
        let repository = RepositoryScan(
            image: image, registry: registry, environment: environment.name,
            target: TargetRepository(registry: registry.name, repository: try registry.place(of: image)), run: run)
        try await repository.look()
    }

    /// Describes artifacts that promotions and requests have brought up, from what is kept: no registry is asked.
    ///
    /// - Parameter ordinal: where the last round ended; the answer is where this one did.
    public func describeNewArtifacts(after ordinal: Int64) async throws -> Int64 {
        let policySet = try await policies.current()
        let new = try await store.newArtifacts(after: ordinal, limit: Self.batch)
        for artifact in new.artifacts {
            guard let registry = policySet.environment(named: artifact.environment)?.registries.first(where: { $0.name == artifact.registry }) else { continue }
            do {
                if let description = try await survey.describe(artifact.digest, of: artifact.image, in: registry, tally: nil) {
                    try await store.describe([description], of: artifact.image)
                }
            } catch is PromotionFailure {
                // What can't be read now is described by the next scan.
            }
        }
        return new.reached
    }
}

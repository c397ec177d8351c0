import Foundation
import OCI
import PolicyEngine
import Synchronization

/// One worker's run through a scan: what it has met, and how far it is.
final class ScanRun: Sendable {
    let scan: InventoryScan
    let store: any InventoryStore
    let survey: any RegistrySurvey
    let tally = RequestTally()
    private let owner: UUID
    private let lease: Duration
    private let state: Mutex<State>

    private struct State {
        var counts: ScanCounts
        var position: ScanPosition?
        var failures: [String]
    }

    /// Sentences about failures that are kept.
    private static let mostFailures = 20

    init(scan: InventoryScan, owner: UUID, lease: Duration, store: any InventoryStore, survey: any RegistrySurvey) {
        self.scan = scan
        self.owner = owner
        self.lease = lease
        self.store = store
        self.survey = survey
        state = Mutex(State(counts: scan.counts, position: scan.position, failures: scan.failures))
    }

    var position: ScanPosition? { state.withLock { $0.position } }

    func count(_ change: (inout ScanCounts) -> Void) { state.withLock { change(&$0.counts) } }

    func fail(_ sentence: String) {
        state.withLock { if $0.failures.count < Self.mostFailures { $0.failures.append(String(sentence.prefix(500))) } }
    }

    /// An image is done: who takes the scan over goes on behind it.
    func done(_ image: ImageName, in registry: RegistryDefinition) async throws(StoreError) {
        state.withLock {
            $0.counts.repositories += 1
            $0.position = ScanPosition(registry: registry.name, image: image)
        }
        try await keep()
    }

    /// Shows how far the scan is, and keeps the lease.
    func keep() async throws(StoreError) {
        let now = standing()
        try await store.advance(scan.id, owner: owner, counts: now.counts, position: now.position, failures: now.failures, for: lease)
    }

    func finish() async throws(StoreError) {
        let now = standing()
        try await store.finish(scan.id, owner: owner, succeeded: now.failures.isEmpty, counts: now.counts, failures: now.failures)
    }

    private func standing() -> (counts: ScanCounts, position: ScanPosition?, failures: [String]) {
        let requests = tally.requests.values.reduce(0, +)
        return state.withLock { state in
            var counts = state.counts
            counts.requests = scan.counts.requests + requests
            return (counts, state.position, state.failures)
        }
    }
}

/// A scan's look at one repository.
struct RepositoryScan {
    let image: ImageName
    let registry: RegistryDefinition
    let environment: EnvironmentName
    let target: TargetRepository
    let run: ScanRun

    /// Tags that are there, then tags that no longer are. A tag is gone when the registry says so of itself: no list alone is believed.
    func look() async throws {
        let known = try await stored { () async throws(StoreError) in try await run.store.tags(of: target) }
        var seen: Set<Tag> = []
        try await run.survey.tags(of: image, in: registry, tally: run.tally) { page throws(PromotionFailure) in
            let new = page.filter { seen.insert($0).inserted }
            for start in stride(from: 0, to: new.count, by: InventoryScanning.batch) {
                try await look(at: Array(new[start..<min(start + InventoryScanning.batch, new.count)]), known)
            }
        }
        let missing = known.keys.filter { !seen.contains($0) }.sorted()
        for start in stride(from: 0, to: missing.count, by: InventoryScanning.batch) {
            try await look(at: Array(missing[start..<min(start + InventoryScanning.batch, missing.count)]), known)
        }
    }

    private func look(at tags: [Tag], _ known: [Tag: Digest]) async throws(PromotionFailure) {
        let began = ContinuousClock.now
        let looks = try await run.survey.look(at: tags, unknown: Set(tags.filter { known[$0] == nil }), of: image, in: registry, tally: run.tally)
        let age = began.duration(to: .now)
        let changes = try await stored { () async throws(StoreError) in
            try await run.store.observe(looks, of: image, at: target, in: environment, age: age, seenBy: "scan")
        }
        try await describe(Set(looks.compactMap(\.digest)).sorted())
        run.count {
            $0.tags += looks.filter { $0.digest != nil }.count
            $0.new += changes.new
            $0.moved += changes.moved
            $0.gone += changes.gone
        }
        try await stored { () async throws(StoreError) in try await run.keep() }
    }

    private func describe(_ digests: [Digest]) async throws(PromotionFailure) {
        let missing = try await stored { () async throws(StoreError) in try await run.store.undescribed(digests) }
        var found: [ArtifactDescription] = []
        for digest in missing {
            if let description = try await run.survey.describe(digest, of: image, in: registry, tally: run.tally) { found.append(description) }
        }
        let described = Set(missing)
        try await stored { () async throws(StoreError) in
            if !found.isEmpty { try await run.store.describe(found, of: image) }
            try await run.store.attribute(digests.filter { !described.contains($0) }, to: image)
        }
        run.count { $0.artifacts += found.count }
    }

    private func stored<T>(_ body: () async throws(StoreError) -> T) async throws(PromotionFailure) -> T {
        do { return try await body() } catch { throw PromotionFailure(.storage, "\(error)", isTransient: true) }
    }
}

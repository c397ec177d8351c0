public import OCI
public import Registry
import Synchronization

/// Adds up bytes from many places.
final class ByteCounter: Sendable {
    private let value = Mutex<Int64>(0)
    var total: Int64 { value.withLock { $0 } }
    func add(_ bytes: Int64) { value.withLock { $0 += bytes } }
}

/// The copy engine: plans by what is known, then does what the plan says and repairs where belief was wrong.
public struct CopyEngine: Sendable {
    let memory: any TransferMemory

    public init(memory: any TransferMemory) { self.memory = memory }

    /// The plan that `copy` would follow now. Reads manifests where they are not known; writes nothing to any target.
    public func plan(
        _ digest: Digest, from source: Site, to targets: [Site], meter: RequestMeter? = nil
    ) async throws(TransferError) -> (tree: ManifestTree, plan: CopyPlan) {
        let tree = try await TreeReader(memory: memory).read(digest, from: source, meter: meter)
        var knowledge: [KnowledgeSnapshot] = []
        for target in targets {
            do {
                knowledge.append(
                    try await memory.snapshot(
                        server: target.server, repository: target.repository, blobs: tree.blobs.map(\.digest),
                        manifests: tree.manifests.map(\.digest)))
            } catch { throw .memory("\(error)") }
        }
        let plan = CopyPlan(
            tree: tree, source: PlanSite(server: source.server, repository: source.repository),
            targets: targets.map { PlanSite(server: $0.server, repository: $0.repository) }, knowledge: knowledge)
        return (tree, plan)
    }

    /// Brings an artifact to all targets: blobs, child manifests, the root by digest. No tag is touched.
    ///
    /// A target that fails does not stop the others; the first failure is thrown when all have ended.
    public func copy(
        _ digest: Digest, from source: Site, to targets: [Site], progress: @escaping @Sendable (TransferProgress) -> Void
    ) async throws(TransferError) -> TransferReport {
        let sourceMeter = RequestMeter()
        let (tree, plan) = try await plan(digest, from: source, to: targets, meter: sourceMeter)
        let runs = zip(targets, plan.targets).map { TargetRun(site: $0, tree: tree, plan: $1) }
        let copier = BlobCopier(source: source, sourceMeter: sourceMeter, tracker: ProgressTracker(report: progress), bytesRead: ByteCounter())
        var failures: BlobCopier.Failures
        do throws(TransferError) { failures = try await transfer(runs, copier) } catch {
            await rememberWhatWasDone(runs)
            throw error
        }
        for (index, run) in runs.enumerated() {
            do throws(TransferError) { try await remember(run) } catch { failures[index] = failures[index] ?? error }
        }
        if let first = failures.min(by: { $0.key < $1.key })?.value { throw first }
        var reports: [TargetReport] = []
        for run in runs { reports.append(await run.result) }
        return TransferReport(targets: reports, sourceRequests: sourceMeter.requests, sourceBytes: copier.bytesRead.total)
    }

    private func transfer(_ runs: [TargetRun], _ copier: BlobCopier) async throws(TransferError) -> BlobCopier.Failures {
        var failures: BlobCopier.Failures = [:]
        var needs: [Int: [BlobNeed]] = [:]
        let prepared = try await bounded(Array(runs.indices), width: runs.count) { index throws(TransferError) in
            await outcome { () async throws(TransferError) in try await runs[index].prepare() }
        }
        for (index, result) in prepared.enumerated() {
            switch result {
            case .success(let list): needs[index] = list
            case .failure(let error): failures[index] = error
            }
        }
        if Task.isCancelled { throw .cancelled }
        failures.merge(try await copier.copy(needs, to: runs)) { first, _ in first }
        let failed = Set(failures.keys)
        let finished = try await bounded(runs.indices.filter { !failed.contains($0) }, width: runs.count) { index throws(TransferError) in
            let result = await outcome { () async throws(TransferError) in
                try await runs[index].putManifests { needs throws(TransferError) in
                    if let failure = try await copier.copy([index: needs], to: runs)[index] { throw failure }
                }
            }
            return (index, result)
        }
        for (index, result) in finished {
            if case .failure(let error) = result { failures[index] = error }
        }
        return failures
    }

    /// Writes down what was seen at a target: also when the transfer failed, so that the next attempt begins where this one ended.
    private func remember(_ run: TargetRun) async throws(TransferError) {
        let sightings = await run.takeSightings()
        guard !sightings.isEmpty else { return }
        do { try await memory.record(sightings, server: run.site.server, repository: run.site.repository) } catch { throw .memory("\(error)") }
    }

    /// After a failure of the source, or a cancellation: that is the error to tell, whether or not the memory takes this.
    private func rememberWhatWasDone(_ runs: [TargetRun]) async {
        for run in runs {
            do throws(TransferError) { try await remember(run) } catch { continue }
        }
    }

    private func outcome<T>(_ body: () async throws(TransferError) -> T) async -> Result<T, TransferError> {
        do throws(TransferError) { return .success(try await body()) } catch { return .failure(error) }
    }
}

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
        return (tree, try await plan(tree, from: source, to: targets))
    }

    func plan(_ tree: ManifestTree, from source: Site, to targets: [Site]) async throws(TransferError) -> CopyPlan {
        var knowledge: [KnowledgeSnapshot] = []
        for target in targets {
            do {
                knowledge.append(
                    try await memory.snapshot(
                        server: target.server, repository: target.repository, blobs: tree.blobs.map(\.digest),
                        manifests: tree.manifests.map(\.digest)))
            } catch { throw .memory("\(error)") }
        }
        return CopyPlan(
            tree: tree, source: PlanSite(server: source.server, repository: source.repository),
            targets: targets.map { PlanSite(server: $0.server, repository: $0.repository) }, knowledge: knowledge)
    }

    /// Brings an artifact to all targets: blobs, child manifests, the root by digest; then what refers to it, if that is asked for.
    /// No tag that people use is touched.
    ///
    /// A target that fails does not stop the others; the first failure is thrown when all have ended.
    public func copy(
        _ digest: Digest, from source: Site, to targets: [Site], options: CopyOptions = CopyOptions(),
        progress: @escaping @Sendable (TransferProgress) -> Void
    ) async throws(TransferError) -> TransferReport {
        var state = TransferState(source: source, targets: targets, progress: progress)
        let closure = try await closure(of: digest, at: source, options, state.sourceMeter)
        try await bring(closure.image, to: Array(targets.indices), &state)
        if let order = options.closure { try await bringReferrers(of: closure, order, to: Array(targets.indices), &state) }
        if let first = state.failures.min(by: { $0.key < $1.key })?.value { throw first }
        return state.report(options.closure.map { _ in ClosureReport(closure) })
    }

    /// Brings a tree to those of the targets that have not failed yet.
    func bring(_ tree: ManifestTree, to indices: [Int], _ state: inout TransferState) async throws(TransferError) {
        let indices = indices.filter { state.failures[$0] == nil }
        let targets = indices.map { state.targets[$0] }
        let plan = try await plan(tree, from: state.source, to: targets)
        let runs = zip(targets, plan.targets).map { TargetRun(site: $0, tree: tree, plan: $1) }
        let sparse = tree.sparse
        var failures: BlobCopier.Failures
        do throws(TransferError) { failures = try await transfer(runs, state.copier) } catch {
            await rememberWhatWasDone(runs, sparse)
            throw error
        }
        for (number, run) in runs.enumerated() {
            do throws(TransferError) { try await remember(run, sparse) } catch { failures[number] = failures[number] ?? error }
        }
        for (number, index) in indices.enumerated() {
            state.failures[index] = failures[number].map { refusal($0, of: tree) }
            await state.take(runs[number], at: index)
        }
    }

    /// What a target says that misses the children which were left out on purpose.
    private func refusal(_ failure: TransferError, of tree: ManifestTree) -> TransferError {
        guard case .repairExhausted(let place, let digests) = failure else { return failure }
        let leftOut = tree.leftOut.filter { digests.isEmpty || digests.contains($0.digest) }
        return leftOut.isEmpty ? failure : .sparseIndexRefused(place, leftOut)
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
    ///
    /// - Parameter sparse: manifests below which something was left out: that they are there does not say that the rest is.
    private func remember(_ run: TargetRun, _ sparse: Set<Digest>) async throws(TransferError) {
        let sightings = await run.takeSightings().filter { if case .manifest(let digest, _) = $0 { !sparse.contains(digest) } else { true } }
        guard !sightings.isEmpty else { return }
        do { try await memory.record(sightings, server: run.site.server, repository: run.site.repository) } catch { throw .memory("\(error)") }
    }

    /// After a failure of the source, or a cancellation: that is the error to tell, whether or not the memory takes this.
    private func rememberWhatWasDone(_ runs: [TargetRun], _ sparse: Set<Digest>) async {
        for run in runs {
            do throws(TransferError) { try await remember(run, sparse) } catch { continue }
        }
    }

    private func outcome<T>(_ body: () async throws(TransferError) -> T) async -> Result<T, TransferError> {
        do throws(TransferError) { return .success(try await body()) } catch { return .failure(error) }
    }
}

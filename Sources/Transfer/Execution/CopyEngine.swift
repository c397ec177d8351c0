import Foundation
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
    /// Bounds the blobs in memory, of all transfers together: each takes some two MiB of buffers.
    let relays: ConcurrencyLimiter

    /// - Parameter relays: blobs on their way at once, in all transfers of this engine.
    public init(memory: any TransferMemory, relays: Int = 24) {
        self.memory = memory
        self.relays = ConcurrencyLimiter(limit: relays)
    }

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
            tree: tree, source: source.planned, targets: targets.map(\.planned), knowledge: knowledge)
    }

    /// Brings an artifact to all targets: blobs, child manifests, the root by digest; then what refers to it, if that is asked for.
    /// No tag that people use is touched.
    ///
    /// A target that fails does not stop the others; the first failure is thrown when all have ended.
    ///
    /// - Parameters:
    ///   - options: what goes with the image, and what of it stays behind.
    ///   - leavingRoot: the root is not written, since ``moveTag(_:to:at:seen:deadline:meter:isSparse:)`` will write it under its tag: one request
    ///     less. Not for several targets, where no tag may move before every root is in place. Where something refers to the image, or
    ///     something of it stays behind, the root is written all the same.
    public func copy(
        _ digest: Digest, from source: Site, to targets: [Site], options: CopyOptions = CopyOptions(), leavingRoot: Bool = false,
        progress: @escaping @Sendable (TransferProgress) -> Void
    ) async throws(TransferError) -> TransferReport {
        var state = TransferState(source: source, targets: targets, progress: progress)
        let closure = try await closure(of: digest, at: source, options, state.sourceMeter)
        // Where only what a manifest refers to is mounted, others wait for the root.
        let mayLeaveRoot = closure.referrers.isEmpty && closure.image.leftOut.isEmpty && targets.allSatisfy { $0.planned.mounts != .committed }
        try await bring(closure.image, to: Array(targets.indices), leavingRoot: leavingRoot && mayLeaveRoot, &state)
        if let order = options.closure { try await bringReferrers(of: closure, order, to: Array(targets.indices), &state) }
        if let first = state.failures.min(by: { $0.key < $1.key })?.value { throw first }
        return state.report(options.closure.map { _ in ClosureReport(closure) })
    }

    /// Brings a tree to those of the targets that have not failed yet.
    func bring(_ tree: ManifestTree, to indices: [Int], leavingRoot: Bool = false, _ state: inout TransferState) async throws(TransferError) {
        let indices = indices.filter { state.failures[$0] == nil }
        let targets = indices.map { state.targets[$0] }
        let began = ContinuousClock.now
        let plan = try await plan(tree, from: state.source, to: targets)
        let runs = zip(targets, plan.targets).map { TargetRun(site: $0, tree: tree, plan: $1) }
        let relay = BlobRelaying(
            source: state.source, sourceMeter: state.sourceMeter, tracker: state.tracker, bytesRead: state.bytesRead, places: relays,
            kept: try await keptBlobs(tree, plan))
        let copier = BlobCopier(relaying: relay, memory: memory, runs: runs, knownSince: began)
        var failures: BlobCopier.Failures
        do throws(TransferError) { failures = try await transfer(runs, copier, leavingRoot) } catch {
            await rememberWhatWasDone(runs)
            await copier.releaseHeld()
            throw error
        }
        for (number, run) in runs.enumerated() {
            do throws(TransferError) { try await run.remember(in: memory) } catch { failures[number] = failures[number] ?? error }
        }
        await copier.releaseHeld()
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

    /// Configurations that were read to decide about the image need not be read again to send them.
    private func keptBlobs(_ tree: ManifestTree, _ plan: CopyPlan) async throws(TransferError) -> [Digest: Data] {
        let travelling = Set(plan.targets.flatMap(\.blobs).filter { $0.action == .copy }.map(\.descriptor.digest))
        let configurations = tree.manifests.compactMap { manifest -> Digest? in
            guard case .image(let config, _) = manifest.content, travelling.contains(config.digest) else { return nil }
            return config.digest
        }
        guard !configurations.isEmpty else { return [:] }
        do { return try await memory.smallBlobs(configurations) } catch { throw .memory("\(error)") }
    }

    private func transfer(_ runs: [TargetRun], _ copier: BlobCopier, _ leavingRoot: Bool) async throws(TransferError) -> BlobCopier.Failures {
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
        failures.merge(try await copier.copy(needs)) { first, _ in first }
        let failed = Set(failures.keys)
        let finished = try await copier.holding { [self] () async throws(TransferError) in
            try await putManifests(runs.indices.filter { !failed.contains($0) }, runs, copier, leavingRoot)
        }
        for (index, result) in finished {
            if case .failure(let error) = result { failures[index] = error }
        }
        return failures
    }

    private func putManifests(
        _ indices: [Int], _ runs: [TargetRun], _ copier: BlobCopier, _ leavingRoot: Bool
    ) async throws(TransferError) -> [(Int, Result<Void, TransferError>)] {
        try await bounded(indices, width: runs.count) { index throws(TransferError) in
            let result = await outcome { () async throws(TransferError) in
                try await runs[index].putManifests(leavingRoot: leavingRoot) { needs throws(TransferError) in
                    if let failure = try await copier.copy([index: needs])[index] { throw failure }
                }
            }
            return (index, result)
        }
    }

    /// After a failure of the source, or a cancellation: that is the error to tell, whether or not the memory takes this.
    private func rememberWhatWasDone(_ runs: [TargetRun]) async {
        for run in runs {
            do throws(TransferError) { try await run.remember(in: memory) } catch { continue }
        }
    }

    private func outcome<T>(_ body: () async throws(TransferError) -> T) async -> Result<T, TransferError> {
        do throws(TransferError) { return .success(try await body()) } catch { return .failure(error) }
    }
}

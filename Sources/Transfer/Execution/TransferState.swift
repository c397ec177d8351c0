import OCI
import Registry

/// A transfer under way: what became of each target so far.
struct TransferState {
    let source: Site
    let targets: [Site]
    let sourceMeter = RequestMeter()
    let bytesRead = ByteCounter()
    let tracker: ProgressTracker
    /// By the targets' order, as everything below.
    var reports: [TargetReport]
    var failures: [Int: TransferError] = [:]
    /// Manifests that were put.
    var written: [Set<Digest>]
    /// Those of them that the registry added to the referrers of their subjects.
    var indexed: [Set<Digest>]

    init(source: Site, targets: [Site], progress: @escaping @Sendable (TransferProgress) -> Void) {
        self.source = source
        self.targets = targets
        tracker = ProgressTracker(report: progress)
        reports = targets.map { TargetReport(registry: $0.registry, repository: $0.repository) }
        written = targets.map { _ in [] }
        indexed = targets.map { _ in [] }
    }

    /// Takes in what one part of the transfer did at a target.
    mutating func take(_ run: TargetRun, at index: Int) async {
        reports[index].add(await run.result)
        written[index].formUnion(await run.written)
        indexed[index].formUnion(await run.indexed)
    }

    func report(_ closure: ClosureReport?) -> TransferReport {
        TransferReport(targets: reports, sourceRequests: sourceMeter.requests, sourceBytes: bytesRead.total, closure: closure)
    }
}

public import OCI
import Registry

/// What late evidence came to at one target.
public struct LateEvidence: Sendable, Hashable {
    public enum Outcome: Sendable, Hashable {
        /// The target had everything.
        case upToDate
        /// These referrers came, or were tied to their subjects, now.
        case carried([Digest])
        /// The image is not there any more, so nothing is brought beside it.
        case imageAbsent
        case failed(TransferError)
    }

    public let outcome: Outcome
    public let report: TargetReport
}

/// What a look for late evidence found and did.
public struct LateEvidenceReport: Sendable, Hashable {
    /// By the targets' order.
    public let targets: [LateEvidence]
    public let closure: ClosureReport
    public let sourceRequests: [String: Int]
    /// Bytes of blobs that were read from the source.
    public let sourceBytes: Int64
}

extension CopyEngine {
    /// Carries what has come to refer to an image since it was promoted: finds what the source has, and brings what a target lacks.
    ///
    /// Where the source has nothing, no target is asked anything. A target that fails is reported and does not stop the others.
    ///
    /// - Parameter options: those that the image was copied with.
    /// - Throws: where the source can't be read.
    public func carryLateEvidence(
        about digest: Digest, from source: Site, to targets: [Site], options: CopyOptions,
        progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
    ) async throws(TransferError) -> LateEvidenceReport {
        var state = TransferState(source: source, targets: targets, progress: progress)
        let closure = try await closure(of: digest, at: source, options, state.sourceMeter)
        var absent: Set<Int> = []
        if let order = options.closure, !closure.referrers.isEmpty {
            for index in targets.indices where await !holds(digest, at: index, &state) { absent.insert(index) }
            try await bringReferrers(of: closure, order, to: targets.indices.filter { !absent.contains($0) }, &state)
        }
        let evidence = targets.indices.map { index in
            LateEvidence(outcome: absent.contains(index) ? .imageAbsent : outcome(at: index, closure, state), report: state.reports[index])
        }
        return LateEvidenceReport(
            targets: evidence, closure: ClosureReport(closure), sourceRequests: state.sourceMeter.requests, sourceBytes: state.bytesRead.total)
    }

    /// One look: a signature beside an image that was deleted would be litter. A look that fails is a failure of that target.
    private func holds(_ digest: Digest, at index: Int, _ state: inout TransferState) async -> Bool {
        let site = state.targets[index]
        let meter = RequestMeter()
        var look = TargetReport(registry: site.registry, repository: site.repository)
        var isThere = true
        do throws(RegistryError) {
            isThere = try await site.client.headManifest(site.repository, .digest(digest), meter: meter) != nil
        } catch { state.failures[index] = .registry(error) }
        look.requests = meter.requests
        state.reports[index].add(look)
        return isThere
    }

    private func outcome(at index: Int, _ closure: TrustClosure, _ state: TransferState) -> LateEvidence.Outcome {
        if let failure = state.failures[index] { return .failed(failure) }
        let tied = state.reports[index].attachments.filter(\.isWritten).flatMap(\.referrers)
        let new = state.written[index].union(tied)
        var seen: Set<Digest> = []
        let carried = closure.referrers.map(\.manifest.digest).filter { new.contains($0) && seen.insert($0).inserted }
        return carried.isEmpty ? .upToDate : .carried(carried)
    }
}

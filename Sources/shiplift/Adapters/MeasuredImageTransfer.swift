import Metrics
import PromotionCore

/// Counts what promotions' copies did, by registry.
struct MeasuredImageTransfer: ImageTransfer {
    let transfer: any ImageTransfer

    func plan(_ order: TransferOrder) async throws(PromotionFailure) -> CopyPlanSummary { try await transfer.plan(order) }

    func copy(_ order: TransferOrder, progress: @escaping @Sendable (CopyProgress) -> Void) async throws(PromotionFailure) -> CopyReport {
        let report = try await transfer.copy(order, progress: progress)
        for target in report.targets {
            count(target.present, target.registry, "present")
            count(target.mounted, target.registry, "mounted")
            count(target.copied, target.registry, "copied")
        }
        return report
    }

    func carryEvidence(_ order: TransferOrder) async throws(PromotionFailure) -> [CarriedEvidence] { try await transfer.carryEvidence(order) }

    func commit(_ order: TransferOrder, deadline: ContinuousClock.Instant) async throws(PromotionFailure) -> TagCommit {
        try await transfer.commit(order, deadline: deadline)
    }

    private func count(_ tally: BlobTally, _ registry: String, _ way: String) {
        guard tally.blobs > 0 else { return }
        let labels = [("registry", registry), ("way", way)]
        Counter(label: "shiplift_blobs_total", dimensions: labels).increment(by: tally.blobs)
        Counter(label: "shiplift_blob_bytes_total", dimensions: labels).increment(by: tally.bytes)
    }
}

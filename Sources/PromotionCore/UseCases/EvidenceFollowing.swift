import AuditLog
import PolicyEngine

/// Follows promoted artifacts: a signature or scan that appears after the promotion is carried to where the artifact already is.
public struct EvidenceFollowing: Sendable {
    private let queue: any EvidenceQueue
    private let transfer: any ImageTransfer
    private let policies: any PolicySource
    private let trail: any AuditTrail
    private let environs: Environs
    private let pause: Duration
    /// Artifacts looked at in one round.
    private static let batch = 50

    /// - Parameter pause: the shortest time between two looks at an artifact.
    public init(
        queue: any EvidenceQueue, transfer: any ImageTransfer, policies: any PolicySource, trail: any AuditTrail, environs: Environs, pause: Duration
    ) {
        self.queue = queue
        self.transfer = transfer
        self.policies = policies
        self.trail = trail
        self.environs = environs
        self.pause = pause
    }

    /// One round. Answers the failures: one artifact's does not stop the others', and its next look tries again.
    public func follow() async throws -> [PromotionFailure] {
        let policySet = try await policies.current()
        var failures: [PromotionFailure] = []
        for promotion in try await queue.dueForEvidence(pause: pause, limit: Self.batch) {
            try Task.checkCancellation()
            let choice = policySet.referrers(for: promotion.image, from: promotion.step, to: promotion.to)
            guard choice != .none, let from = policySet.environment(named: promotion.from), let to = policySet.environment(named: promotion.to) else { continue }
            let order = TransferOrder(
                promotion: promotion.id, image: promotion.image, digest: promotion.digest, from: from, to: to, tags: [], referrers: choice)
            do throws(PromotionFailure) {
                for carried in try await transfer.carryEvidence(order) {
                    if let failure = carried.failure { failures.append(failure) }
                    try await record(carried, promotion)
                }
            } catch { failures.append(error) }
        }
        return failures
    }

    private func record(_ carried: CarriedEvidence, _ promotion: Promotion) async throws(PromotionFailure) {
        guard !carried.digests.isEmpty else { return }
        do { try await trail.append(try Acts(environs).evidenceCarried(carried, promotion)) } catch {
            throw PromotionFailure(.storage, "what was carried could not be written down: \(error)", isTransient: true)
        }
    }
}

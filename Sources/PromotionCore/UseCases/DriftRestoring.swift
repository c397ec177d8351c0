import Foundation
import PolicyEngine

/// Puts tags back that others have moved, where an environment says so: by promotions, which policy decides about as about all others.
public struct DriftRestoring: Sendable {
    private let drifts: any DriftQueue
    private let rollbacks: Rollbacks
    private let policies: any PolicySource
    private static let batch = 50

    public init(drifts: any DriftQueue, rollbacks: Rollbacks, policies: any PolicySource) {
        self.drifts = drifts
        self.rollbacks = rollbacks
        self.policies = policies
    }

    /// One round. Answers what could not be asked for; it is tried again with growing pauses.
    public func restore() async throws -> [String] {
        var failures: [String] = []
        for environment in try await policies.current().environments where environment.drift == .restore {
            for drift in try await drifts.driftsToRestore(in: environment.name, limit: Self.batch) {
                try Task.checkCancellation()
                do throws(PromotionRequestError) {
                    let promotion = try await rollbacks.restore(drift)
                    do { try await drifts.restoring(drift.id, by: promotion.id) } catch { throw .store(error) }
                } catch { failures.append("\(drift.image):\(drift.tag) in \(drift.target.registry): \(error)") }
            }
        }
        return failures
    }
}

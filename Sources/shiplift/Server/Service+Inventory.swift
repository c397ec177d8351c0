import Foundation
import Logging
import PromotionCore
import Storage
import Synchronization
import Worker

extension ShipliftService {
    /// Scans, what promotions brought up, and drift that is to be undone.
    func inventoryDuties(_ core: Core, _ policies: any PolicySource) -> [PeriodicDuty] {
        let restoring = DriftRestoring(drifts: core.inventory, rollbacks: core.rollbacks, policies: policies)
        let reached = Mutex<Int64>(0)
        let asking =
            configuration.scansRegistries
            ? PeriodicDuty(name: "scans that are due", every: .seconds(2), logger: logger) { try await core.scanning.requestWhatIsDue() } : nil
        return [asking].compactMap(\.self) + [
            PeriodicDuty(name: "scans", every: .milliseconds(500), logger: logger) { [logger] in
                guard let scan = try await core.scanning.work() else { return }
                logger.log(
                    level: scan.state == .failed ? .warning : .info, "scanned \(scan.environment)",
                    metadata: [
                        "state": "\(scan.state.rawValue)", "tags": "\(scan.counts.tags)", "new": "\(scan.counts.new)", "moved": "\(scan.counts.moved)",
                        "gone": "\(scan.counts.gone)", "requests": "\(scan.counts.requests)", "failures": "\(scan.failures.joined(separator: "; "))",
                    ])
            },
            PeriodicDuty(name: "descriptions of new artifacts", every: .seconds(2), logger: logger) {
                let last = reached.withLock { $0 }
                let next = try await core.scanning.describeNewArtifacts(after: last)
                reached.withLock { $0 = next }
            },
            PeriodicDuty(name: "drift", every: .seconds(1), logger: logger) { [logger] in
                for failure in try await restoring.restore() {
                    logger.warning("a tag could not be put back, will be tried again", metadata: ["reason": "\(failure)"])
                }
            },
        ]
    }
}

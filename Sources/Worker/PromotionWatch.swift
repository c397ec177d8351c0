public import Logging
public import PromotionCore
public import ServiceLifecycle

/// Looks for what other replicas have done, for all who wait in this process together, and sends the waiters away when the service stops.
public struct PromotionWatch: Service {
    private let changes: PromotionChanges
    private let duty: PeriodicDuty

    public init(changes: PromotionChanges, journal: any PromotionJournal, every interval: Duration = .milliseconds(250), logger: Logger) {
        self.changes = changes
        duty = PeriodicDuty(name: "watch over promotions that are waited for", every: interval, logger: logger) {
            try await changes.look(into: journal)
        }
    }

    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await duty.run()
        } onGracefulShutdown: {
            changes.close()
        }
    }
}

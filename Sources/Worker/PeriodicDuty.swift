public import Logging
public import ServiceLifecycle

/// Something that is done again and again until the service stops: rescuing lost work, sequencing the audit log, reloading policy.
public struct PeriodicDuty: Service {
    private let name: String
    private let interval: Duration
    private let logger: Logger
    private let body: @Sendable () async throws -> Void

    public init(name: String, every interval: Duration, logger: Logger, _ body: @escaping @Sendable () async throws -> Void) {
        self.name = name
        self.interval = interval
        self.logger = logger
        self.body = body
    }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            var said: (error: String, at: ContinuousClock.Instant)?
            while !Task.isCancelled {
                do {
                    try await body()
                    if said != nil { logger.notice("\(name) works again") }
                    said = nil
                } catch {
                    if Task.isCancelled { return }
                    // The same words once a minute: a log full of them hides the others.
                    let isNew = said.map { $0.error != "\(error)" || $0.at.duration(to: .now) > .seconds(60) } ?? true
                    if isNew {
                        logger.warning("\(name) failed, will be tried again", metadata: ["error": "\(error)"])
                        said = ("\(error)", .now)
                    }
                }
                do { try await Task.sleep(for: interval) } catch { return }
            }
        }
    }
}

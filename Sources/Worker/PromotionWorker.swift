import Foundation
public import Logging
public import PromotionCore
public import ServiceLifecycle
import Synchronization

/// How a worker leases and renews.
public struct WorkerSettings: Sendable {
    /// Promotions at once.
    public var concurrency = 8
    /// How long a lease lasts without a heartbeat.
    public var lease: Duration = .seconds(30)
    /// Between two heartbeats.
    public var heartbeat: Duration = .seconds(10)
    /// Kept between the last moment of a tag's write and the lease's end.
    public var margin: Duration = .seconds(5)
    /// Between two looks for work when nobody calls.
    public var poll: Duration = .seconds(1)
    /// How long running work may go on after a stop was asked for.
    public var drain: Duration = .seconds(10)

    public init() {}
}

/// Leases promotions and takes them through their lives, several at once.
public struct PromotionWorker: Service {
    private let queue: any WorkQueue
    private let run: PromotionRun
    private let settings: WorkerSettings
    private let logger: Logger
    private let owner = UUID()
    private let running = RunningSet()

    public init(queue: any WorkQueue, run: PromotionRun, settings: WorkerSettings, logger: Logger) {
        self.queue = queue
        self.run = run
        self.settings = settings
        self.logger = logger
    }

    /// Works until a graceful stop: then claims nothing more, waits for what runs, and hands back what takes too long.
    public func run() async throws {
        let calls = Calls()
        await withGracefulShutdownHandler {
            await withDiscardingTaskGroup { group in
                group.addTask { await listen(calls) }
                group.addTask { await interruptAfterDrain(calls) }
                while !calls.isStopping {
                    await claim(into: &group, calls)
                    await calls.next(within: settings.poll)
                }
                await running.waitUntilEmpty()
                group.cancelAll()
            }
        } onGracefulShutdown: {
            calls.stop()
        }
    }

    private func listen(_ calls: Calls) async {
        for await _ in await queue.wakeUps() {
            if calls.isStopping { return }
            calls.ring()
        }
    }

    private func interruptAfterDrain(_ calls: Calls) async {
        await calls.waitUntilStopping()
        do { try await Task.sleep(for: settings.drain) } catch { return }
        running.interruptAll(.shutdown)
    }

    private func claim(into group: inout DiscardingTaskGroup, _ calls: Calls) async {
        do {
            // One after the other: the first begins while the next is looked for.
            while running.count < settings.concurrency, !calls.isStopping {
                // Before the question, so that what we trust ends before what the database grants.
                let asked = ContinuousClock.now
                guard let leased = try await queue.claim(owner: owner, limit: 1, duration: settings.lease).first else { return }
                let interruption = Interruption()
                running.insert(leased.lease.job, interruption)
                group.addTask {
                    await execute(leased, interruption, leasedAt: asked)
                    running.remove(leased.lease.job)
                    calls.ring()
                }
            }
        } catch {
            logger.warning("no work could be claimed", metadata: ["error": "\(error)"])
        }
    }

    private func execute(_ leased: LeasedPromotion, _ interruption: Interruption, leasedAt: ContinuousClock.Instant) async {
        let logger = logger(for: leased.promotion)
        logger.info(
            "working on promotion",
            metadata: ["image": "\(leased.promotion.image)", "to": "\(leased.promotion.to)", "state": "\(leased.promotion.state.rawValue)"])
        let lease = HeldLease(until: leasedAt + settings.lease - settings.margin)
        let context = PromotionRun.Context(
            commitDeadline: { lease.deadline }, interruption: interruption, progress: { lease.note($0) })
        let outcome = await withTaskGroup(of: RunOutcome?.self) { group in
            group.addTask { await run.run(leased, in: context) }
            group.addTask {
                await heartbeat(leased.lease, lease, interruption, logger)
                return nil
            }
            var outcome: RunOutcome?
            while outcome == nil, let next = await group.next() { outcome = next }
            group.cancelAll()
            return outcome
        }
        log(outcome, logger)
    }

    private func logger(for promotion: Promotion) -> Logger {
        var logger = logger
        logger[metadataKey: "promotion"] = "\(promotion.id)"
        if let request = promotion.requestID { logger[metadataKey: "request"] = "\(request)" }
        return logger
    }

    /// Renews the lease until cancelled. A lease that can't be renewed in time is given up before it ends.
    private func heartbeat(_ lease: Lease, _ held: HeldLease, _ interruption: Interruption, _ logger: Logger) async {
        while true {
            do { try await Task.sleep(for: settings.heartbeat) } catch { return }
            let asked = ContinuousClock.now
            do throws(StoreError) {
                let cancelRequested = try await queue.renew(lease, for: settings.lease, progress: held.takeProgress())
                held.extend(to: asked + settings.lease - settings.margin)
                if cancelRequested { interruption.interrupt(.cancelRequested) }
            } catch {
                if Task.isCancelled { return }
                guard error == .leaseLost || ContinuousClock.now >= held.deadline else {
                    logger.warning("the lease could not be renewed, will try again", metadata: ["error": "\(error)"])
                    continue
                }
                logger.warning("the lease is lost", metadata: ["error": "\(error)"])
                return interruption.interrupt(.leaseLost)
            }
        }
    }

    private func log(_ outcome: RunOutcome?, _ logger: Logger) {
        switch outcome {
        case .settled(let state): logger.info("promotion settled", metadata: ["state": "\(state.rawValue)"])
        case .postponed(let failure): logger.warning("promotion will be tried again", metadata: ["reason": "\(failure.message)"])
        case .interrupted: logger.info("promotion handed back")
        case .leaseLost, nil: logger.warning("another worker has this promotion now")
        case .unrecorded(let error): logger.error("the result could not be recorded; the promotion will be taken up again", metadata: ["error": "\(error)"])
        }
    }
}

/// The part of a lease that the worker trusts, and the last progress.
private final class HeldLease: Sendable {
    private let state: Mutex<(deadline: ContinuousClock.Instant, progress: CopyProgress?)>

    init(until deadline: ContinuousClock.Instant) { state = Mutex((deadline, nil)) }

    var deadline: ContinuousClock.Instant { state.withLock { $0.deadline } }
    func extend(to deadline: ContinuousClock.Instant) { state.withLock { $0.deadline = deadline } }
    func note(_ progress: CopyProgress) { state.withLock { $0.progress = progress } }
    func takeProgress() -> CopyProgress? { state.withLock { $0.progress } }
}

import AuditLog
import Foundation
import OCI
import PolicyEngine

/// How one run of a worker over a promotion ended.
public enum RunOutcome: Sendable, Hashable {
    /// The promotion is in this final state, or waits.
    case settled(PromotionState)
    /// The attempt failed for a passing reason; the work was given back.
    case postponed(PromotionFailure)
    /// The run was interrupted (shutdown) and the work given back.
    case interrupted
    /// Another worker has it now. Nothing was written.
    case leaseLost
    /// The database could not take the result; the lease will end and another run resumes.
    case unrecorded(StoreError)
}

/// Takes one leased promotion through its life: evaluate → copy → commit. Every step may run twice without harm.
public struct PromotionRun: Sendable {
    /// What the worker lends to a run.
    public struct Context: Sendable {
        /// The instant after which no tag may be written under this lease, extended by each heartbeat.
        public let commitDeadline: @Sendable () -> ContinuousClock.Instant
        /// Stops the run from outside.
        public let interruption: Interruption
        public let progress: @Sendable (CopyProgress) -> Void

        public init(
            commitDeadline: @escaping @Sendable () -> ContinuousClock.Instant, interruption: Interruption,
            progress: @escaping @Sendable (CopyProgress) -> Void
        ) {
            self.commitDeadline = commitDeadline
            self.interruption = interruption
            self.progress = progress
        }
    }

    private let store: any PromotionStore
    private let queue: any WorkQueue
    private let transfer: any ImageTransfer
    private let policies: any PolicySource
    private let evaluation: Evaluation
    private let environs: Environs
    private let backoff: Backoff
    private let changes: PromotionChanges

    public init(
        store: any PromotionStore, queue: any WorkQueue, registries: any ImageRegistries, transfer: any ImageTransfer,
        memory: any FactStore, checks: any ExternalChecks = NoExternalChecks(), policies: any PolicySource, environs: Environs, changes: PromotionChanges = PromotionChanges(),
        backoff: Backoff = Backoff()
    ) {
        self.store = store
        self.queue = queue
        self.transfer = transfer
        self.policies = policies
        self.environs = environs
        self.changes = changes
        self.backoff = backoff
        evaluation = Evaluation(registries: registries, memory: memory, checks: checks, environs: environs)
    }

    /// Runs until the promotion is final, waits, or the work is given back.
    public func run(_ leased: LeasedPromotion, in context: Context) async -> RunOutcome {
        var current = leased.promotion
        do {
            while !current.state.isFinal {
                if context.interruption.reason != nil { throw CancellationError() }
                switch try await step(&current, leased, context) {
                case .goOn: continue
                case .wait: return .settled(.waiting)
                }
            }
            return .settled(current.state)
        } catch let error as StoreError {
            return await stopped(by: error, leased.lease)
        } catch let failure as PromotionFailure {
            return await settle(failure, of: current, leased, context)
        } catch {
            return await interrupted(current, leased.lease, context.interruption.reason ?? .shutdown)
        }
    }

    private enum Next { case goOn, wait }

    private func step(_ promotion: inout Promotion, _ leased: LeasedPromotion, _ context: Context) async throws -> Next {
        switch promotion.state {
        case .requested, .waiting, .evaluating:
            try await evaluate(&promotion, leased.lease, context)
            return promotion.state == .waiting ? .wait : .goOn
        case .queued:
            promotion = try await move(promotion, to: .copying, leased.lease)
        case .copying:
            let order = try await order(for: promotion)
            let report = try await context.interruption.guarding { [transfer] in
                try await transfer.copy(order, progress: context.progress)
            }
            let sum = (promotion.report ?? CopyReport()).adding(report)
            promotion = try await move(promotion, to: .committing, leased.lease) { $0.report = sum }
        case .committing:
            let commit = try await transfer.commit(try await order(for: promotion), deadline: context.commitDeadline())
            let report = (promotion.report ?? CopyReport()).adding(commit.report)
            promotion = try await move(promotion, to: .succeeded, leased.lease) {
                $0.report = report
                $0.tagMoves = commit.moves
            }
        case .denied, .succeeded, .failed, .cancelled: break
        }
        return .goOn
    }

    /// Decides, and goes on to copying at once where policy allows and nobody else holds the tags.
    private func evaluate(_ promotion: inout Promotion, _ lease: Lease, _ context: Context) async throws {
        let policySet = try await policies.current()
        let subject = EvaluationSubject(promotion)
        // The facts are read while the move is written down.
        async let deciding = decision(about: subject, under: policySet, context)
        if promotion.state != .evaluating { promotion = try await move(promotion, to: .evaluating, lease) }
        let evaluated = try await deciding
        let targets = try Self.targets(of: promotion, in: policySet)
        let next: PromotionState =
            switch evaluated.decision.outcome {
            case .allow: .queued
            case .deny: .denied
            case .wait: .waiting
            }
        var decided = try change(promotion, to: next, decision: evaluated.decision)
        decided.facts = evaluated.facts
        decided.report = (promotion.report ?? CopyReport()).adding(CopyReport(decisionRequests: evaluated.requests))
        decided.targets = targets
        decided.tags = evaluated.decision.targetTags
        guard next == .queued else { return promotion = try await move(promotion, [decided], lease) }
        let queued = promotion.after(decided, RecordedMove(version: promotion.version + 1, at: environs.now()))
        do { promotion = try await move(promotion, [decided, try change(queued, to: .copying)], lease) } catch StoreError.targetHeld {
            promotion = try await move(promotion, [decided], lease)
        }
    }

    private func decision(about subject: EvaluationSubject, under policySet: PolicySet, _ context: Context) async throws -> Evaluated {
        try await context.interruption.guarding { [evaluation] in try await evaluation.evaluate(subject, under: policySet) }
    }

    private func order(for promotion: Promotion) async throws -> TransferOrder {
        let policySet = try await policies.current()
        guard let from = policySet.environment(named: promotion.from), let to = policySet.environment(named: promotion.to) else {
            throw PromotionFailure(.unknownEnvironment, "environment \(promotion.from) or \(promotion.to) is no longer in the policy in force")
        }
        return TransferOrder(
            promotion: promotion.id, image: promotion.image, digest: promotion.digest, from: from, to: to,
            tags: promotion.decision?.targetTags ?? promotion.requestedTags,
            referrers: policySet.referrers(for: promotion.image, from: promotion.step, to: promotion.to))
    }

    private func move(
        _ promotion: Promotion, to next: PromotionState, _ lease: Lease, failure: PromotionFailure? = nil, _ fill: (inout StateChange) -> Void = { _ in }
    ) async throws -> Promotion {
        var change = try change(promotion, to: next, failure: failure)
        fill(&change)
        return try await move(promotion, [change], lease)
    }

    private func move(_ promotion: Promotion, _ changes: [StateChange], _ lease: Lease) async throws -> Promotion {
        let moved = zip(changes, try await store.move(changes, lease: lease)).reduce(promotion) { $0.after($1.0, $1.1) }
        if moved.state.isFinal { self.changes.note(promotion.id) }
        return moved
    }

    private func change(
        _ promotion: Promotion, to next: PromotionState, decision: Decision? = nil, failure: PromotionFailure? = nil
    ) throws -> StateChange {
        StateChange(
            promotion: promotion.id, from: [promotion.state], to: next,
            audit: try Acts(environs).changed(
                promotion, to: next, by: .worker, authentication: .service, requestID: promotion.requestID,
                reason: failure?.message ?? decision?.summary, decision: decision, failure: failure),
            decision: decision, failure: failure)
    }

    static func targets(of promotion: Promotion, in policies: PolicySet) throws(PromotionFailure) -> [TargetRepository] {
        guard let to = policies.environment(named: promotion.to) else {
            throw PromotionFailure(.unknownEnvironment, "environment \(promotion.to) is not in the policy in force")
        }
        var targets: [TargetRepository] = []
        for registry in to.registries {
            targets.append(TargetRepository(registry: registry.name, repository: try registry.place(of: promotion.image)))
        }
        return targets
    }
}

extension PromotionRun {
    /// A failure that passes is tried again with growing pauses; one that doesn't, or too many of them, ends the promotion.
    private func settle(_ failure: PromotionFailure, of promotion: Promotion, _ leased: LeasedPromotion, _ context: Context) async -> RunOutcome {
        if let stop = context.interruption.reason { return await interrupted(promotion, leased.lease, stop) }
        // Bytes that were damaged on the way arrive whole the second time; those that don't are wrong where they come from.
        let attempts = failure.kind == .contentMismatch ? min(2, backoff.maximumAttempts) : backoff.maximumAttempts
        let mayTryAgain = failure.isTransient && leased.failures + 1 < attempts
        do {
            guard mayTryAgain else {
                // requested and waiting have no edge to failed: they pass through evaluating.
                let current = promotion.state.canMove(to: .failed) ? promotion : try await move(promotion, to: .evaluating, leased.lease)
                _ = try await move(current, to: .failed, leased.lease, failure: failure)
                return .settled(.failed)
            }
            if promotion.state.canMove(to: .queued), promotion.state != .evaluating {
                _ = try await move(promotion, to: .queued, leased.lease, failure: failure)
            }
            let delay = backoff.delay(afterFailures: leased.failures + 1, atLeast: failure.retryAfter)
            try await queue.giveBack(leased.lease, after: delay, countsAsFailure: true)
            return .postponed(failure)
        } catch let error as StoreError {
            return error == .leaseLost ? .leaseLost : .unrecorded(error)
        } catch {
            return .unrecorded(.corrupt("\(error)"))
        }
    }

    private func interrupted(_ promotion: Promotion, _ lease: Lease, _ reason: Interruption.Reason) async -> RunOutcome {
        switch reason {
        case .leaseLost: return .leaseLost
        case .cancelRequested where promotion.state.isCancellable: return await cancelled(promotion, lease)
        case .cancelRequested, .shutdown:
            do {
                try await queue.giveBack(lease, after: .zero, countsAsFailure: false)
                return .interrupted
            } catch { return error == .leaseLost ? .leaseLost : .unrecorded(error) }
        }
    }

    private func cancelled(_ promotion: Promotion, _ lease: Lease) async -> RunOutcome {
        do {
            _ = try await move(promotion, to: .cancelled, lease)
            return .settled(.cancelled)
        } catch let error as StoreError {
            return error == .leaseLost ? .leaseLost : .unrecorded(error)
        } catch {
            return .unrecorded(.corrupt("\(error)"))
        }
    }

    private func stopped(by error: StoreError, _ lease: Lease) async -> RunOutcome {
        switch error {
        case .leaseLost, .stale: return .leaseLost
        case .targetHeld, .overtaken:
            // An older promotion works on the same tag, or there is something new to look at: look again, and don't count it against this one.
            do {
                try await queue.giveBack(lease, after: error == .overtaken ? .zero : .milliseconds(500), countsAsFailure: false)
                return .interrupted
            } catch { return error == .leaseLost ? .leaseLost : .unrecorded(error) }
        default: return .unrecorded(error)
        }
    }
}

extension RegistryDefinition {
    /// The repository of an image in this registry.
    func place(of image: ImageName) throws(PromotionFailure) -> RepositoryName {
        do { return try repository.repository(for: image) } catch {
            throw PromotionFailure(.configuration, "\(image) has no repository in registry \(name): \(error)")
        }
    }
}

extension EvaluationSubject {
    init(_ promotion: Promotion) {
        self.init(
            image: promotion.image, from: promotion.from, to: promotion.to, digest: promotion.digest, sourceTag: promotion.sourceTag,
            requestedTags: promotion.requestedTags, requestedBy: promotion.requestedBy, requestedAs: promotion.requestedAs, promotion: promotion.id,
            rollback: promotion.rollback)
    }
}

import AuditLog
import Crypto
import Foundation
public import OCI
public import PolicyEngine

/// Why a request about a promotion is refused. Each case becomes one kind of problem+json.
public enum PromotionRequestError: Error, Sendable {
    case notPermitted(String)
    case unknownEnvironment(EnvironmentName, known: [EnvironmentName])
    case artifactNotFound(image: ImageName, reference: ManifestReference, environment: EnvironmentName)
    case promotionNotFound(PromotionID)
    case queueFull(depth: Int, limit: Int)
    /// What is asked for makes no sense as things stand.
    case conflict(String)
    /// What was sent does not count: the field at fault, and why.
    case unacceptable(field: String, String)
    case failure(PromotionFailure)
    case store(StoreError)
}

/// A decision and the plan behind it, made without doing anything.
public struct DryRun: Sendable {
    public let resolved: ResolvedArtifact
    public let decision: Decision
    /// `nil` where policy does not allow the promotion.
    public let plan: CopyPlanSummary?
}

/// The use cases of people and pipelines: ask for a promotion, try it, cancel it, retry it.
public struct Promotions: Sendable {
    private let store: any PromotionStore
    private let intake: PromotionIntake
    private let registries: any ImageRegistries
    private let transfer: any ImageTransfer
    private let policies: any PolicySource
    private let evaluation: Evaluation
    private let environs: Environs
    private let changes: PromotionChanges

    public init(
        store: any PromotionStore, queue: any WorkQueue, registries: any ImageRegistries, transfer: any ImageTransfer,
        memory: any FactStore, checks: any ExternalChecks = NoExternalChecks(), policies: any PolicySource, environs: Environs, changes: PromotionChanges = PromotionChanges(),
        queueLimit: Int = 10_000
    ) {
        self.store = store
        intake = PromotionIntake(store: store, queue: queue, limit: queueLimit)
        self.registries = registries
        self.transfer = transfer
        self.policies = policies
        self.environs = environs
        self.changes = changes
        evaluation = Evaluation(registries: registries, memory: memory, checks: checks, environs: environs)
    }

    /// Accepts a promotion: the tag is resolved now, once; everything after is by digest.
    ///
    /// - Parameters:
    ///   - key: the client's idempotency key and nothing else makes a repeated request safe after the first one has ended.
    public func request(
        _ request: PromotionRequest, by principal: Principal, requestID: RequestID, key: String?
    ) async throws(PromotionRequestError) -> CreatedPromotion {
        let (_, resolved, requests) = try await resolve(request, for: principal)
        var promotion = Promotion(
            id: PromotionID(environs.newID()), image: request.image, from: request.from, to: request.to, digest: resolved.digest,
            sourceTag: request.reference.tag, requestedTags: request.targetTags, reason: request.reason, requestedBy: principal.subject,
            requestID: requestID, createdAt: environs.now(), requestedAs: principal.identity)
        promotion.report = CopyReport(decisionRequests: requests)
        let audit = try entry { () throws(AuditEntryError) in
            try Acts(environs).requested(promotion, by: principal)
        }
        let idempotency = key.map { IdempotencyKey(principal: principal.subject, key: $0, fingerprint: request.fingerprint) }
        return try await intake.take(promotion, key: idempotency, audit: audit)
    }

    /// The decision and the plan for a request, with nothing written anywhere.
    public func dryRun(_ request: PromotionRequest, by principal: Principal) async throws(PromotionRequestError) -> DryRun {
        let (policySet, resolved, _) = try await resolve(request, for: principal)
        let evaluated = try await evaluate(request, resolved, by: principal, under: policySet)
        guard evaluated.decision.outcome == .allow, let from = policySet.environment(named: request.from),
            let to = policySet.environment(named: request.to)
        else { return DryRun(resolved: resolved, decision: evaluated.decision, plan: nil) }
        let order = TransferOrder(
            promotion: PromotionID(environs.newID()), image: request.image, digest: resolved.digest, from: from, to: to,
            tags: evaluated.decision.targetTags, referrers: policySet.referrers(for: request.image, from: request.from, to: request.to))
        let plan = try await failure { () async throws(PromotionFailure) in try await transfer.plan(order) }
        return DryRun(resolved: resolved, decision: evaluated.decision, plan: plan)
    }

    private func evaluate(
        _ request: PromotionRequest, _ resolved: ResolvedArtifact, by principal: Principal, under policySet: PolicySet
    ) async throws(PromotionRequestError) -> Evaluated {
        let subject = EvaluationSubject(
            image: request.image, from: request.from, to: request.to, digest: resolved.digest, sourceTag: request.reference.tag,
            requestedTags: request.targetTags, requestedBy: principal.subject, requestedAs: principal.identity, promotion: nil)
        return try await failure { () async throws(PromotionFailure) in try await evaluation.evaluate(subject, under: policySet) }
    }

    /// What a promotion would be told now, whoever may ask for it: a look, as at what is eligible.
    func decision(on request: PromotionRequest, by principal: Principal) async throws(PromotionRequestError) -> (digest: OCI.Digest, decision: Decision) {
        let (policySet, resolved, _) = try await resolve(request)
        return (resolved.digest, try await evaluate(request, resolved, by: principal, under: policySet).decision)
    }

    public func promotion(_ id: PromotionID) async throws(PromotionRequestError) -> Promotion {
        let found = try await store { () async throws(StoreError) in try await store.promotion(id) }
        guard let found else { throw .promotionNotFound(id) }
        return found
    }

    /// What people and pipelines can do about the gates of a promotion that are not open, and who: nothing where the policy has changed since.
    public func requests(of promotion: Promotion) async throws(PromotionRequestError) -> [GateRequest] {
        guard promotion.state == .waiting || promotion.state == .denied, let decision = promotion.decision else { return [] }
        let policySet = try await failure { () async throws(PromotionFailure) in try await policies.current() }
        guard policySet.version == decision.policyVersion else { return [] }
        return policySet.openRequests(of: decision, for: promotion.image, from: promotion.step, to: promotion.to)
    }

    /// Waits until a promotion is final, at most `time`; holds no thread and no connection meanwhile.
    public func settled(_ promotion: Promotion, within time: Duration) async throws -> Promotion {
        if promotion.state.isFinal { return promotion }
        let deadline = ContinuousClock.now + time
        return try await changes.watching(promotion.id) { bell in
            // Whoever works on it, here or elsewhere: the bell rings when something has changed.
            var current = try await self.promotion(promotion.id)
            while !current.state.isFinal, !changes.isClosed {
                let left = ContinuousClock.now.duration(to: deadline)
                guard left > .zero else { break }
                await bell.next(within: left)
                try Task.checkCancellation()
                current = try await self.promotion(promotion.id)
            }
            return current
        }
    }

    /// Cancels a promotion: at once where nobody works on it, within a heartbeat otherwise; refused once tags may have moved.
    public func cancel(
        _ id: PromotionID, ifVersion versions: Set<Int>? = nil, by principal: Principal, reason: String?, requestID: RequestID
    ) async throws(PromotionRequestError) -> Promotion {
        let found = try await permitted(id, for: principal)
        let audit = try entry { () throws(AuditEntryError) in
            try Acts(environs).changed(found, to: .cancelled, by: principal.subject, authentication: principal.authentication, requestID: requestID, reason: reason)
        }
        let wish = try entry { () throws(AuditEntryError) in
            try Acts(environs).cancelRequested(found, by: principal.subject, authentication: principal.authentication, requestID: requestID, reason: reason)
        }
        let cancelled = try await store { () async throws(StoreError) in
            try await store.cancel(id, ifVersion: versions, audit: audit, whileRunning: wish)
        }
        changes.note(id)
        return cancelled
    }

    /// Asks again for a promotion that failed, was denied or cancelled. Policy is evaluated anew.
    public func retry(
        _ id: PromotionID, ifVersion versions: Set<Int>? = nil, by principal: Principal, requestID: RequestID
    ) async throws(PromotionRequestError) -> Promotion {
        let found = try await permitted(id, for: principal)
        let audit = try entry { () throws(AuditEntryError) in
            try Acts(environs).retried(found, by: principal.subject, authentication: principal.authentication, requestID: requestID)
        }
        let retried = try await store { () async throws(StoreError) in try await store.retry(id, ifVersion: versions, audit: audit) }
        await intake.announce()
        return retried
    }

    private func permitted(_ id: PromotionID, for principal: Principal) async throws(PromotionRequestError) -> Promotion {
        let found = try await promotion(id)
        guard principal.mayPromote(found.image, to: found.to) else {
            throw .notPermitted("this token may not act on promotions of \(found.image) to \(found.to)")
        }
        return found
    }

    private func resolve(
        _ request: PromotionRequest, for principal: Principal
    ) async throws(PromotionRequestError) -> (PolicySet, ResolvedArtifact, requests: [String: Int]) {
        guard principal.mayPromote(request.image, to: request.to) else {
            throw .notPermitted("this token may not promote \(request.image) to \(request.to)")
        }
        return try await resolve(request)
    }

    private func resolve(_ request: PromotionRequest) async throws(PromotionRequestError) -> (PolicySet, ResolvedArtifact, requests: [String: Int]) {
        let policySet = try await failure { () async throws(PromotionFailure) in try await policies.current() }
        let known = policySet.environments.map(\.name)
        guard let from = policySet.environment(named: request.from) else { throw .unknownEnvironment(request.from, known: known) }
        guard let to = policySet.environment(named: request.to) else { throw .unknownEnvironment(request.to, known: known) }
        let tally = RequestTally()
        let tags = policySet.targetTags(of: request.image, from: request.from, to: request.to, tag: request.reference.tag, requested: request.targetTags)
        // What the tags name will be asked as soon as the artifact is known: it costs no time to ask at once.
        async let ahead: Void = registries.lookAhead(request.image, tags: tags, in: to, tally: tally)
        let resolved = try await failure { () async throws(PromotionFailure) in
            try await registries.resolve(request.image, request.reference, in: from, tally: tally)
        }
        await ahead
        guard let resolved else {
            throw .artifactNotFound(image: request.image, reference: request.reference, environment: request.from)
        }
        return (policySet, resolved, tally.requests)
    }
}

extension Promotions {
    private func store<T>(_ body: () async throws(StoreError) -> T) async throws(PromotionRequestError) -> T {
        do { return try await body() } catch { throw .store(error) }
    }

    private func failure<T>(_ body: () async throws(PromotionFailure) -> T) async throws(PromotionRequestError) -> T {
        do { return try await body() } catch { throw .failure(error) }
    }

    private func entry(_ body: () throws(AuditEntryError) -> AuditEntry) throws(PromotionRequestError) -> AuditEntry {
        do { return try body() } catch { throw .store(.auditUnavailable("\(error)")) }
    }
}

extension ManifestReference {
    /// The tag, where it is one.
    public var tag: Tag? {
        switch self {
        case .tag(let tag): tag
        case .digest: nil
        }
    }
}

extension PromotionRequest {
    /// SHA-256 over what was asked, to tell a repeated request from another one under the same key.
    var fingerprint: [UInt8] {
        let fields = [image.description, from.description, to.description, reference.description, reason ?? ""] + targetTags.map(\.description).sorted()
        return Array(SHA256.hash(data: Data(fields.joined(separator: "\u{0}").utf8)))
    }
}

import AuditLog
import struct Crypto.SHA256
public import Foundation
public import OCI
public import PolicyEngine

/// Brings an image, or a whole environment, back to a state that it had: one promotion for each artifact, with everything that a promotion has.
public struct Rollbacks: Sendable {
    /// What is asked for.
    public struct Request: Sendable, Hashable {
        public let environment: EnvironmentName
        /// `nil`: everything in the environment.
        public let image: ImageName?
        /// Only these tags, where there are any.
        public let tags: [Tag]
        public let goal: RollbackGoal
        public let reason: String?

        public init(environment: EnvironmentName, image: ImageName?, tags: [Tag], goal: RollbackGoal, reason: String?) {
            self.environment = environment
            self.image = image
            self.tags = tags
            self.goal = goal
            self.reason = reason
        }
    }

    /// One artifact that goes back under its tags.
    public struct Item: Sendable {
        public enum Outcome: Sendable {
            case requested(Promotion)
            /// The decision that the promotion would get.
            case tried(Decision)
            case refused(PromotionRequestError)
        }

        public let image: ImageName
        public let digest: Digest
        public let tags: [Tag]
        public let state: Date
        /// Where the artifact is now: the environment itself, or another one. `nil`: nowhere.
        public let source: EnvironmentName?
        public let outcome: Outcome
    }

    public struct Answer: Sendable {
        public let items: [Item]
        /// Tags that already name what they named then.
        public let unchanged: Int
    }

    /// Tags that one call looks at.
    private static let mostTags = 2_000

    private let states: any EarlierStates
    private let store: any PromotionStore
    private let intake: PromotionIntake
    private let registries: any ImageRegistries
    private let policies: any PolicySource
    private let evaluation: Evaluation
    private let environs: Environs

    public init(
        states: any EarlierStates, store: any PromotionStore, queue: any WorkQueue, registries: any ImageRegistries, memory: any FactStore,
        checks: any ExternalChecks = NoExternalChecks(), policies: any PolicySource, environs: Environs, queueLimit: Int = 10_000
    ) {
        self.states = states
        self.store = store
        intake = PromotionIntake(store: store, queue: queue, limit: queueLimit)
        self.registries = registries
        self.policies = policies
        self.environs = environs
        evaluation = Evaluation(registries: registries, memory: memory, checks: checks, environs: environs)
    }

    /// Asks for what brings the state back. Items are independent: one that is refused does not touch the others.
    public func request(
        _ request: Request, by principal: Principal, requestID: RequestID, key: String?
    ) async throws(PromotionRequestError) -> Answer {
        // After a rollback, "previous" is something else: a repeated request is answered with what the first one did.
        if request.goal == .previous, let key, let answer = try await repeated(request, key, principal) { return answer }
        return try await each(request, for: principal) { group, policySet throws(PromotionRequestError) in
            let promotion = promotion(group, request, principal, requestID)
            return .requested(try await create(promotion, principal, key.map { "\($0)#\(group.label)" }))
        }
    }

    private func repeated(_ request: Request, _ key: String, _ principal: Principal) async throws(PromotionRequestError) -> Answer? {
        let known = try await stored { () async throws(StoreError) in try await states.promotions(under: key, of: principal.subject) }
        guard !known.isEmpty else { return nil }
        guard known.allSatisfy({ $0.to == request.environment && $0.image == request.image && $0.reason == request.reason }) else {
            throw .store(.idempotencyKeyReused)
        }
        return Answer(
            items: known.map {
                Item(image: $0.image, digest: $0.digest, tags: $0.requestedTags, state: $0.rollback?.state ?? $0.createdAt, source: $0.from, outcome: .requested($0))
            }, unchanged: 0)
    }

    /// What would be done, and what policy says to it; nothing is written.
    public func dryRun(_ request: Request, by principal: Principal) async throws(PromotionRequestError) -> Answer {
        try await each(request, for: principal) { group, policySet throws(PromotionRequestError) in
            let subject = EvaluationSubject(promotion(group, request, principal, RequestID(environs.newID())))
            do throws(PromotionFailure) { return .tried(try await evaluation.evaluate(subject, under: policySet).decision) } catch { throw .failure(error) }
        }
    }

    /// Puts a tag back to what Shiplift itself had made it name.
    public func restore(_ drift: Drift) async throws(PromotionRequestError) -> Promotion {
        let policySet = try await current()
        guard let environment = policySet.environment(named: drift.environment) else {
            throw .unknownEnvironment(drift.environment, known: policySet.environments.map(\.name))
        }
        let written = try await stored { () async throws(StoreError) in try await store.promotion(drift.promotion) }
        let group = try await group(
            drift.image, drift.expected, [drift.tag], state: drift.detectedAt, step: written?.step, restores: true, environment, policySet)
        let shiplift = Principal(subject: .service, name: "shiplift", grant: .admin, authentication: .service)
        let request = Request(
            environment: drift.environment, image: drift.image, tags: [drift.tag], goal: .digest(drift.expected),
            reason: "drift: \(drift.tag) in \(drift.target.registry) \(drift.found.map { "names \($0)" } ?? "is gone")")
        return try await create(promotion(group, request, shiplift, RequestID(drift.id)), shiplift, nil)
    }

    // MARK: One by one

    /// An artifact on its way back.
    private struct Group: Sendable {
        let image: ImageName
        let digest: Digest
        let tags: [Tag]
        let source: EnvironmentName
        let rollback: Rollback
        let state: Date

        var label: String { String(Digest(hashing: Data("\(image) \(digest) \(tags.sorted())".utf8)).hex.prefix(24)) }
    }

    private func each(
        _ request: Request, for principal: Principal, _ act: (Group, PolicySet) async throws(PromotionRequestError) -> Item.Outcome
    ) async throws(PromotionRequestError) -> Answer {
        let policySet = try await current()
        guard let environment = policySet.environment(named: request.environment) else {
            throw .unknownEnvironment(request.environment, known: policySet.environments.map(\.name))
        }
        let found = try await stored { () async throws(StoreError) in
            try await states.earlier(request.goal, in: request.environment, image: request.image, tags: request.tags, limit: Self.mostTags + 1)
        }
        guard found.count <= Self.mostTags else {
            throw .conflict("more than \(Self.mostTags) tags of \(request.environment) would have to be looked at; name an image")
        }
        guard !found.isEmpty else { throw .conflict(Self.nothing(request)) }
        var items: [Item] = []
        let behind = Dictionary(grouping: found.filter { !$0.isCurrent }) { "\($0.image) \($0.digest)" }
        for (_, tags) in behind.sorted(by: { $0.key < $1.key }) {
            guard let first = tags.first else { continue }
            items.append(await item(first, tags, environment, policySet, principal, act))
        }
        return Answer(items: items, unchanged: found.filter(\.isCurrent).count)
    }

    private func item(
        _ first: EarlierTag, _ tags: [EarlierTag], _ environment: EnvironmentDefinition, _ policySet: PolicySet, _ principal: Principal,
        _ act: (Group, PolicySet) async throws(PromotionRequestError) -> Item.Outcome
    ) async -> Item {
        let names = tags.map(\.tag).sorted()
        var source: EnvironmentName?
        do throws(PromotionRequestError) {
            guard principal.mayPromote(first.image, to: environment.name) else {
                throw .notPermitted("you may not bring \(first.image) into \(environment.name)")
            }
            let group = try await group(
                first.image, first.digest, names, state: first.state, step: tags.compactMap(\.step).first, restores: false, environment, policySet)
            source = group.source
            let outcome = try await act(group, policySet)
            return Item(image: first.image, digest: first.digest, tags: names, state: first.state, source: source, outcome: outcome)
        } catch {
            return Item(image: first.image, digest: first.digest, tags: names, state: first.state, source: source, outcome: .refused(error))
        }
    }

    private static func nothing(_ request: Request) -> String {
        let what = request.image?.description ?? "anything"
        return switch request.goal {
        case .previous: "no earlier state of \(what) in \(request.environment) is known"
        case .state(let time): "nothing is known of \(what) in \(request.environment) at \(time.formatted(Date.ISO8601FormatStyle()))"
        case .digest(let digest): "\(what) never was \(digest) in \(request.environment) under these tags, or is it still"
        }
    }

    /// Finds where the artifact is: in the environment itself, else where it came from, else in any other environment.
    private func group(
        _ image: ImageName, _ digest: Digest, _ tags: [Tag], state: Date, step: EnvironmentName?, restores: Bool, _ environment: EnvironmentDefinition,
        _ policies: PolicySet
    ) async throws(PromotionRequestError) -> Group {
        let steps = policies.steps(for: image, to: environment.name)
        guard let step = step.flatMap({ steps.contains($0) ? $0 : nil }) ?? steps.last else {
            throw .conflict("no policy lets \(image) into \(environment.name)")
        }
        let others = policies.environments.filter { $0.name != environment.name }.sorted { $0.name == step && $1.name != step }
        var failure: PromotionFailure?
        for candidate in [environment] + others {
            do throws(PromotionFailure) {
                if try await registries.holds(digest, image: image, in: candidate) {
                    return Group(
                        image: image, digest: digest, tags: tags, source: candidate.name,
                        rollback: Rollback(step: step, state: state, restores: restores), state: state)
                }
            } catch { failure = failure ?? error }
        }
        if let failure { throw .failure(failure) }
        throw .artifactNotFound(image: image, reference: .digest(digest), environment: environment.name)
    }

    private func promotion(_ group: Group, _ request: Request, _ principal: Principal, _ requestID: RequestID) -> Promotion {
        Promotion(
            id: PromotionID(environs.newID()), image: group.image, from: group.source, to: request.environment, digest: group.digest, sourceTag: nil,
            requestedTags: group.tags, reason: request.reason, requestedBy: principal.subject, requestID: requestID, createdAt: environs.now(),
            requestedAs: principal.identity, rollback: group.rollback)
    }

    private func create(_ promotion: Promotion, _ principal: Principal, _ key: String?) async throws(PromotionRequestError) -> Promotion {
        let audit: AuditEntry
        do {
            audit = try Acts(environs).requested(promotion, by: principal)
        } catch { throw .store(.auditUnavailable("\(error)")) }
        let fields = [promotion.image.description, promotion.to.description, promotion.digest.description, promotion.reason ?? ""]
        let fingerprint = Array(SHA256.hash(data: Data((fields + promotion.requestedTags.map(\.description)).joined(separator: "\u{0}").utf8)))
        let idempotency = key.map { IdempotencyKey(principal: principal.subject, key: $0, fingerprint: fingerprint) }
        return switch try await intake.take(promotion, key: idempotency, audit: audit) {
        case .created(let promotion), .repeated(let promotion): promotion
        }
    }

    private func current() async throws(PromotionRequestError) -> PolicySet {
        do { return try await policies.current() } catch { throw .failure(error) }
    }

    private func stored<T>(_ body: () async throws(StoreError) -> T) async throws(PromotionRequestError) -> T {
        do { return try await body() } catch { throw .store(error) }
    }
}

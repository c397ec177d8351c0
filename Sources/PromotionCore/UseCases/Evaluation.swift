import Foundation
public import OCI
public import PolicyEngine

/// What is evaluated: a promotion, or a dry run of one.
public struct EvaluationSubject: Sendable, Hashable {
    public let image: ImageName
    public let from: EnvironmentName
    public let to: EnvironmentName
    public let digest: Digest
    public let sourceTag: Tag?
    public let requestedTags: [Tag]
    public let requestedBy: SubjectID
    /// The requester with claims, where they are known.
    public let requestedAs: Identity?
    /// `nil` where there is none yet: nobody can have said anything to it.
    public let promotion: PromotionID?
    /// Set where it is a rollback.
    public var rollback: Rollback?

    /// The environment by whose step into `to` policy decides.
    var step: EnvironmentName { rollback?.step ?? from }
}

/// A decision and the facts it was made on.
public struct Evaluated: Sendable, Hashable {
    public let decision: Decision
    public let facts: PromotionFacts
    /// Requests that it took, by method class.
    public let requests: [String: Int]
}

/// Collects the facts about a promotion and asks policy.
public struct Evaluation: Sendable {
    private let registries: any ImageRegistries
    private let memory: any FactStore
    let checks: any ExternalChecks
    let environs: Environs
    private let signers = ParsedSigners()

    public init(
        registries: any ImageRegistries, memory: any FactStore, checks: any ExternalChecks = NoExternalChecks(), environs: Environs
    ) {
        self.checks = checks
        self.registries = registries
        self.memory = memory
        self.environs = environs
    }

    /// Evaluates a subject. Facts that can't be had fail the evaluation; they never count as fulfilled.
    public func evaluate(_ subject: EvaluationSubject, under policies: PolicySet) async throws(PromotionFailure) -> Evaluated {
        guard let from = policies.environment(named: subject.from) else { throw Self.unknown(subject.from) }
        guard let to = policies.environment(named: subject.to) else { throw Self.unknown(subject.to) }
        let tally = RequestTally()
        guard try await registries.resolve(subject.image, .digest(subject.digest), in: from, tally: tally) != nil else {
            throw PromotionFailure(
                .imageNotFound, "\(subject.image)@\(subject.digest) is no longer in \(subject.from)", reference: subject.digest.description)
        }
        let needs = policies.needs(for: subject.image, from: subject.step, to: subject.to)
        let tags = policies.targetTags(
            of: subject.image, from: subject.step, to: subject.to, tag: subject.sourceTag, requested: subject.requestedTags)
        async let current = current(tags, of: subject.image, in: to, tally)
        let artifact = try await registries.facts(of: subject.digest, image: subject.image, in: from, needs: needs, tally: tally)
        var complete = facts(subject, artifact, targetTags: try await current.get())
        try await remember(subject, policies, needs, &complete)
        if needs.readsAttachments { try await attach(subject, policies, needs, from, &complete, tally) }
        if !needs.checks.isEmpty { complete.checks = await answers(subject, policies, needs.checks, targetTags: tags, at: environs.now()) }
        return Evaluated(decision: policies.evaluate(complete, at: environs.now()), facts: complete, requests: tally.requests)
    }

    /// Adds what hangs on the artifact. What was pushed to one registry of an environment alone is found there: where what one has does not
    /// open the gates, the next is looked at.
    private func attach(
        _ subject: EvaluationSubject, _ policies: PolicySet, _ needs: FactNeeds, _ from: EnvironmentDefinition, _ facts: inout PromotionFacts, _ tally: RequestTally
    ) async throws(PromotionFailure) {
        let verification = EvidenceVerification(signers: try signers.signers(of: policies), now: environs.now())
        var missing: PromotionFailure?
        var isRead = false
        for registry in from.registries {
            if isRead {
                let decision = policies.evaluate(facts, at: environs.now())
                guard policies.lacksAttachments(decision, for: subject.image, from: subject.from, to: subject.to) else { return }
            }
            do throws(PromotionFailure) {
                let attached = try await registries.attachments(to: subject.digest, image: subject.image, in: registry, needs: needs, tally: tally)
                await verification.fill(&facts, from: attached, needs)
                isRead = true
            } catch {
                guard error.kind == .contentMissing else { throw error }
                missing = missing ?? error
            }
        }
        if !isRead { throw missing ?? PromotionFailure(.configuration, "environment \(from.name) has no registry") }
    }

    /// What the tags to write name now.
    private func current(
        _ tags: [Tag], of image: ImageName, in environment: EnvironmentDefinition, _ tally: RequestTally
    ) async -> Result<[CurrentTag], PromotionFailure> {
        var found: [CurrentTag] = []
        do throws(PromotionFailure) {
            for tag in tags {
                found += try await registries.currentTargets(image, tag: tag, in: environment, tally: tally).map { CurrentTag(tag: tag, digest: $0.digest) }
            }
            return .success(found)
        } catch { return .failure(error) }
    }

    /// What no registry can say: since when something is where it is, and how much has moved.
    private func remember(
        _ subject: EvaluationSubject, _ policies: PolicySet, _ needs: FactNeeds, _ facts: inout PromotionFacts
    ) async throws(PromotionFailure) {
        do throws(StoreError) {
            if needs.presence {
                let sightings = try await memory.sightings(of: subject.digest, image: subject.image)
                facts.presence = policies.environments.compactMap { Self.presence(in: $0, sightings) }
                facts.firstSeen = sightings.map(\.firstSeen).min()
            }
            if let window = needs.recentPromotions {
                facts.recentPromotions = try await memory.promotions(into: subject.to, since: environs.now().addingTimeInterval(-Double(window.seconds)))
            }
            try await addStatements(subject, needs, &facts)
        } catch { throw PromotionFailure(.storage, "what policy asks about can't be looked up: \(error)", isTransient: true) }
    }

    /// What people and pipelines have said, beside what is already known.
    private func addStatements(_ subject: EvaluationSubject, _ needs: FactNeeds, _ facts: inout PromotionFacts) async throws(StoreError) {
        facts.requesterIdentity = subject.requestedAs
        // Who may override is said by identities.
        if needs.approvals || needs.identities {
            let verdicts: [PromotionVerdict] =
                if let promotion = subject.promotion { try await memory.verdicts(on: promotion) } else { [] }
            if needs.approvals { facts.approvals = verdicts.compactMap(\.approval) }
            let orders = verdicts.filter { $0.kind == .override }.map { OverrideFact(by: $0.by, reason: $0.comment ?? "", at: $0.at) }
            facts.override = orders.last
            if orders.count > 1 { facts.overrides = orders }
        }
        guard !needs.evidence.isEmpty || needs.scans else { return }
        let digests = [subject.digest] + facts.platforms.compactMap(\.digest)
        if !needs.evidence.isEmpty {
            facts.evidence = (facts.evidence ?? []) + (try await memory.evidence(about: digests, image: subject.image, kinds: needs.evidence))
        }
        if needs.scans { facts.scans = (facts.scans ?? []) + (try await memory.scans(of: digests, image: subject.image)) }
    }

    private func facts(_ subject: EvaluationSubject, _ artifact: ArtifactFacts, targetTags: [CurrentTag]) -> PromotionFacts {
        var facts = PromotionFacts(
            image: subject.image, from: subject.step, to: subject.to, digest: subject.digest, tag: subject.sourceTag,
            requestedTargetTags: subject.requestedTags, requester: subject.requestedBy.description, mediaType: artifact.mediaType,
            artifactType: artifact.artifactType, platforms: artifact.platforms, annotations: artifact.annotations,
            sizeBytes: artifact.sizeBytes, created: artifact.created, presentInSource: true, targetTags: targetTags)
        facts.rollback = subject.rollback.map { RollbackFact(source: subject.from, state: $0.state, restores: $0.restores) }
        return facts
    }

    /// In an environment is what all its registries have.
    private static func presence(in environment: EnvironmentDefinition, _ sightings: [RegistryPresence]) -> EnvironmentPresence? {
        let found = environment.registries.map { registry in sightings.first { $0.registry == registry.name } }
        guard let firstSeen = found.compactMap({ $0?.firstSeen }).min() else { return nil }
        let starts = found.compactMap { $0?.since }
        return EnvironmentPresence(environment: environment.name, firstSeen: firstSeen, since: starts.count == found.count ? starts.max() : nil)
    }

    private static func unknown(_ name: EnvironmentName) -> PromotionFailure {
        PromotionFailure(.unknownEnvironment, "environment \(name) is not in the policy in force")
    }
}

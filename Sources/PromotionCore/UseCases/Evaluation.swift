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
        let needs = policies.needs(for: subject.image, from: subject.from, to: subject.to)
        let artifact = try await registries.facts(of: subject.digest, image: subject.image, in: from, needs: needs, tally: tally)
        // The first pass tells which tags would be written; what they name now is a fact of the second.
        let preliminary = facts(subject, artifact, targetTags: [])
        let tags = policies.evaluate(preliminary, at: environs.now()).targetTags
        var current: [CurrentTag] = []
        for tag in tags {
            for found in try await registries.currentTargets(subject.image, tag: tag, in: to, tally: tally) {
                current.append(CurrentTag(tag: tag, digest: found.digest))
            }
        }
        var complete = facts(subject, artifact, targetTags: current)
        try await remember(subject, policies, needs, &complete)
        if !needs.checks.isEmpty { complete.checks = await answers(subject, policies, needs.checks, targetTags: tags, at: environs.now()) }
        return Evaluated(decision: policies.evaluate(complete, at: environs.now()), facts: complete, requests: tally.requests)
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
        } catch { throw PromotionFailure(.storage, "what policy asks about can't be looked up: \(error)", isTransient: true) }
    }

    private func facts(_ subject: EvaluationSubject, _ artifact: ArtifactFacts, targetTags: [CurrentTag]) -> PromotionFacts {
        PromotionFacts(
            image: subject.image, from: subject.from, to: subject.to, digest: subject.digest, tag: subject.sourceTag,
            requestedTargetTags: subject.requestedTags, requester: subject.requestedBy.description, mediaType: artifact.mediaType,
            artifactType: artifact.artifactType, platforms: artifact.platforms, annotations: artifact.annotations,
            sizeBytes: artifact.sizeBytes, created: artifact.created, presentInSource: true, targetTags: targetTags)
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

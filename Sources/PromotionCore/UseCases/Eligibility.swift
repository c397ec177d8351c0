public import Foundation
public import OCI
public import PolicyEngine

/// What may go on to an environment, and what is missing for the rest: the decision that a promotion would get now.
public struct Eligibility: Sendable {
    /// What is asked about. Without a reference: every tag of the image in the source environment.
    public struct Question: Sendable {
        public let image: ImageName
        /// The environment before `to` from which a policy opens a step, where it is left out.
        public let from: EnvironmentName?
        public let to: EnvironmentName
        public let reference: ManifestReference?

        public init(image: ImageName, from: EnvironmentName?, to: EnvironmentName, reference: ManifestReference?) {
            self.image = image
            self.from = from
            self.to = to
            self.reference = reference
        }
    }

    /// One artifact under one tag.
    public struct Answer: Sendable {
        public let tag: Tag?
        public let digest: Digest
        /// Since when the tag names it there, as far as was seen.
        public let since: Date?
        /// Whether the target's tags name it already: there is nothing to do.
        public let isThere: Bool
        public let result: Result<Decision, PromotionFailure>
    }

    public struct Answers: Sendable {
        public let from: EnvironmentName
        public let policyVersion: PolicyVersion
        public let page: Page<Answer>
    }

    /// Tags that are looked up at the registries before they are listed.
    private static let refreshLimit = 200

    private let registries: any ImageRegistries
    private let catalog: any Catalog
    private let policies: any PolicySource
    private let evaluation: Evaluation

    public init(
        registries: any ImageRegistries, catalog: any Catalog, policies: any PolicySource, memory: any FactStore,
        checks: any ExternalChecks = NoExternalChecks(), environs: Environs
    ) {
        self.registries = registries
        self.catalog = catalog
        self.policies = policies
        evaluation = Evaluation(registries: registries, memory: memory, checks: checks, environs: environs)
    }

    /// - Parameter limit: each artifact costs a few requests to the registries.
    public func answers(
        to question: Question, for principal: Principal, cursor: String?, limit: Int
    ) async throws(PromotionRequestError) -> Answers {
        let policySet: PolicySet
        do { policySet = try await policies.current() } catch { throw .failure(error) }
        let known = policySet.environments.map(\.name)
        guard policySet.environment(named: question.to) != nil else { throw .unknownEnvironment(question.to, known: known) }
        let source = question.from ?? policySet.steps(for: question.image, to: question.to).last
        guard let source else { throw .conflict("no policy lets \(question.image) into \(question.to)") }
        guard let from = policySet.environment(named: source) else { throw .unknownEnvironment(source, known: known) }
        let found = try await artifacts(question, in: from, cursor, limit)
        var answers: [Answer] = []
        for artifact in found.items { answers.append(await answer(artifact, question, source, principal, policySet)) }
        return Answers(from: source, policyVersion: policySet.version, page: Page(items: answers, next: found.next))
    }

    private struct Artifact {
        let tag: Tag?
        let digest: Digest
        let since: Date?
    }

    private func artifacts(
        _ question: Question, in from: EnvironmentDefinition, _ cursor: String?, _ limit: Int
    ) async throws(PromotionRequestError) -> Page<Artifact> {
        if let reference = question.reference {
            let resolved: ResolvedArtifact?
            do { resolved = try await registries.resolve(question.image, reference, in: from, tally: RequestTally()) } catch { throw .failure(error) }
            guard let resolved else { throw .artifactNotFound(image: question.image, reference: reference, environment: from.name) }
            return Page(items: [Artifact(tag: reference.tag, digest: resolved.digest, since: nil)], next: nil)
        }
        if cursor == nil {
            do { _ = try await registries.refreshTags(question.image, in: from, limit: Self.refreshLimit) } catch { throw .failure(error) }
        }
        let periods: Page<TagPeriod>
        do {
            periods = try await catalog.tags(image: question.image, environment: from.name, tag: nil, history: false, cursor: cursor, limit: limit)
        } catch { throw .store(error) }
        // A tag is looked at once, however many registries have it; what refers to images is no image.
        let first = from.registries.first?.name
        let items = periods.items.compactMap { period in
            period.registry == first && !period.tag.description.hasPrefix("sha256-")
                ? period.digest.map { Artifact(tag: period.tag, digest: $0, since: period.since) } : nil
        }
        return Page(items: items, next: periods.next)
    }

    private func answer(
        _ artifact: Artifact, _ question: Question, _ from: EnvironmentName, _ principal: Principal, _ policies: PolicySet
    ) async -> Answer {
        let subject = EvaluationSubject(
            image: question.image, from: from, to: question.to, digest: artifact.digest, sourceTag: artifact.tag, requestedTags: [],
            requestedBy: principal.subject, requestedAs: principal.identity, promotion: nil)
        do throws(PromotionFailure) {
            let evaluated = try await evaluation.evaluate(subject, under: policies)
            let tags = evaluated.decision.targetTags
            let isThere =
                !tags.isEmpty && tags.allSatisfy { tag in evaluated.facts.targetTags.contains { $0.tag == tag } }
                && evaluated.facts.targetTags.allSatisfy { $0.digest == artifact.digest }
            return Answer(tag: artifact.tag, digest: artifact.digest, since: artifact.since, isThere: isThere, result: .success(evaluated.decision))
        } catch {
            return Answer(tag: artifact.tag, digest: artifact.digest, since: artifact.since, isThere: false, result: .failure(error))
        }
    }
}

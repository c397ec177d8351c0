import Foundation
import OCI
import PolicyEngine

extension Evaluation {
    /// Most services that are asked about one promotion.
    private static let maximumChecks = 20

    /// Asks the services that policies of the step name, all at once.
    func answers(
        _ subject: EvaluationSubject, _ policies: PolicySet, _ names: Set<String>, targetTags: [Tag], at now: Date
    ) async -> [CheckFact] {
        let endpoints = names.sorted().prefix(Self.maximumChecks).compactMap { policies.checks[$0] }
        return await withTaskGroup(of: CheckFact.self) { group in
            for endpoint in endpoints {
                let question = CheckQuestion(
                    id: environs.newID(), askedAt: now, image: subject.image, digest: subject.digest, from: subject.from, to: subject.to,
                    sourceTag: subject.sourceTag, targetTags: targetTags, requester: subject.requestedBy.description,
                    policyVersion: policies.version.description)
                group.addTask { [checks] in await checks.ask(question, of: endpoint) }
            }
            var facts: [CheckFact] = []
            for await fact in group { facts.append(fact) }
            return facts.sorted { $0.endpoint < $1.endpoint }
        }
    }
}

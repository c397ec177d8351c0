import APIModel
import Foundation
import OCI
import PolicyEngine
import PromotionCore

extension VerdictResource {
    init(_ verdict: PromotionVerdict) {
        self.init(
            id: verdict.id.uuidString.lowercased(), verdict: verdict.kind.rawValue, by: verdict.by.id, name: verdict.by.name, at: verdict.at,
            digest: verdict.digest.description, policyVersion: verdict.policyVersion, comment: verdict.comment)
    }
}

extension StatementResource {
    init(_ statement: PostedFact) throws {
        switch statement {
        case .evidence(let posted):
            let fact = posted.fact
            self.init(
                id: posted.id.uuidString.lowercased(), type: "evidence", digest: fact.digest.description, image: posted.image?.description,
                postedBy: fact.postedBy?.id ?? "", postedByName: fact.postedBy?.name, recordedAt: fact.recordedAt, content: fact.evidence?.description)
            kind = fact.kind
            result = fact.result
            details = try posted.details.map { try APIJSON.decoder().decode(JSONNode.self, from: Data($0.utf8)) }
            url = posted.url
        case .scan(let posted):
            let fact = posted.fact
            self.init(
                id: posted.id.uuidString.lowercased(), type: "scan", digest: fact.digest.description, image: posted.image?.description,
                postedBy: fact.postedBy?.id ?? "", postedByName: fact.postedBy?.name, recordedAt: posted.recordedAt, content: fact.evidence?.description)
            scanner = fact.scanner
            format = posted.format.rawValue
            completedAt = fact.completedAt
            findings = fact.counts
        }
    }
}

extension PostedResource {
    init(_ posted: PostedStatement) throws {
        self.init(
            statement: try StatementResource(posted.statement),
            gates: posted.gates.map {
                StatementGateResource(policy: $0.request.policy, gate: $0.request.gate, source: $0.request.source, counts: $0.counts)
            }, promotions: posted.woken.map(\.description))
    }
}

extension GateRequestResource {
    init(_ request: GateRequest) {
        let wishes: [Wish] = request.wishes.map { wish in
            switch wish {
            case .verdicts(let count, let from, _): Wish(give: "approval", by: from, count: count)
            case .evidence(let kind, let result, let by): Wish(give: "evidence", by: by, kind: kind, result: result)
            case .scan(let by): Wish(give: "scan", by: by)
            }
        }
        self.init(gate: request.gate, policy: request.policy, source: request.source, wishes: wishes, overridableBy: request.overridableBy)
    }
}

extension EligibilityItem {
    init(_ answer: Eligibility.Answer) {
        let decision: Decision?
        let failure: PromotionFailure?
        switch answer.result {
        case .success(let made): (decision, failure) = (made, nil)
        case .failure(let reason): (decision, failure) = (nil, reason)
        }
        let state =
            switch decision?.outcome {
            case .some where answer.isThere: "present"
            case .allow: "eligible"
            case .wait: "waiting"
            case .deny: "denied"
            case nil: "unknown"
            }
        self.init(
            tag: answer.tag?.description, digest: answer.digest.description, since: answer.since, state: state, decision: decision.map(DecisionResource.init),
            failure: failure.map(FailureResource.init))
    }
}

extension RecordedDecisionResource {
    init(_ recorded: RecordedDecision) throws {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .secondsSince1970
        func node(_ value: some Encodable) throws -> JSONNode { try JSONDecoder().decode(JSONNode.self, from: try encoder.encode(value)) }
        self.init(
            promotion: recorded.id, at: recorded.at.timeIntervalSince1970, outcome: recorded.decision.outcome.rawValue,
            policyVersion: recorded.decision.policyVersion.description, decision: try node(recorded.decision), facts: try node(recorded.facts))
    }
}

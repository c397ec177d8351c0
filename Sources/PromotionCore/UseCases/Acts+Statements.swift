import AuditLog
import Foundation
import OCI
public import PolicyEngine

extension Acts {
    /// An override is `promotion.overridden`, whatever becomes of the promotion: nothing is to be looked for more easily.
    func judged(_ promotion: Promotion, _ verdict: PromotionVerdict, by actor: Principal, requestID: RequestID?) throws(AuditEntryError) -> AuditEntry {
        let action =
            switch verdict.kind {
            case .approve: "promotion.approved"
            case .reject: "promotion.rejected"
            case .override: "promotion.overridden"
            }
        var details: [String: JSONValue] = ["verdict": .string(verdict.id.uuidString.lowercased()), "requestedBy": .string(promotion.requestedBy.description)]
        if let name = verdict.by.name { details["name"] = .string(AuditEntry.clip(name, to: 100)) }
        if verdict.kind == .override, let decision = promotion.decision {
            // What was closed when the order was given.
            details["closedGates"] = .array(
                decision.gates.filter { $0.outcome != .allow && !$0.isWarning }.prefix(40).map {
                    .object(["gate": .string($0.gate), "policy": .string($0.policy), "outcome": .string($0.outcome.rawValue)])
                })
        }
        return try AuditEntry(
            id: environs.newID(), time: verdict.at, actor: AuditActor(id: actor.subject.description, authentication: actor.authentication), action: action, outcome: .success,
            subject: AuditEntry.Subject(
                image: promotion.image.description, digest: promotion.digest.description, environment: promotion.to.description,
                fromEnvironment: promotion.from.description, tags: [promotion.sourceTag].compactMap { $0?.description },
                promotionID: promotion.id.description),
            requestID: requestID?.description, policyVersion: verdict.policyVersion, reason: verdict.comment,
            before: .string(promotion.state.rawValue), details: details)
    }

    func posted(_ evidence: PostedEvidence, by actor: Principal, requestID: RequestID?) throws(AuditEntryError) -> AuditEntry {
        var details: [String: JSONValue] = [
            "evidence": .string(evidence.id.uuidString.lowercased()), "kind": .string(evidence.fact.kind), "result": .string(evidence.fact.result),
        ]
        if let url = evidence.url { details["url"] = .string(url) }
        if let digest = evidence.fact.evidence { details["content"] = .string(digest.description) }
        return try AuditEntry(
            id: environs.newID(), time: evidence.fact.recordedAt, actor: AuditActor(id: actor.subject.description, authentication: actor.authentication),
            action: "evidence.posted", outcome: .success,
            subject: AuditEntry.Subject(image: evidence.image?.description, digest: evidence.fact.digest.description), requestID: requestID?.description,
            details: details)
    }

    func posted(_ scan: PostedScan, by actor: Principal, requestID: RequestID?) throws(AuditEntryError) -> AuditEntry {
        var details: [String: JSONValue] = [
            "scan": .string(scan.id.uuidString.lowercased()), "scanner": .string(scan.fact.scanner), "format": .string(scan.format.rawValue),
            "findings": .object(scan.fact.counts.mapValues { .integer(Int64($0)) }),
        ]
        if let digest = scan.fact.evidence { details["content"] = .string(digest.description) }
        return try AuditEntry(
            id: environs.newID(), time: scan.recordedAt, actor: AuditActor(id: actor.subject.description, authentication: actor.authentication), action: "scan.posted",
            outcome: .success, subject: AuditEntry.Subject(image: scan.image?.description, digest: scan.fact.digest.description),
            requestID: requestID?.description, details: details)
    }
}

extension ScanFact {
    /// Findings by severity, those of unknown severity as `unknown`.
    public var counts: [String: Int] {
        findings.reduce(into: [:]) { $0[$1.severity?.rawValue ?? "unknown", default: 0] += 1 }
    }
}

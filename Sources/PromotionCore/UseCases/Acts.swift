import AuditLog
import Foundation
import OCI
import PolicyEngine

/// Writes the audit entries of promotions: which act gets which fields stands here and nowhere else.
struct Acts {
    private let environs: Environs

    init(_ environs: Environs) { self.environs = environs }

    func requested(
        _ promotion: Promotion, by actor: SubjectID, authentication: AuditActor.Authentication
    ) throws(AuditEntryError) -> AuditEntry {
        var details: [String: JSONValue] = [:]
        if !promotion.requestedTags.isEmpty {
            details["requestedTags"] = .array(promotion.requestedTags.map { .string($0.description) })
        }
        return try entry(
            "promotion.requested", promotion, by: actor, authentication, outcome: .success, requestID: promotion.requestID,
            reason: promotion.reason, before: nil, after: .requested, details: details)
    }

    func retried(
        _ promotion: Promotion, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) throws(AuditEntryError) -> AuditEntry {
        try entry(
            "promotion.retried", promotion, by: actor, authentication, outcome: .success, requestID: requestID, reason: nil,
            before: promotion.state, after: .requested, details: [:])
    }

    func changed(
        _ promotion: Promotion, to next: PromotionState, by actor: SubjectID, authentication: AuditActor.Authentication,
        requestID: RequestID?, reason: String?, decision: Decision? = nil, failure: PromotionFailure? = nil
    ) throws(AuditEntryError) -> AuditEntry {
        let outcome: AuditOutcome =
            switch next {
            case .denied: .denied
            case .failed: .failure
            default: failure == nil ? .success : .failure
            }
        var details: [String: JSONValue] = [:]
        if let decision { details["gates"] = .array(decision.gates.map(Self.gate)) }
        if let failure { details["failure"] = Self.failure(failure) }
        return try entry(
            "promotion.\(next.rawValue)", promotion, by: actor, authentication, outcome: outcome, requestID: requestID, reason: reason,
            before: promotion.state, after: next, details: details,
            policyVersion: decision?.policyVersion.description ?? promotion.policyVersion,
            tags: decision?.targetTags ?? promotion.decision?.targetTags)
    }
}

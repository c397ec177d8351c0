import AuditLog
import Foundation
import OCI
import PolicyEngine

/// Writes the audit entries of promotions: which act gets which fields stands here and nowhere else.
struct Acts {
    let environs: Environs

    init(_ environs: Environs) { self.environs = environs }

    func requested(
        _ promotion: Promotion, by principal: Principal
    ) throws(AuditEntryError) -> AuditEntry {
        var details: [String: JSONValue] = [:]
        if !principal.rules.isEmpty {
            // Which rule gave the right, and which run it was.
            details["rules"] = .array(principal.rules.prefix(20).map { .string(AuditEntry.clip($0, to: 100)) })
            details["claims"] = AuthenticationJournal.claims(principal)
        }
        if !promotion.requestedTags.isEmpty {
            details["requestedTags"] = .array(promotion.requestedTags.map { .string($0.description) })
        }
        if let rollback = promotion.rollback {
            details["rollback"] = .object([
                "step": .string(rollback.step.description), "restores": .bool(rollback.restores),
                "state": .string(rollback.state.map { $0.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) } ?? "as named"),
            ])
        }
        return try entry(
            "promotion.requested", promotion, by: principal.subject, principal.authentication, outcome: .success, requestID: promotion.requestID,
            reason: promotion.reason, before: nil, after: .requested, details: details)
    }

    func retried(
        _ promotion: Promotion, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) throws(AuditEntryError) -> AuditEntry {
        try entry(
            "promotion.retried", promotion, by: actor, authentication, outcome: .success, requestID: requestID, reason: nil,
            before: promotion.state, after: .requested, details: [:])
    }

    func cancelRequested(
        _ promotion: Promotion, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?, reason: String?
    ) throws(AuditEntryError) -> AuditEntry {
        try entry(
            "promotion.cancel-requested", promotion, by: actor, authentication, outcome: .success, requestID: requestID, reason: reason,
            before: promotion.state, after: promotion.state, details: [:])
    }

    func evidenceCarried(_ carried: CarriedEvidence, _ promotion: Promotion) throws(AuditEntryError) -> AuditEntry {
        try entry(
            "evidence.carried", promotion, by: .worker, .service, outcome: .success, requestID: nil, reason: nil, before: nil, after: promotion.state,
            details: [
                "registry": .string(carried.target.registry), "repository": .string(carried.target.repository.description),
                "digests": .array(carried.digests.prefix(50).map { .string($0.description) }), "count": .integer(Int64(carried.digests.count)),
            ])
    }

    func attested(
        _ promotion: Promotion, _ attached: [(registry: String, digests: [Digest])], key: Digest
    ) throws(AuditEntryError) -> AuditEntry {
        let places = attached.prefix(20).map { registry, digests in
            JSONValue.object(["registry": .string(registry), "digests": .array(digests.map { .string($0.description) })])
        }
        return try entry(
            "promotion.attested", promotion, by: .worker, .service, outcome: .success, requestID: nil, reason: nil, before: nil, after: promotion.state,
            details: ["attached": .array(places), "key": .string(key.description)])
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
        if let decision {
            // Bounded together: the decision itself is stored whole with the promotion.
            details["gates"] = .array(decision.gates.prefix(40).map(Self.gate))
            if decision.gates.count > 40 { details["gatesLeftOut"] = .integer(Int64(decision.gates.count - 40)) }
        }
        if let failure { details["failure"] = Self.failure(failure) }
        return try entry(
            "promotion.\(next.rawValue)", promotion, by: actor, authentication, outcome: outcome, requestID: requestID, reason: reason,
            before: promotion.state, after: next, details: details,
            policyVersion: decision?.policyVersion.description ?? promotion.policyVersion,
            tags: decision?.targetTags ?? promotion.decision?.targetTags)
    }
}

extension Acts {
    private func entry(
        _ action: String, _ promotion: Promotion, by actor: SubjectID, _ authentication: AuditActor.Authentication, outcome: AuditOutcome,
        requestID: RequestID?, reason: String?, before: PromotionState?, after: PromotionState, details: [String: JSONValue],
        policyVersion: String? = nil, tags: [Tag]? = nil
    ) throws(AuditEntryError) -> AuditEntry {
        try AuditEntry(
            id: environs.newID(), time: environs.now(), actor: AuditActor(id: actor.description, authentication: authentication),
            action: action, outcome: outcome,
            subject: AuditEntry.Subject(
                image: promotion.image.description, digest: promotion.digest.description, environment: promotion.to.description,
                fromEnvironment: promotion.from.description, tags: (tags ?? [promotion.sourceTag].compactMap(\.self)).map(\.description),
                promotionID: promotion.id.description),
            requestID: requestID?.description, policyVersion: policyVersion, reason: reason, before: before.map { .string($0.rawValue) },
            after: .string(after.rawValue), details: details)
    }

    private static func gate(_ result: GateResult) -> JSONValue {
        var members: [String: JSONValue] = [
            "gate": .string(result.gate), "policy": .string(result.policy), "outcome": .string(result.outcome.rawValue),
            "reason": .string(AuditEntry.clip(result.reason, to: 500)), "source": .string(result.source), "warning": .bool(result.isWarning),
        ]
        if result.isOverridden { members["overridden"] = .bool(true) }
        return .object(members)
    }

    private static func failure(_ failure: PromotionFailure) -> JSONValue {
        var members: [String: JSONValue] = ["kind": .string(failure.kind.rawValue), "transient": .bool(failure.isTransient)]
        if let registry = failure.registry { members["registry"] = .string(registry) }
        if let repository = failure.repository { members["repository"] = .string(repository.description) }
        if let reference = failure.reference { members["reference"] = .string(AuditEntry.clip(reference, to: 200)) }
        if let status = failure.status { members["status"] = .integer(Int64(status)) }
        if let message = failure.registryMessage { members["registryMessage"] = .string(AuditEntry.clip(message, to: 1000)) }
        return .object(members)
    }
}

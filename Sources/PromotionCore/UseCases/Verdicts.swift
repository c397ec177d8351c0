import AuditLog
import Foundation
import PolicyEngine

/// The use cases of people who are asked: approve, reject, override.
///
/// Whose verdict counts is for policy to say, at every evaluation. What can't count is refused here, so that nobody believes to have done something.
public struct Verdicts: Sendable {
    private let store: any PromotionStore
    private let statements: any StatementStore
    private let queue: any WorkQueue
    private let policies: any PolicySource
    private let environs: Environs

    public init(store: any PromotionStore, statements: any StatementStore, queue: any WorkQueue, policies: any PolicySource, environs: Environs) {
        self.store = store
        self.statements = statements
        self.queue = queue
        self.policies = policies
        self.environs = environs
    }

    /// The verdicts on a promotion, the oldest first.
    public func verdicts(on id: PromotionID) async throws(PromotionRequestError) -> [PromotionVerdict] {
        _ = try await promotion(id)
        do { return try await statements.verdicts(on: id) } catch { throw .store(error) }
    }

    /// Gives a verdict: it is bound to the promotion's digest and to the policy version in force, and replaces the giver's earlier one.
    ///
    /// - Parameter comment: why; an order to override must have one.
    public func give(
        _ kind: PromotionVerdict.Kind, on id: PromotionID, by principal: Principal, comment: String?, requestID: RequestID
    ) async throws(PromotionRequestError) -> Promotion {
        let found = try await promotion(id)
        guard kind == .override ? principal.mayOverride(found.image, to: found.to) : principal.mayJudge(found.image, to: found.to) else {
            throw .notPermitted("this token may not give verdicts on promotions of \(found.image) to \(found.to); one of an approver for them may")
        }
        let policySet: PolicySet
        do { policySet = try await policies.current() } catch { throw .failure(error) }
        let version = policySet.version.description
        switch kind {
        case .approve, .reject: try check(kind, found, by: principal, policySet)
        case .override: try checkOverride(found, by: principal, comment, policySet)
        }
        let verdict = PromotionVerdict(
            id: environs.newID(), promotion: id, kind: kind, by: principal.identity, at: environs.now(), digest: found.digest, policyVersion: version,
            comment: comment)
        let updated: Promotion
        do {
            let acts = Acts(environs)
            let audit = try acts.judged(found, verdict, by: principal, requestID: requestID)
            let revival = try acts.retried(found, by: principal.subject, authentication: principal.authentication, requestID: requestID)
            do { updated = try await statements.record(verdict, audit: audit, revival: revival) } catch { throw PromotionRequestError.store(error) }
        } catch let error as PromotionRequestError { throw error } catch { throw .store(.auditUnavailable("\(error)")) }
        // Stored: a hint that gets lost costs a second, not the verdict.
        do { try await queue.announce() } catch {}
        return updated
    }

    private func promotion(_ id: PromotionID) async throws(PromotionRequestError) -> Promotion {
        let found: Promotion?
        do { found = try await store.promotion(id) } catch { throw .store(error) }
        guard let found else { throw .promotionNotFound(id) }
        return found
    }

    private func check(
        _ kind: PromotionVerdict.Kind, _ promotion: Promotion, by principal: Principal, _ policies: PolicySet
    ) throws(PromotionRequestError) {
        let asked = policies.requests(for: promotion.image, from: promotion.step, to: promotion.to).flatMap(\.wishes).compactMap { wish in
            if case .verdicts(_, let from, let countsRequester) = wish { (from: from, countsRequester: countsRequester) } else { nil }
        }
        guard !asked.isEmpty else { throw .conflict("no gate asks for approvals of \(promotion.image) from \(promotion.from) to \(promotion.to)") }
        // What was before the giver's eyes is the last decision.
        if let seen = promotion.policyVersion, promotion.state == .waiting, seen != policies.version.description {
            throw .conflict("the policy has changed since this promotion was looked at; read what it waits for now, then say it again")
        }
        let asks = asked.filter { policies.names($0.from, include: principal.identity) }
        guard !asks.isEmpty else {
            var names: [String] = []
            for name in asked.flatMap(\.from) where !names.contains(name) { names.append(name) }
            throw .notPermitted("\(principal.name) is in none of \(names.joined(separator: ", ")), whose verdict is asked for")
        }
        // Who asked may withdraw, and may not say yes to himself.
        if kind == .approve, promotion.wasRequested(by: principal), !asks.contains(where: \.countsRequester) {
            throw .notPermitted("who asks for a promotion can't approve it")
        }
    }

    private func checkOverride(
        _ promotion: Promotion, by principal: Principal, _ comment: String?, _ policies: PolicySet
    ) throws(PromotionRequestError) {
        guard let comment, comment.contains(where: { !$0.isWhitespace }) else { throw .unacceptable(field: "reason", "an override needs a reason") }
        let groups = policies.overridingGroups(for: promotion.image, from: promotion.step, to: promotion.to)
        guard !groups.isEmpty else { throw .conflict("no policy lets anybody override a gate of \(promotion.image) from \(promotion.from) to \(promotion.to)") }
        guard policies.names(groups, include: principal.identity) else {
            throw .notPermitted("\(principal.name) is in none of \(groups.joined(separator: ", ")), who may override")
        }
        guard !promotion.wasRequested(by: principal) else { throw .notPermitted("who asks for a promotion can't override its gates: a second person must") }
    }
}

extension Promotion {
    /// Whether the same person asked for it, whatever they came with then and come with now.
    func wasRequested(by principal: Principal) -> Bool {
        requestedBy == principal.subject || (requestedAs?.person ?? requestedBy.description) == principal.identity.person
    }
}

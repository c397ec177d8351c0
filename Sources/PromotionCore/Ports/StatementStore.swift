public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// What people and pipelines say. Each statement is one transaction with its audit entry, and what waits for it becomes available in the same.
public protocol StatementStore: Sendable {
    /// Writes a verdict down and wakes its promotion. An order to override a denied promotion asks for it again.
    ///
    /// - Parameters:
    ///   - audit: the entry of the verdict.
    ///   - revival: the entry of the move back to `requested`, where the promotion was denied and the verdict is an order.
    ///   - versions: the versions of the promotion that the caller has seen and means; `nil` for whatever it is now.
    /// - Throws: `stale` where the promotion is in a state in which nobody is asked, `changed`.
    func record(_ verdict: PromotionVerdict, ifVersion versions: Set<Int>?, audit: AuditEntry, revival: AuditEntry) async throws(StoreError) -> Promotion

    /// Writes evidence down and wakes the promotions that wait and are about its digest. Answers which.
    func record(_ evidence: PostedEvidence, audit: AuditEntry) async throws(StoreError) -> [PromotionID]
    func record(_ scan: PostedScan, audit: AuditEntry) async throws(StoreError) -> [PromotionID]

    /// The verdicts on a promotion, the oldest first, at most 1,000.
    func verdicts(on promotion: PromotionID) async throws(StoreError) -> [PromotionVerdict]

    /// What was posted about a digest, the newest first.
    func statements(about digest: Digest, cursor: String?, limit: Int) async throws(StoreError) -> Page<PostedFact>
}

extension StatementStore {
    /// Writes a verdict down whatever version its promotion is in.
    public func record(_ verdict: PromotionVerdict, audit: AuditEntry, revival: AuditEntry) async throws(StoreError) -> Promotion {
        try await record(verdict, ifVersion: nil, audit: audit, revival: revival)
    }
}

/// Decisions as they were made, with their facts.
public protocol DecisionLog: Sendable {
    /// The oldest first, from a time on.
    func decisions(since: Date, cursor: String?, limit: Int) async throws(StoreError) -> Page<RecordedDecision>
}

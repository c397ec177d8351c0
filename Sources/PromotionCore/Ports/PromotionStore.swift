public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// A client's key that makes a request safe to repeat (draft-ietf-httpapi-idempotency-key-header), bound to the caller.
public struct IdempotencyKey: Sendable, Hashable {
    public let principal: SubjectID
    /// 1 to 255 characters.
    public let key: String
    /// SHA-256 of what was asked; the same key with another one is refused.
    public let fingerprint: [UInt8]

    public init(principal: SubjectID, key: String, fingerprint: [UInt8]) {
        self.principal = principal
        self.key = key
        self.fingerprint = fingerprint
    }
}

/// What came of a request to make a promotion.
public enum CreatedPromotion: Sendable, Hashable {
    case created(Promotion)
    /// The same key was used before for the same request: this is what it made.
    case repeated(Promotion)
}

/// Which promotions a list shows. Empty fields don't filter.
public struct PromotionFilter: Sendable, Hashable {
    public var image: ImageName?
    public var from: EnvironmentName?
    public var to: EnvironmentName?
    public var states: Set<PromotionState> = []
    public var digest: Digest?
    public var requestedBy: SubjectID?

    public init() {}
}

/// A part of a list. The cursor is opaque and bound to the query that made it.
public struct Page<Element: Sendable>: Sendable {
    public let items: [Element]
    /// Where the next page begins; `nil` on the last.
    public let next: String?

    public init(items: [Element], next: String?) {
        self.items = items
        self.next = next
    }
}

/// Promotions and their states. Each change is one transaction with its audit entry.
public protocol PromotionStore: Sendable {
    /// Makes a promotion in state `requested`, its work item and its audit entry, in one transaction.
    ///
    /// - Throws: `alreadyInProgress` where the same promotion (image, digest, from, to, tags) is alive, `idempotencyKeyReused`.
    func create(_ promotion: Promotion, key: IdempotencyKey?, audit: AuditEntry) async throws(StoreError) -> CreatedPromotion

    func promotion(_ id: PromotionID) async throws(StoreError) -> Promotion?

    /// Newest first; at most `limit` (1…1,000).
    func promotions(_ filter: PromotionFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Promotion>

    /// Changes the state as the worker that holds `lease`, once or several times, all in one transaction: 0 rows for a lease that is lost.
    ///
    /// Ends the work item where the last state is final or `waiting` without a time.
    func move(_ changes: [StateChange], lease: Lease) async throws(StoreError) -> [RecordedMove]

    /// Cancels: at once where nobody works on it, else by asking the worker, which sees it at its next heartbeat.
    ///
    /// - Parameters:
    ///   - versions: the versions that the caller has seen and means; `nil` for whatever it is now.
    ///   - audit: the entry of the cancellation itself, where nobody works on the promotion.
    ///   - request: the entry of the wish, where the worker has to end it.
    /// - Throws: `stale` from `committing` on, `changed`.
    func cancel(_ id: PromotionID, ifVersion versions: Set<Int>?, audit: AuditEntry, whileRunning request: AuditEntry) async throws(StoreError) -> Promotion

    /// Puts a failed, denied or cancelled promotion back to `requested` with a new work item.
    ///
    /// - Throws: `stale`, `changed`.
    func retry(_ id: PromotionID, ifVersion versions: Set<Int>?, audit: AuditEntry) async throws(StoreError) -> Promotion
}

extension PromotionStore {
    /// Cancels whatever version it is in.
    public func cancel(_ id: PromotionID, audit: AuditEntry, whileRunning request: AuditEntry) async throws(StoreError) -> Promotion {
        try await cancel(id, ifVersion: nil, audit: audit, whileRunning: request)
    }

    /// Asks again whatever version it is in.
    public func retry(_ id: PromotionID, audit: AuditEntry) async throws(StoreError) -> Promotion {
        try await retry(id, ifVersion: nil, audit: audit)
    }
}

/// The right to work on one promotion for a while. Every write of the worker carries it.
public struct Lease: Sendable, Hashable {
    public let job: Int64
    public let promotion: PromotionID
    /// Grows with each claim: a worker with an older epoch changes nothing.
    public let epoch: Int64

    public init(job: Int64, promotion: PromotionID, epoch: Int64) {
        self.job = job
        self.promotion = promotion
        self.epoch = epoch
    }
}

/// A promotion that a worker has claimed.
public struct LeasedPromotion: Sendable {
    public let lease: Lease
    public let promotion: Promotion
    /// Failed attempts of this work item so far.
    public let failures: Int

    public init(lease: Lease, promotion: Promotion, failures: Int) {
        self.lease = lease
        self.promotion = promotion
        self.failures = failures
    }
}

/// The work items behind promotions. Times are the database's own.
public protocol WorkQueue: Sendable {
    /// Claims up to `limit` promotions for `duration`, fair between images.
    func claim(owner: UUID, limit: Int, duration: Duration) async throws(StoreError) -> [LeasedPromotion]

    /// Renews the lease and leaves word of the progress. Answers whether a cancellation is asked for.
    ///
    /// - Throws: `leaseLost`.
    func renew(_ lease: Lease, for duration: Duration, progress: CopyProgress?) async throws(StoreError) -> Bool

    /// Gives work back, to be claimed after `delay`; `countsAsFailure` where the attempt failed.
    func giveBack(_ lease: Lease, after delay: Duration, countsAsFailure: Bool) async throws(StoreError)

    /// Frees the work of owners whose lease has ended. Answers how many.
    func rescue() async throws(StoreError) -> Int

    /// Wakes up when there may be new work; a hint, polling stands behind it.
    func wakeUps() async -> AsyncStream<Void>

    /// Tells the workers of all replicas that there may be new work; a hint that may get lost.
    func announce() async throws(StoreError)

    /// Work due and running, for health and for the limit on a full queue; may be a second old.
    func depth() async throws(StoreError) -> QueueDepth
}

/// How much work there is.
public struct QueueDepth: Sendable, Hashable {
    public let available: Int
    public let running: Int
    /// Seconds that the oldest available item has been waiting.
    public let oldestSeconds: Double?

    public init(available: Int, running: Int, oldestSeconds: Double?) {
        self.available = available
        self.running = running
        self.oldestSeconds = oldestSeconds
    }
}

import AuditLog
import Foundation
import Metrics
import PromotionCore

/// Counts promotions that come to an end, and how long they took.
struct MeasuredPromotionStore: PromotionStore {
    let store: any PromotionStore

    func create(_ promotion: Promotion, key: IdempotencyKey?, audit: AuditEntry) async throws(StoreError) -> CreatedPromotion {
        try await store.create(promotion, key: key, audit: audit)
    }

    func promotion(_ id: PromotionID) async throws(StoreError) -> Promotion? { try await store.promotion(id) }

    func promotions(_ filter: PromotionFilter, cursor: String?, limit: Int) async throws(StoreError) -> Page<Promotion> {
        try await store.promotions(filter, cursor: cursor, limit: limit)
    }

    func move(_ changes: [StateChange], lease: Lease) async throws(StoreError) -> [RecordedMove] {
        let moves = try await store.move(changes, lease: lease)
        for (change, move) in zip(changes, moves) where change.to.isFinal { ended(change.promotion, change.to, at: move.at) }
        return moves
    }

    func cancel(
        _ id: PromotionID, ifVersion versions: Set<Int>?, audit: AuditEntry, whileRunning request: AuditEntry
    ) async throws(StoreError) -> Promotion {
        let promotion = try await store.cancel(id, ifVersion: versions, audit: audit, whileRunning: request)
        if promotion.state == .cancelled { ended(id, .cancelled, at: Date()) }
        return promotion
    }

    func retry(_ id: PromotionID, ifVersion versions: Set<Int>?, audit: AuditEntry) async throws(StoreError) -> Promotion {
        try await store.retry(id, ifVersion: versions, audit: audit)
    }

    private func ended(_ id: PromotionID, _ state: PromotionState, at end: Date) {
        let labels = [("outcome", state.rawValue)]
        Counter(label: "shiplift_promotions_total", dimensions: labels).increment()
        let seconds = max(0, end.timeIntervalSince(id.madeAt))
        Timer(label: "shiplift_promotion_seconds", dimensions: labels).recordNanoseconds(Int64(min(seconds, 1e9) * 1e9))
    }
}

extension PromotionID {
    /// When the promotion was requested: a UUID of version 7 begins with its milliseconds since 1970 (RFC 9562 §5.7).
    var madeAt: Date {
        let bytes = uuid.uuid
        let milliseconds = [bytes.0, bytes.1, bytes.2, bytes.3, bytes.4, bytes.5].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return Date(timeIntervalSince1970: Double(milliseconds) / 1_000)
    }
}

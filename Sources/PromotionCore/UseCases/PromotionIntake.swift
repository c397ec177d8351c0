import AuditLog

/// The one way in: a promotion is stored with its work item where there is room for it, and workers hear of it.
struct PromotionIntake: Sendable {
    let store: any PromotionStore
    let queue: any WorkQueue
    /// Most work items that may wait; beyond it new requests are refused.
    let limit: Int

    /// - Throws: `queueFull`, `store`.
    func take(_ promotion: Promotion, key: IdempotencyKey?, audit: AuditEntry) async throws(PromotionRequestError) -> CreatedPromotion {
        let depth = try await stored { () async throws(StoreError) in try await queue.depth() }
        guard depth.available < limit else { throw .queueFull(depth: depth.available, limit: limit) }
        let created = try await stored { () async throws(StoreError) in try await store.create(promotion, key: key, audit: audit) }
        await announce()
        return created
    }

    private func stored<T>(_ body: () async throws(StoreError) -> T) async throws(PromotionRequestError) -> T {
        do { return try await body() } catch { throw .store(error) }
    }

    /// What was stored stays stored: a hint that gets lost costs a second, not the promotion.
    func announce() async {
        do { try await queue.announce() } catch {}
    }
}

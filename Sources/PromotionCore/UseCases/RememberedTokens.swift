import Synchronization
public import AuditLog
public import Foundation

/// Tokens that were shown within the last second: a busy pipeline costs one query a second, and not one a request.
///
/// A revocation counts at once where it was made, in other replicas as soon as they are told (`forget`), and after a second at the latest.
public final class RememberedTokens: TokenStore {
    private struct State {
        var tokens: [[UInt8]: (token: TokenRecord, until: ContinuousClock.Instant)] = [:]
        /// Counts what was forgotten: an answer that was asked for before is not kept.
        var generation = 0
    }

    private let store: any TokenStore
    private let lifetime: Duration
    private let limit: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - lifetime: how long an answer is believed.
    ///   - limit: most tokens that are remembered.
    public init(_ store: any TokenStore, lifetime: Duration = .seconds(1), limit: Int = 10_000) {
        self.store = store
        self.lifetime = lifetime
        self.limit = limit
    }

    public func token(sha256: [UInt8]) async throws(StoreError) -> TokenRecord? {
        let (known, generation) = state.withLock { state in (state.tokens[sha256].flatMap { $0.until > .now ? $0.token : nil }, state.generation) }
        if let known { return known }
        guard let token = try await store.token(sha256: sha256) else { return nil }
        state.withLock { state in
            guard state.generation == generation else { return }
            if state.tokens.count >= limit { state.tokens.removeAll(keepingCapacity: true) }
            state.tokens[sha256] = (token, .now + lifetime)
        }
        return token
    }

    /// Something about tokens has changed: nothing that was remembered counts.
    public func forget() {
        state.withLock { state in
            state.generation += 1
            state.tokens.removeAll(keepingCapacity: true)
        }
    }

    public func create(_ token: TokenRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError) {
        try await store.create(token, sha256: sha256, audit: audit)
    }

    public func tokens(limit: Int) async throws(StoreError) -> [TokenRecord] { try await store.tokens(limit: limit) }

    public func revoke(_ id: UUID, audit: AuditEntry) async throws(StoreError) -> TokenRecord {
        defer { forget() }
        return try await store.revoke(id, audit: audit)
    }

    public func rotate(_ token: TokenRecord, sha256: [UInt8], overlap: Date, audit: AuditEntry) async throws(StoreError) -> TokenRecord {
        defer { forget() }
        return try await store.rotate(token, sha256: sha256, overlap: overlap, audit: audit)
    }
}

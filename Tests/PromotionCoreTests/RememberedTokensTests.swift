import AuditLog
import Foundation
import PromotionCore
import Synchronization
import Testing

@Suite struct RememberedTokensTests {
    /// One token, and how often it was asked for.
    private final class CountingStore: TokenStore {
        private let state: Mutex<(asked: Int, revoked: Bool)> = Mutex((0, false))
        /// What happens between the question and its answer.
        let meanwhile: @Sendable () async -> Void
        let record = TokenRecord(
            id: UUID(), name: "pipeline", grant: .admin, groups: [], hint: "abcd", createdAt: Date(), expiresAt: Date().addingTimeInterval(3600))

        init(meanwhile: @escaping @Sendable () async -> Void = {}) { self.meanwhile = meanwhile }

        var asked: Int { state.withLock { $0.asked } }

        func token(sha256: [UInt8]) async throws(StoreError) -> TokenRecord? {
            let isThere = state.withLock { state in
                state.asked += 1
                return !state.revoked && sha256 == [1]
            }
            await meanwhile()
            return isThere ? record : nil
        }

        func revoke(_ id: UUID, audit: AuditEntry) async throws(StoreError) -> TokenRecord {
            state.withLock { $0.revoked = true }
            return record
        }

        func rotate(_ token: TokenRecord, sha256: [UInt8], overlap: Date, audit: AuditEntry) async throws(StoreError) -> TokenRecord { record }
        func create(_ token: TokenRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError) {}
        func tokens(limit: Int) async throws(StoreError) -> [TokenRecord] { [record] }
    }

    private func entry() throws -> AuditEntry {
        try AuditEntry(
            id: UUID(), time: Date(), actor: AuditActor(id: "token:test", authentication: .token), action: "token.revoked", outcome: .success)
    }

    @Test func asksOnceForManyRequestsAndNeverKeepsARefusal() async throws {
        let store = CountingStore()
        let tokens = RememberedTokens(store, lifetime: .seconds(3600))
        for _ in 0..<10 { #expect(try await tokens.token(sha256: [1]) != nil) }
        #expect(store.asked == 1)
        for _ in 0..<3 { #expect(try await tokens.token(sha256: [2]) == nil) }
        #expect(store.asked == 4)
    }

    @Test func asksAgainWhenItsTimeIsOver() async throws {
        let store = CountingStore()
        let tokens = RememberedTokens(store, lifetime: .zero)
        for _ in 0..<3 { #expect(try await tokens.token(sha256: [1]) != nil) }
        #expect(store.asked == 3)
    }

    @Test func aRevokedTokenIsRefusedAtOnce() async throws {
        let store = CountingStore()
        let tokens = RememberedTokens(store, lifetime: .seconds(3600))
        #expect(try await tokens.token(sha256: [1]) != nil)
        _ = try await tokens.revoke(store.record.id, audit: try entry())
        #expect(try await tokens.token(sha256: [1]) == nil)
    }

    @Test func anAnswerFromBeforeARevocationIsNotKept() async throws {
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let (answers, answer) = AsyncStream.makeStream(of: Void.self)
        let store = CountingStore {
            ask.yield()
            for await _ in answers { break }
        }
        let tokens = RememberedTokens(store, lifetime: .seconds(3600))
        async let early = tokens.token(sha256: [1])
        for await _ in asked { break }
        // Another replica has revoked it, and this one is told while its question is on the way.
        _ = try await store.revoke(store.record.id, audit: try entry())
        tokens.forget()
        answer.yield()
        _ = try await early
        answer.finish()
        #expect(try await tokens.token(sha256: [1]) == nil)
    }

}

import AuditLog
public import Foundation

/// A new token: its record, and its secret for the one time that it is shown.
public struct MadeToken: Sendable {
    public let record: TokenRecord
    public let secret: APITokenSecret
}

/// The use cases of API tokens.
public struct Tokens: Sendable {
    private let store: any TokenStore
    private let environs: Environs

    public init(store: any TokenStore, environs: Environs) {
        self.store = store
        self.environs = environs
    }

    /// Who a secret belongs to; `nil` where it is unknown, expired or revoked.
    public func authenticate(_ secret: APITokenSecret) async throws(StoreError) -> Principal? {
        guard let token = try await store.token(sha256: secret.sha256), token.isUsable(at: environs.now()) else { return nil }
        return token.principal
    }

    /// Makes a token.
    ///
    /// - Throws: `duplicate` where a token of this name is in use.
    public func create(
        name: String, grant: Grant, groups: [String] = [], lifetime: Duration, by actor: SubjectID, requestID: RequestID?
    ) async throws(StoreError) -> MadeToken {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let now = environs.now()
        let record = TokenRecord(
            id: environs.newID(), name: name, grant: grant, groups: groups, hint: secret.hint, createdAt: now,
            expiresAt: now.addingTimeInterval(Double(lifetime.components.seconds)))
        let audit = try entry("token.created", record, by: actor, requestID)
        try await store.create(record, sha256: secret.sha256, audit: audit)
        return MadeToken(record: record, secret: secret)
    }

    public func list() async throws(StoreError) -> [TokenRecord] { try await store.tokens(limit: 1000) }

    public func revoke(_ id: UUID, by actor: SubjectID, requestID: RequestID?) async throws(StoreError) -> TokenRecord {
        guard let record = try await store.tokens(limit: 1000).first(where: { $0.id == id }) else { throw .notFound }
        return try await store.revoke(id, audit: try entry("token.revoked", record, by: actor, requestID))
    }

    private func entry(_ action: String, _ token: TokenRecord, by actor: SubjectID, _ requestID: RequestID?) throws(StoreError) -> AuditEntry {
        do {
            return try AuditEntry(
                id: environs.newID(), time: environs.now(),
                actor: AuditActor(id: actor.description, authentication: actor == .service ? .service : .token), action: action, outcome: .success,
                requestID: requestID?.description,
                details: [
                    "token": .string(token.id.uuidString.lowercased()), "name": .string(AuditEntry.clip(token.name, to: 100)), "role": .string(token.grant.role),
                    "groups": .array(token.groups.map { .string(AuditEntry.clip($0, to: 100)) }),
                ])
        } catch { throw .auditUnavailable("\(error)") }
    }
}

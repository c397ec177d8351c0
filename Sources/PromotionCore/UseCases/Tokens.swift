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
        name: String, grant: Grant, groups: [String] = [], owner: SubjectID? = nil, lifetime: Duration, by actor: SubjectID, requestID: RequestID?
    ) async throws(StoreError) -> MadeToken {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let now = environs.now()
        let record = TokenRecord(
            id: environs.newID(), name: name, grant: grant, groups: groups, hint: secret.hint, createdAt: now,
            expiresAt: now.addingTimeInterval(Double(lifetime.components.seconds)), owner: owner)
        let audit = try entry("token.created", record, by: actor, requestID)
        try await store.create(record, sha256: secret.sha256, audit: audit)
        return MadeToken(record: record, secret: secret)
    }

    public func list() async throws(StoreError) -> [TokenRecord] { try await store.tokens(limit: 1000) }

    public func revoke(_ id: UUID, by actor: SubjectID, requestID: RequestID?) async throws(StoreError) -> TokenRecord {
        guard let record = try await store.tokens(limit: 1000).first(where: { $0.id == id }) else { throw .notFound }
        return try await store.revoke(id, audit: try entry("token.revoked", record, by: actor, requestID))
    }

    /// Gives a token a new secret; the one before counts for a while yet, so that whoever uses it can change over.
    ///
    /// - Parameters:
    ///   - overlap: how long the secret before counts. Revoking the token ends both.
    ///   - lifetime: how long the token lives from now on; `nil` leaves its end as it is.
    public func rotate(
        _ id: UUID, overlap: Duration, lifetime: Duration?, by actor: SubjectID, requestID: RequestID?
    ) async throws(StoreError) -> MadeToken {
        let now = environs.now()
        guard let found = try await store.tokens(limit: 1000).first(where: { $0.id == id }), found.isUsable(at: now) else { throw .notFound }
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let wanted = TokenRecord(
            id: id, name: found.name, grant: found.grant, groups: found.groups, hint: secret.hint, createdAt: found.createdAt,
            expiresAt: lifetime.map { now.addingTimeInterval(Double($0.components.seconds)) } ?? found.expiresAt, owner: found.owner)
        let until = now.addingTimeInterval(Double(overlap.components.seconds))
        let audit = try entry("token.rotated", found, by: actor, requestID)
        let record = try await store.rotate(wanted, sha256: secret.sha256, overlap: until, audit: audit)
        return MadeToken(record: record, secret: secret)
    }

    private func entry(_ action: String, _ token: TokenRecord, by actor: SubjectID, _ requestID: RequestID?) throws(StoreError) -> AuditEntry {
        do {
            return try AuditEntry(
                id: environs.newID(), time: environs.now(),
                actor: AuditActor(id: actor.description, authentication: actor.usualAuthentication), action: action, outcome: .success,
                requestID: requestID?.description,
                details: [
                    "token": .string(token.id.uuidString.lowercased()), "name": .string(AuditEntry.clip(token.name, to: 100)), "role": .string(token.grant.role),
                    "groups": .array(token.groups.map { .string(AuditEntry.clip($0, to: 100)) }),
                ])
        } catch { throw .auditUnavailable("\(error)") }
    }
}

public import AuditLog
public import Foundation
public import Postgres
public import PromotionCore

/// API tokens in PostgreSQL: their hashes, never the secrets.
public struct PostgresTokenStore: TokenStore {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    private static let select: SQL =
        "SELECT id, name, grants, groups, hint, created_at, expires_at, revoked_at, last_used_on::timestamptz AS last_used_on, owner, previous_until FROM tokens"

    public func create(_ token: TokenRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError) {
        try await storing {
            try await pool.withTransaction { connection in
                try await connection.execute(
                    """
                    INSERT INTO tokens (id, name, secret_sha256, hint, grants, groups, created_at, expires_at, owner)
                    VALUES (\(token.id), \(token.name), \(sha256), \(token.hint), \(try StoredJSON.encode(token.grant)), \(token.groups), \(token.createdAt), \(token.expiresAt), \(token.owner?.description))
                    """)
                try await SharedInserts(connection: connection).audit(audit)
            }
        }
    }

    public func token(sha256: [UInt8]) async throws(StoreError) -> TokenRecord? {
        try await storing {
            // The hash is looked up by index: what an attacker could learn from its timing is a part of a hash, not of a secret.
            guard let row = try await pool.query(Self.select + " WHERE secret_sha256 = \(sha256) OR (previous_sha256 = \(sha256) AND previous_until > now())").first else {
                return nil
            }
            let token = try Self.decode(row)
            if token.lastUsedOn.map({ Date().timeIntervalSince($0) > 86_400 }) ?? true {
                try await pool.execute("UPDATE tokens SET last_used_on = current_date WHERE id = \(token.id) AND last_used_on IS DISTINCT FROM current_date")
            }
            return token
        }
    }

    public func tokens(limit: Int) async throws(StoreError) -> [TokenRecord] {
        try await storing {
            try await pool.query(Self.select + " ORDER BY created_at DESC LIMIT \(limit)").map { row throws(PostgresError) in try Self.decode(row) }
        }
    }

    public func revoke(_ id: UUID, audit: AuditEntry) async throws(StoreError) -> TokenRecord {
        try await storing {
            try await pool.withTransaction { connection in
                let changed = try await connection.execute("UPDATE tokens SET revoked_at = now() WHERE id = \(id) AND revoked_at IS NULL")
                guard let row = try await connection.query(Self.select + " WHERE id = \(id)").first else { throw StoreError.notFound }
                if changed > 0 {
                    try await SharedInserts(connection: connection).audit(audit)
                    // All replicas hear of it when, and only when, it is committed.
                    _ = try await connection.query("SELECT pg_notify('shiplift_tokens', '')::text AS done")
                }
                return try Self.decode(row)
            }
        }
    }

    public func rotate(_ token: TokenRecord, sha256: [UInt8], overlap: Date, audit: AuditEntry) async throws(StoreError) -> TokenRecord {
        try await storing {
            try await pool.withTransaction { connection in
                let changed = try await connection.execute(
                    """
                    UPDATE tokens SET previous_sha256 = secret_sha256, previous_until = \(overlap), secret_sha256 = \(sha256), hint = \(token.hint),
                      expires_at = \(token.expiresAt)
                    WHERE id = \(token.id) AND revoked_at IS NULL
                    """)
                guard changed > 0, let row = try await connection.query(Self.select + " WHERE id = \(token.id)").first else { throw StoreError.notFound }
                try await SharedInserts(connection: connection).audit(audit)
                // Where there is no overlap, the secret before ends on all replicas now.
                _ = try await connection.query("SELECT pg_notify('shiplift_tokens', '')::text AS done")
                return try Self.decode(row)
            }
        }
    }

    private static func decode(_ row: PostgresRow) throws(PostgresError) -> TokenRecord {
        guard let grant = try row.json("grants", as: Grant.self) else { throw .decoding(column: "grants", expected: "a grant", found: "NULL") }
        return TokenRecord(
            id: try row.decode("id"), name: try row.decode("name"), grant: grant, groups: try row.decode("groups"), hint: try row.decode("hint"),
            createdAt: try row.decode("created_at"),
            expiresAt: try row.decode("expires_at"), revokedAt: try row.decodeOptional("revoked_at"), lastUsedOn: try row.decodeOptional("last_used_on"),
            owner: try row.decodeOptional("owner", as: String.self).map(SubjectID.init(stored:)), previousUntil: try row.decodeOptional("previous_until"))
    }
}

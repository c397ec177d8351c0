public import AuditLog
public import Foundation
public import Postgres
public import PromotionCore

/// Sessions in PostgreSQL: the hashes of their secrets, never the secrets.
public struct PostgresSessionStore: SessionStore {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func create(_ session: SessionRecord, sha256: [UInt8], audit: AuditEntry) async throws(StoreError) {
        try await storing {
            try await pool.withTransaction { connection in
                try await connection.execute("DELETE FROM sessions WHERE expires_at < now() - interval '7 days'")
                try await connection.execute(
                    """
                    INSERT INTO sessions (id, secret_sha256, subject, issuer, claims, created_at, last_seen_at, expires_at)
                    VALUES (\(session.id), \(sha256), \(session.subject.description), \(session.issuer), \(try StoredJSON.encode(session.claims)),
                      \(session.createdAt), \(session.lastSeenAt), \(session.expiresAt))
                    """)
                try await SharedInserts(connection: connection).audit(audit)
            }
        }
    }

    public func session(sha256: [UInt8], now: Date) async throws(StoreError) -> SessionRecord? {
        try await storing {
            let found = try await pool.query(
                "SELECT id, subject, issuer, claims, created_at, last_seen_at, expires_at, ended_at FROM sessions WHERE secret_sha256 = \(sha256)")
            guard let row = found.first else { return nil }
            let session = try Self.decode(row)
            if session.endedAt == nil, now.timeIntervalSince(session.lastSeenAt) > 60 {
                try await pool.execute("UPDATE sessions SET last_seen_at = greatest(last_seen_at, \(now)) WHERE id = \(session.id)")
            }
            return session
        }
    }

    public func end(_ id: UUID, at now: Date, audit: AuditEntry) async throws(StoreError) {
        try await storing {
            try await pool.withTransaction { connection in
                let changed = try await connection.execute("UPDATE sessions SET ended_at = \(now) WHERE id = \(id) AND ended_at IS NULL")
                if changed > 0 { try await SharedInserts(connection: connection).audit(audit) }
            }
        }
    }

    private static func decode(_ row: PostgresRow) throws(PostgresError) -> SessionRecord {
        guard let claims = try row.json("claims", as: [String: [String]].self) else { throw .decoding(column: "claims", expected: "claims", found: "NULL") }
        return SessionRecord(
            id: try row.decode("id"), subject: SubjectID(stored: try row.decode("subject")), issuer: try row.decode("issuer"), claims: claims,
            createdAt: try row.decode("created_at"), lastSeenAt: try row.decode("last_seen_at"), expiresAt: try row.decode("expires_at"),
            endedAt: try row.decodeOptional("ended_at"))
    }
}

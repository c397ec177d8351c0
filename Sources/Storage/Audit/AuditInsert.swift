import AuditLog
import Postgres

extension SharedInserts {
    /// Writes an audit entry in the act's transaction. If it can't be written, the act does not happen.
    func audit(_ entry: AuditEntry) async throws {
        try await connection.execute(
            """
            INSERT INTO audit_entries (occurred_at, id, canonical, leaf_hash)
            VALUES (timestamptz 'epoch' + \(entry.timeMicros) * interval '1 microsecond', \(entry.id), \(entry.canonicalText), \(entry.leafHash.bytes))
            """)
    }
}

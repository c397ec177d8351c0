import AuditLog
import Postgres

extension SharedInserts {
    /// Writes an audit entry in the act's transaction. If it can't be written, the act does not happen.
    func audit(_ entry: AuditEntry) async throws { try await connection.execute(Self.insert(entry)) }

    /// The entry's row, as a statement that may go on with `FROM`: one entry for each row there.
    static func insert(_ entry: AuditEntry) -> SQL {
        """
        INSERT INTO audit_entries (occurred_at, id, canonical, leaf_hash)
        SELECT timestamptz 'epoch' + \(entry.timeMicros) * interval '1 microsecond', \(entry.id), \(entry.canonicalText), \(entry.leafHash.bytes)
        """
    }
}

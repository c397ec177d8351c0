public import AuditLog
import Foundation
import Postgres
public import PromotionCore

extension PostgresAuditTrail: CheckpointLedger {
    /// Seconds that a replica has for one delivery.
    private static let claim = 120.0
    /// Seconds before a failed delivery is tried again: doubled each time, up to an hour.
    private static let pauses = (first: 5.0, most: 3600.0)

    public func due(_ sink: String) async throws(StoreError) -> (note: String, size: UInt64, published: UInt64)? {
        try await storing {
            // Claimed in the same statement: two replicas don't deliver at once, and a dead one's claim ends by itself.
            let row = try await pool.query(
                """
                INSERT INTO audit_sinks AS s (name, due_at) SELECT \(sink), now() + \(Self.claim) * interval '1 second' FROM (\(part: Self.newest)) c
                ON CONFLICT (name) DO UPDATE SET due_at = excluded.due_at
                  WHERE s.due_at <= now() AND s.tree_size < (SELECT max(tree_size) FROM audit_checkpoints)
                RETURNING s.tree_size AS published
                """
            ).first
            guard let row, let checkpoint = try await pool.query(Self.newest).first else { return nil }
            return (try checkpoint.decode("note"), try Self.place(checkpoint, "tree_size"), try Self.place(row, "published"))
        }
    }

    private static let newest: SQL = "SELECT tree_size, note FROM audit_checkpoints ORDER BY tree_size DESC LIMIT 1"

    public func published(_ size: UInt64, to sink: String, next: Duration, cosignature: Cosignature?) async throws(StoreError) {
        let pause = Double(next.components.seconds)
        try await storing {
            try await pool.withTransaction { connection in
                try await connection.execute(
                    """
                    UPDATE audit_sinks SET tree_size = greatest(tree_size, \(Int64(size))), published_at = now(), failures = 0, last_error = NULL,
                           due_at = now() + \(pause) * interval '1 second' WHERE name = \(sink)
                    """)
                guard let cosignature else { return }
                try await connection.execute(
                    """
                    INSERT INTO audit_cosignatures (tree_size, witness, line) VALUES (\(Int64(size)), \(cosignature.witness), \(cosignature.line))
                    ON CONFLICT DO NOTHING
                    """)
            }
        }
    }

    public func failed(_ sink: String, _ reason: String) async throws(StoreError) {
        try await storing {
            _ = try await pool.execute(
                """
                UPDATE audit_sinks SET failures = failures + 1, last_error = \(reason.replacing("\u{0}", with: "\u{FFFD}")),
                       due_at = now() + least(\(Self.pauses.first) * power(2, least(failures, 20)), \(Self.pauses.most)) * interval '1 second'
                 WHERE name = \(sink)
                """)
        }
    }

    public func sinkStates() async throws(StoreError) -> [CheckpointSinkState] {
        try await storing {
            try await pool.query("SELECT name, tree_size, published_at, failures::int8 AS failures, last_error FROM audit_sinks ORDER BY name").map { row in
                CheckpointSinkState(
                    name: try row.decode("name"), size: try Self.place(row, "tree_size"), publishedAt: try row.decodeOptional("published_at"),
                    failures: try row.decode("failures"), lastError: try row.decodeOptional("last_error"))
            }
        }
    }

    public func size() async throws(StoreError) -> UInt64 {
        try await storing {
            let row = try await pool.query("SELECT coalesce(max(leaf_index) + 1, 0) AS size FROM audit_leaves").first
            return try row.map { try Self.place($0, "size") } ?? 0
        }
    }

    public func root(of size: UInt64) async throws(StoreError) -> MerkleHash { try await storing { try await root(size) } }

    public func path(from first: UInt64, to second: UInt64) async throws(StoreError) -> [MerkleHash] {
        if first == 0 { return [] }
        return try await storing { try await path(MerkleProofPlan(consistencyOf: first, with: second)) }
    }
}

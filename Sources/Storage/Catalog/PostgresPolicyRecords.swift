public import AuditLog
public import Foundation
import OCI
public import PolicyEngine
public import Postgres
public import PromotionCore

/// Policies that were put in force, and those that were refused.
public struct PostgresPolicyRecords: PolicyRecords {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func adopt(_ policies: PolicySet, commit: PolicyCommit?, audit: AuditEntry) async throws(StoreError) -> Date {
        try await storing {
            try await pool.withTransaction { connection in
                try await PostgresCatalog.adopt(policies, audit: audit, connection)
                let stored = try await connection.query(
                    "SELECT content_sha256 FROM policy_versions WHERE version = \(policies.version.description)")
                // A commit has the same files for ever; another folder of it has others, and what was decided by one must not be explained by the other.
                guard try stored.first?.decode("content_sha256", as: [UInt8].self) == policies.version.contentDigest.bytes else {
                    throw StoreError.duplicate("policy version \(policies.version) with other files")
                }
                if let commit {
                    try await connection.execute(
                        """
                        INSERT INTO policy_commits (version, details) VALUES (\(policies.version.description), \(try StoredJSON.encode(commit)))
                        ON CONFLICT (version) DO NOTHING
                        """)
                }
                let rows = try await connection.query("SELECT since FROM policy_in_force")
                guard let since = try rows.first?.decode("since", as: Date.self) else { throw StoreError.corrupt("no policy is in force after one was adopted") }
                return since
            }
        }
    }

    private struct StoredFile: Decodable {
        let path: String
        let text: String
    }

    public func inForce() async throws(StoreError) -> StoredPolicy? {
        try await storing {
            let rows = try await pool.query(
                """
                SELECT v.files, c.details, f.since FROM policy_in_force f JOIN policy_versions v ON v.version = f.version
                  LEFT JOIN policy_commits c ON c.version = f.version
                """)
            guard let row = rows.first, let files = try row.json("files", as: [StoredFile].self) else { return nil }
            return StoredPolicy(
                files: files.map { PolicyFile(path: $0.path, text: $0.text) }, commit: try row.json("details", as: PolicyCommit.self),
                since: try row.decode("since", as: Date.self))
        }
    }

    public func refuse(_ refusal: PolicyRefusal, audit: AuditEntry) async throws(StoreError) -> Bool {
        try await storing {
            try await pool.withTransaction { connection in
                let added = try await connection.execute(
                    """
                    INSERT INTO policy_refusals (revision, refused_at, details)
                    VALUES (\(refusal.revision), \(refusal.at), \(try StoredJSON.encode(refusal))) ON CONFLICT (revision) DO NOTHING
                    """)
                if added > 0 {
                    try await SharedInserts(connection: connection).audit(audit)
                    try await SharedInserts(connection: connection).event(audit)
                }
                return added > 0
            }
        }
    }
}

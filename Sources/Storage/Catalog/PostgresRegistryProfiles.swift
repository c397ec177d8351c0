public import Foundation
public import Postgres
public import PromotionCore

/// What is stored of one registry. What the JSON means is the business of whoever keeps it here.
public struct StoredRegistryProfile: Sendable, Hashable {
    public let registry: String
    public let url: String
    /// What a probe found.
    public let probed: String
    /// What was met in work.
    public let learned: String
    public let report: String?
    public let probedAt: Date?
    /// When the next probe is due; in the distant past where there was none.
    public let isDue: Bool
    /// Why the last probe came to nothing.
    public let failure: String?
}

/// Registries' profiles in PostgreSQL, shared by all replicas.
public struct PostgresRegistryProfiles: Sendable {
    private let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func all() async throws(StoreError) -> [StoredRegistryProfile] {
        try await storing {
            try await pool.query(
                """
                SELECT registry_name, url, probed::text AS probed, learned::text AS learned, report::text AS report, probed_at, failure, due_at <= now() AS is_due
                  FROM registry_profiles ORDER BY registry_name, url LIMIT 10000
                """
            ).map { row throws(PostgresError) in
                StoredRegistryProfile(
                    registry: try row.decode("registry_name"), url: try row.decode("url"), probed: try row.decode("probed"), learned: try row.decode("learned"),
                    report: try row.decodeOptional("report"), probedAt: try row.decodeOptional("probed_at"), isDue: try row.decode("is_due"),
                    failure: try row.decodeOptional("failure"))
            }
        }
    }

    /// Takes the right to probe a registry for `seconds`; `false` where somebody else has it, or where no probe is due.
    ///
    /// - Parameter isAsked: somebody asked for it: it is done whether or not it is due.
    public func take(_ registry: String, url: String, seconds: Double, isAsked: Bool) async throws(StoreError) -> Bool {
        try await storing {
            let taken = try await pool.query(
                """
                INSERT INTO registry_profiles (registry_name, url, probing_until) VALUES (\(registry), \(url), now() + \(seconds) * interval '1 second')
                ON CONFLICT (registry_name, url) DO UPDATE SET probing_until = excluded.probing_until
                 WHERE registry_profiles.probing_until < now() AND (\(isAsked) OR registry_profiles.due_at <= now())
                RETURNING registry_name
                """)
            return !taken.isEmpty
        }
    }

    /// Writes down what a probe found; what was met before may be over.
    ///
    /// - Parameter life: seconds until another one is due.
    public func finish(_ registry: String, url: String, probed: String, report: String, life: Double) async throws(StoreError) {
        let (found, words) = (JSONB(probed), JSONB(report))
        try await storing {
            _ = try await pool.execute(
                """
                UPDATE registry_profiles SET probed = \(found), learned = '{}', report = \(words), probed_at = now(), failure = NULL,
                       due_at = now() + \(life) * interval '1 second', probing_until = '-infinity'
                 WHERE registry_name = \(registry) AND url = \(url)
                """)
        }
    }

    /// Writes down that a probe came to nothing; what was known stays.
    ///
    /// - Parameter pause: seconds until the next try.
    public func fail(_ registry: String, url: String, reason: String, pause: Double) async throws(StoreError) {
        let words = String(reason.unicodeScalars.filter { $0.value != 0 }.prefix(1_000).map(Character.init))
        try await storing {
            _ = try await pool.execute(
                """
                UPDATE registry_profiles SET failure = \(words), due_at = now() + \(pause) * interval '1 second', probing_until = '-infinity'
                 WHERE registry_name = \(registry) AND url = \(url)
                """)
        }
    }

    /// Adds what was met in work to what others have met.
    public func learn(_ registry: String, url: String, learned: String) async throws(StoreError) {
        let met = JSONB(learned)
        try await storing {
            _ = try await pool.execute(
                """
                INSERT INTO registry_profiles AS p (registry_name, url, learned) VALUES (\(registry), \(url), \(met))
                ON CONFLICT (registry_name, url) DO UPDATE SET learned = p.learned || excluded.learned
                """)
        }
    }
}

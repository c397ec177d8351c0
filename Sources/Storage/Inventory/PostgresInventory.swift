public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine
public import Postgres
public import PromotionCore

/// Scans and what they find out, in PostgreSQL.
public struct PostgresInventory: InventoryStore {
    let pool: PostgresPool

    public init(pool: PostgresPool) { self.pool = pool }

    public func request(
        _ id: UUID, of environment: EnvironmentName, by actor: SubjectID, audit: AuditEntry?
    ) async throws(StoreError) -> InventoryScan {
        try await storing {
            try await pool.withTransaction { connection in
                let made = try await connection.execute(
                    """
                    INSERT INTO inventory_scans (id, environment, requested_by) VALUES (\(id), \(environment.description), \(actor.description))
                    ON CONFLICT (environment) WHERE finished_at IS NULL DO NOTHING
                    """)
                if made > 0, let audit { try await SharedInserts(connection: connection).audit(audit) }
                let rows = try await connection.query(
                    ScanRow.select + " WHERE environment = \(environment.description) AND (finished_at IS NULL OR id = \(id)) ORDER BY id DESC LIMIT 1")
                guard let row = rows.first else { throw StoreError.notFound }
                return try ScanRow.decode(row)
            }
        }
    }

    public func isScanDue(_ environment: EnvironmentName, every interval: Duration) async throws(StoreError) -> Bool {
        try await storing {
            try await pool.query(
                """
                SELECT 1 AS one FROM inventory_scans
                 WHERE environment = \(environment.description)
                   AND (finished_at IS NULL OR started_at > now() - \(interval.seconds) * interval '1 second') LIMIT 1
                """
            ).isEmpty
        }
    }

    public func claimScan(owner: UUID, for duration: Duration) async throws(StoreError) -> InventoryScan? {
        try await storing {
            try await pool.query(
                """
                UPDATE inventory_scans SET state = 'running', started_at = coalesce(started_at, now()), lease_owner = \(owner),
                       lease_expires_at = now() + \(duration.seconds) * interval '1 second'
                 WHERE id = (SELECT id FROM inventory_scans WHERE state = 'waiting' OR (state = 'running' AND lease_expires_at < now())
                              ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
                RETURNING
                """ + ScanRow.columns
            ).first.map { row throws(PostgresError) in try ScanRow.decode(row) }
        }
    }

    public func advance(
        _ scan: UUID, owner: UUID, counts: ScanCounts, position: ScanPosition?, failures: [String], for duration: Duration
    ) async throws(StoreError) {
        let changed = try await storing {
            try await pool.execute(
                """
                UPDATE inventory_scans SET counts = \(try StoredJSON.encode(counts)), position = coalesce(\(try StoredJSON.encodeIfPresent(position)), position),
                       failures = \(try StoredJSON.encode(failures)), lease_expires_at = now() + \(duration.seconds) * interval '1 second'
                 WHERE id = \(scan) AND state = 'running' AND lease_owner = \(owner)
                """)
        }
        guard changed > 0 else { throw .leaseLost }
    }

    public func finish(_ scan: UUID, owner: UUID, succeeded: Bool, counts: ScanCounts, failures: [String]) async throws(StoreError) {
        let changed = try await storing {
            try await pool.execute(
                """
                WITH old AS (
                  DELETE FROM inventory_scans o USING inventory_scans s
                   WHERE s.id = \(scan) AND o.environment = s.environment
                     AND o.id < (SELECT x.id FROM inventory_scans x WHERE x.environment = s.environment ORDER BY x.id DESC OFFSET 1000 LIMIT 1))
                UPDATE inventory_scans SET state = \(succeeded ? "succeeded" : "failed"), finished_at = now(), counts = \(try StoredJSON.encode(counts)),
                       failures = \(try StoredJSON.encode(failures)), lease_owner = NULL, lease_expires_at = NULL
                 WHERE id = \(scan) AND state = 'running' AND lease_owner = \(owner)
                """)
        }
        guard changed > 0 else { throw .leaseLost }
    }

    public func scan(_ id: UUID) async throws(StoreError) -> InventoryScan? {
        try await storing {
            try await pool.query(ScanRow.select + " WHERE id = \(id)").first.map { row throws(PostgresError) in try ScanRow.decode(row) }
        }
    }

    public func scans(of environment: EnvironmentName?, cursor: String?, limit: Int) async throws(StoreError) -> Page<InventoryScan> {
        let scope = "scans \(environment?.description ?? "")"
        let before = try cursor.map { text throws(StoreError) in try Cursor(parsing: text, scope: scope).position }
        guard before == nil || UUID(uuidString: before ?? "") != nil else { throw .invalidCursor }
        let last = before.flatMap(UUID.init(uuidString:))
        let scans = try await storing {
            try await pool.query(
                ScanRow.select + """
                     WHERE (\(environment?.description)::text IS NULL OR environment = \(environment?.description)) AND (\(last)::uuid IS NULL OR id < \(last))
                     ORDER BY id DESC LIMIT \(limit + 1)
                    """
            ).map { row throws(PostgresError) in try ScanRow.decode(row) }
        }
        return Page(scans, limit: limit, scope: scope) { $0.id.uuidString }
    }

    // MARK: What was seen

    public func images(in registry: String) async throws(StoreError) -> [ImageName] {
        try await storing {
            try await pool.query(
                "SELECT i.name FROM image_repositories ir JOIN images i ON i.id = ir.image_id WHERE ir.registry_name = \(registry) ORDER BY i.name LIMIT 200000"
            ).map { row in try row.parsed("name", ImageName.init(parsing:)) }
        }
    }

    public func tags(of target: TargetRepository) async throws(StoreError) -> [Tag: Digest] {
        try await storing {
            let rows = try await pool.query(
                """
                SELECT t.tag, t.digest FROM environment_registries e JOIN repositories r ON r.registry_id = e.registry_id AND r.name = \(target.repository.description)
                  JOIN tag_history t ON t.repository_id = r.id AND upper_inf(t.valid) AND t.digest IS NOT NULL
                 WHERE e.name = \(target.registry)
                """)
            var tags: [Tag: Digest] = [:]
            for row in rows { tags[try row.parsed("tag", Tag.init(parsing:))] = try row.digest("digest") }
            return tags
        }
    }

    public func observe(
        _ looks: [TagLook], of image: ImageName, at target: TargetRepository, in environment: EnvironmentName, age: Duration, seenBy: String
    ) async throws(StoreError) -> TagChanges {
        guard !looks.isEmpty else { return TagChanges() }
        return try await storing {
            try await pool.withTransaction { connection in
                let inserts = SharedInserts(connection: connection)
                let repository = try await inserts.repository(target)
                try await inserts.place(try await inserts.image(image), in: repository, of: target.registry)
                return try await TagSightings(connection: connection, image: image, environment: environment, target: target, repository: repository)
                    .observe(looks, age: age, seenBy: seenBy)
            }
        }
    }
}

/// How scans are read.
enum ScanRow {
    static let columns: SQL = " id, environment, state, requested_by, requested_at, started_at, finished_at, counts, position, failures"
    static let select: SQL = "SELECT" + columns + " FROM inventory_scans"

    static func decode(_ row: PostgresRow) throws(PostgresError) -> InventoryScan {
        InventoryScan(
            id: try row.decode("id"), environment: try row.parsed("environment", EnvironmentName.init(parsing:)),
            state: try row.parsed("state", InventoryScan.State.init(rawValue:)), requestedBy: SubjectID(stored: try row.decode("requested_by")),
            requestedAt: try row.decode("requested_at"), startedAt: try row.decodeOptional("started_at"), finishedAt: try row.decodeOptional("finished_at"),
            counts: try row.json("counts") ?? ScanCounts(), position: try row.json("position"), failures: try row.json("failures") ?? [])
    }
}

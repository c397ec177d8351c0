public import AuditLog
import Foundation
import OCI
import PolicyEngine
import Postgres
public import PromotionCore

extension PostgresPromotionStore {
    public func move(_ changes: [StateChange], lease: Lease) async throws(StoreError) -> [RecordedMove] {
        guard let first = changes.first else { return [] }
        return try await moved(first, changes.dropFirst(), lease)
    }

    private func moved(_ first: StateChange, _ rest: ArraySlice<StateChange>, _ lease: Lease) async throws(StoreError) -> [RecordedMove] {
        try await storing {
            try await pool.withTransaction { connection in
                let held = try await connection.query(
                    """
                    SELECT woken FROM jobs WHERE id = \(lease.job) AND lease_epoch = \(lease.epoch) AND state = 'running' AND lease_expires_at > now()
                       FOR UPDATE
                    """)
                guard let work = held.first else { throw StoreError.leaseLost }
                // A rejection that was accepted must count. One that waits is looked at once more anyway.
                if first.decision != nil, first.to != .waiting, try work.decode("woken", as: Bool.self) { throw StoreError.overtaken }
                var current = try await lockState(first.promotion, connection)
                var moves: [RecordedMove] = []
                for change in [first] + rest {
                    guard change.from.contains(current.state) else { throw StoreError.stale(current: current.state) }
                    if change.to == .copying { try await hold(change.promotion, connection) }
                    let move = try await record(change, from: current, connection)
                    current = Standing(state: change.to, version: move.version)
                    moves.append(move)
                    try await settleJob(change, lease, connection)
                }
                return moves
            }
        }
    }

    public func cancel(_ id: PromotionID, audit: AuditEntry, whileRunning request: AuditEntry) async throws(StoreError) -> Promotion {
        try await storing {
            try await pool.withTransaction { connection in
                let current = try await lock(id, connection)
                guard current.state.isCancellable else { throw StoreError.stale(current: current.state) }
                let running = try await connection.query(
                    "UPDATE jobs SET cancel_requested = true WHERE promotion_id = \(id.uuid) AND state = 'running' RETURNING id")
                if running.isEmpty {
                    let change = StateChange(promotion: id, from: [current.state], to: .cancelled, audit: audit)
                    _ = try await record(change, from: Standing(current), connection)
                    try await connection.execute("DELETE FROM jobs WHERE promotion_id = \(id.uuid)")
                } else {
                    try await SharedInserts(connection: connection).audit(request)
                }
                return try await reread(id, connection)
            }
        }
    }

    public func retry(_ id: PromotionID, audit: AuditEntry) async throws(StoreError) -> Promotion {
        do throws(StoreError) {
            return try await storing {
                try await pool.withTransaction { connection in
                    let current = try await lock(id, connection)
                    guard current.state.isRetryable else { throw StoreError.stale(current: current.state) }
                    try await revive(current, audit, connection)
                    return try await reread(id, connection)
                }
            }
        } catch {
            // Meanwhile somebody else asked for the same promotion anew.
            guard case .duplicate("promotions_live_once") = error, let promotion = try await promotion(id) else { throw error }
            throw try await live(promotion.dedupeKey).map(StoreError.alreadyInProgress) ?? error
        }
    }

    private func live(_ dedupe: [UInt8]) async throws(StoreError) -> PromotionID? {
        try await storing {
            try await pool.query("SELECT id FROM promotions WHERE dedupe_key = \(dedupe) AND finished_at IS NULL").first
                .map { row throws(PostgresError) in PromotionID(try row.decode("id", as: UUID.self)) }
        }
    }

    /// Where a promotion stands: all that a move needs to know.
    private struct Standing {
        let state: PromotionState
        let version: Int

        init(state: PromotionState, version: Int) {
            self.state = state
            self.version = version
        }

        init(_ promotion: Promotion) { self.init(state: promotion.state, version: promotion.version) }
    }

    /// What a verdict needs: the work item first, as everybody locks it, then the promotion.
    func lockWithWork(_ id: PromotionID, _ connection: PostgresConnection) async throws -> Promotion {
        _ = try await connection.query("SELECT 1 AS one FROM jobs WHERE promotion_id = \(id.uuid) FOR UPDATE")
        return try await lock(id, connection)
    }

    /// Puts a promotion that has ended back to `requested` with a new work item.
    func revive(_ promotion: Promotion, _ audit: AuditEntry, _ connection: PostgresConnection) async throws {
        _ = try await record(
            StateChange(promotion: promotion.id, from: [promotion.state], to: .requested, audit: audit), from: Standing(promotion), connection)
        try await queue(promotion, connection)
    }

    private func lockState(_ id: PromotionID, _ connection: PostgresConnection) async throws -> Standing {
        guard let row = try await connection.query("SELECT state, version FROM promotions WHERE id = \(id.uuid) FOR UPDATE").first else {
            throw StoreError.notFound
        }
        return Standing(state: try row.parsed("state", PromotionState.init(rawValue:)), version: try row.decode("version", as: Int.self))
    }

    private func lock(_ id: PromotionID, _ connection: PostgresConnection) async throws -> Promotion {
        guard let row = try await connection.query(PromotionRow.select + " WHERE p.id = \(id.uuid) FOR UPDATE OF p").first else { throw StoreError.notFound }
        return try PromotionRow.decode(row)
    }

    func reread(_ id: PromotionID, _ connection: PostgresConnection) async throws -> Promotion {
        guard let row = try await connection.query(PromotionRow.select + " WHERE p.id = \(id.uuid)").first else { throw StoreError.notFound }
        return try PromotionRow.decode(row)
    }

    /// The transition, the promotion's new state, the audit entry and the event.
    private func record(_ change: StateChange, from current: Standing, _ connection: PostgresConnection) async throws -> RecordedMove {
        let inserts = SharedInserts(connection: connection)
        let version = current.version + 1
        try await inserts.audit(change.audit)
        try await connection.execute(
            """
            INSERT INTO promotion_transitions (promotion_id, version, from_state, to_state, actor, audit_id)
            VALUES (\(change.promotion.uuid), \(version), \(current.state.rawValue), \(change.to.rawValue), \(change.audit.actor.id), \(change.audit.id))
            """)
        let isAnew = change.to == .requested
        let updated = try await connection.query(
            """
            UPDATE promotions SET state = \(change.to.rawValue), version = \(version), updated_at = now(),
                   finished_at = CASE WHEN \(change.to.isFinal) THEN now() END,
                   policy_version = coalesce(\(change.decision?.policyVersion.description), policy_version),
                   decision = CASE WHEN \(isAnew) THEN NULL ELSE coalesce(\(try StoredJSON.encodeIfPresent(change.decision)), decision) END,
                   report = CASE WHEN \(isAnew) THEN NULL ELSE coalesce(\(try StoredJSON.encodeIfPresent(change.report)), report) END,
                   tag_moves = coalesce(\(change.tagMoves.isEmpty ? nil : try StoredJSON.encode(change.tagMoves)), tag_moves),
                   failure = CASE WHEN \(isAnew) OR \(change.to == .succeeded) THEN NULL ELSE coalesce(\(try StoredJSON.encodeIfPresent(change.failure)), failure) END
             WHERE id = \(change.promotion.uuid) RETURNING updated_at
            """)
        guard let row = updated.first else { throw StoreError.notFound }
        if let decision = change.decision, let facts = change.facts {
            let kept = try await FactContents.keep(facts, connection)
            try await connection.execute(
                """
                WITH kept AS (INSERT INTO fact_contents (sha256, content) VALUES (\(kept.sha256), \(kept.json)) ON CONFLICT DO NOTHING)
                INSERT INTO evaluations (promotion_id, version, policy_version, outcome, decision, facts_sha256)
                VALUES (\(change.promotion.uuid), \(version), \(decision.policyVersion.description), \(decision.outcome.rawValue),
                        \(try StoredJSON.encode(decision)), \(kept.sha256))
                """)
        }
        if change.to == .queued, change.decision != nil { try await insertTargets(change, connection) }
        if change.to == .waiting, let facts = change.facts { try await insertPlatforms(facts, change.promotion, connection) }
        if [.copying, .committing].contains(current.state), change.to != .committing {
            try await connection.execute("UPDATE promotion_targets SET holds = false WHERE promotion_id = \(change.promotion.uuid) AND holds")
        }
        for move in change.tagMoves {
            try await TagHistory(connection: connection).write(move, by: change.promotion)
        }
        try await event(change.audit.action, change.promotion, ordinal: version, change.audit, connection)
        return RecordedMove(version: version, at: try row.decode("updated_at"))
    }

    private func insertTargets(_ change: StateChange, _ connection: PostgresConnection) async throws {
        let inserts = SharedInserts(connection: connection)
        try await connection.execute("DELETE FROM promotion_targets WHERE promotion_id = \(change.promotion.uuid)")
        for target in change.targets {
            let repository = try await inserts.repository(target)
            for tag in change.tags {
                try await connection.execute(
                    "INSERT INTO promotion_targets (promotion_id, repository_id, tag) VALUES (\(change.promotion.uuid), \(repository), \(tag.description))")
            }
        }
    }

    /// The manifests that evidence may be about while the promotion waits.
    private func insertPlatforms(_ facts: PromotionFacts, _ id: PromotionID, _ connection: PostgresConnection) async throws {
        for digest in Set(facts.platforms.compactMap(\.digest)) where digest != facts.digest {
            try await connection.execute(
                "INSERT INTO promotion_platforms (promotion_id, digest) VALUES (\(id.uuid), \(digest.stored)) ON CONFLICT DO NOTHING")
        }
    }

    /// Takes the tags for this promotion: older promotions of the same tag go first.
    private func hold(_ id: PromotionID, _ connection: PostgresConnection) async throws {
        let older = try await connection.query(
            """
            SELECT o.promotion_id FROM promotion_targets m JOIN promotion_targets o USING (repository_id, tag) JOIN promotions p ON p.id = o.promotion_id
             WHERE m.promotion_id = \(id.uuid) AND o.promotion_id <> m.promotion_id
               AND (o.holds OR (o.promotion_id < m.promotion_id AND p.state IN ('queued', 'copying', 'committing'))) LIMIT 1
            """)
        if let row = older.first { throw StoreError.targetHeld(by: PromotionID(try row.decode("promotion_id", as: UUID.self))) }
        do { try await connection.execute("UPDATE promotion_targets SET holds = true WHERE promotion_id = \(id.uuid)") } catch PostgresError.server(let error)
            where error.constraint == "target_held_once"
        {
            throw StoreError.targetHeld(by: id)
        }
    }

    /// Ends the work item with the promotion. One that waits is looked at again at its time, or at once where something has arrived meanwhile.
    ///
    /// Without a time it is woken by what arrives. What nobody tells us of, a signature in a registry, is found by looking, the less often the
    /// longer it has been waiting.
    private func settleJob(_ change: StateChange, _ lease: Lease, _ connection: PostgresConnection) async throws {
        guard change.to.isFinal || change.to == .waiting else { return }
        try await connection.execute(
            "UPDATE job_lanes SET running = running - 1 WHERE lane = (SELECT lane FROM jobs WHERE id = \(lease.job))")
        if change.to.isFinal {
            try await connection.execute("DELETE FROM jobs WHERE id = \(lease.job) AND lease_epoch = \(lease.epoch)")
        } else {
            try await connection.execute(
                """
                UPDATE jobs SET state = 'available', lease_owner = NULL, lease_expires_at = NULL,
                       run_at = CASE WHEN woken THEN now() ELSE coalesce(\(change.decision?.retryAt), now() + (
                         SELECT greatest(interval '60 seconds', least((now() - p.created_at) / 10, interval '15 minutes'))
                           FROM promotions p WHERE p.id = jobs.promotion_id)) END
                 WHERE id = \(lease.job) AND lease_epoch = \(lease.epoch)
                """)
        }
    }
}

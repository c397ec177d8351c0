public import Foundation
import Logging
public import Postgres
public import PromotionCore
import Synchronization

/// The work items behind promotions, in PostgreSQL. All times are the database's own.
public struct PostgresWorkQueue: WorkQueue {
    private let pool: PostgresPool
    private let listener: PostgresListener
    private let announcements = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private let lastDepth = LastDepth()

    public init(pool: PostgresPool, listener: PostgresListener) {
        self.pool = pool
        self.listener = listener
    }

    public func claim(owner: UUID, limit: Int, duration: Duration) async throws(StoreError) -> [LeasedPromotion] {
        var claimed: [LeasedPromotion] = []
        while claimed.count < limit, let next = try await claimOne(owner, duration) { claimed.append(next) }
        return claimed
    }

    /// The lane that waited longest gives its oldest item. `SKIP LOCKED` lets replicas pass each other.
    private func claimOne(_ owner: UUID, _ duration: Duration) async throws(StoreError) -> LeasedPromotion? {
        try await storing {
            try await pool.withTransaction { connection -> LeasedPromotion? in
                let rows = try await connection.query(
                    """
                    WITH lane AS (
                      SELECT l.lane FROM job_lanes l
                       WHERE l.running < l.max_running
                         AND EXISTS (SELECT FROM jobs j WHERE j.lane = l.lane AND j.state = 'available' AND j.run_at <= now())
                       ORDER BY l.last_claimed_at LIMIT 1 FOR UPDATE SKIP LOCKED),
                    pick AS (
                      SELECT j.id, j.lane FROM lane, LATERAL (
                        SELECT id, lane FROM jobs WHERE jobs.lane = lane.lane AND state = 'available' AND run_at <= now()
                         ORDER BY run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) j),
                    bump AS (
                      UPDATE job_lanes l SET running = running + 1, last_claimed_at = clock_timestamp() FROM pick WHERE l.lane = pick.lane)
                    UPDATE jobs j SET state = 'running', woken = false, lease_epoch = lease_epoch + 1, lease_owner = \(owner),
                           lease_expires_at = now() + \(duration.seconds) * interval '1 second'
                      FROM pick WHERE j.id = pick.id RETURNING j.id, j.promotion_id, j.lease_epoch, j.failures
                    """)
                guard let row = rows.first else { return nil }
                let id = try row.decode("promotion_id", as: UUID.self)
                guard let found = try await connection.query(PromotionRow.select + " WHERE p.id = \(id)").first else { throw StoreError.notFound }
                let promotion = try PromotionRow.decode(found)
                return LeasedPromotion(
                    lease: Lease(job: try row.decode("id"), promotion: promotion.id, epoch: try row.decode("lease_epoch")), promotion: promotion,
                    failures: try row.decode("failures", as: Int.self))
            }
        }
    }

    public func renew(_ lease: Lease, for duration: Duration, progress: CopyProgress?) async throws(StoreError) -> Bool {
        let rows = try await storing {
            try await pool.query(
                """
                UPDATE jobs SET lease_expires_at = now() + \(duration.seconds) * interval '1 second',
                       progress = coalesce(\(try StoredJSON.encodeIfPresent(progress)), progress)
                 WHERE id = \(lease.job) AND lease_epoch = \(lease.epoch) AND state = 'running' AND lease_expires_at > now()
                RETURNING cancel_requested
                """
            ).map { row throws(PostgresError) in try row.decode("cancel_requested", as: Bool.self) }
        }
        guard let cancelRequested = rows.first else { throw .leaseLost }
        return cancelRequested
    }

    public func giveBack(_ lease: Lease, after delay: Duration, countsAsFailure: Bool) async throws(StoreError) {
        let changed = try await storing {
            try await pool.execute(
                """
                WITH freed AS (
                  UPDATE jobs SET state = 'available', lease_owner = NULL, lease_expires_at = NULL, progress = NULL,
                         failures = failures + \(countsAsFailure ? 1 : 0), run_at = now() + \(delay.seconds) * interval '1 second'
                   WHERE id = \(lease.job) AND lease_epoch = \(lease.epoch) AND state = 'running' RETURNING lane)
                UPDATE job_lanes l SET running = running - 1 FROM freed WHERE l.lane = freed.lane
                """)
        }
        guard changed > 0 else { throw .leaseLost }
    }

    public func rescue() async throws(StoreError) -> Int {
        try await storing {
            let rows = try await pool.query(
                """
                WITH lost AS (
                  SELECT id FROM jobs WHERE state = 'running' AND lease_expires_at < now() ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED),
                freed AS (
                  UPDATE jobs j SET state = 'available', lease_owner = NULL, lease_expires_at = NULL, lost = j.lost + 1,
                         run_at = now() + CASE WHEN j.lost > 3 THEN least(interval '5 minutes', interval '1 second' * power(2, j.lost)) ELSE interval '0' END
                    FROM lost WHERE j.id = lost.id RETURNING j.lane),
                lanes AS (
                  UPDATE job_lanes l SET running = running - f.n FROM (SELECT lane, count(*)::int AS n FROM freed GROUP BY lane) f WHERE l.lane = f.lane)
                SELECT count(*) AS freed FROM freed
                """)
            return try rows.first?.decode("freed", as: Int.self) ?? 0
        }
    }

    public func wakeUps() async -> AsyncStream<Void> { listener.wakeUps() }

    /// Tells workers of all replicas that there may be work: `sendAnnouncements` does, once for all that is announced meanwhile.
    public func announce() async throws(StoreError) { announcements.continuation.yield() }

    /// Sends what is announced, outside any act's transaction: inside, commits would wait for each other. Runs until it is cancelled; one task does it.
    public func sendAnnouncements() async throws(StoreError) {
        for await _ in announcements.stream {
            try await storing { _ = try await pool.query("SELECT pg_notify('shiplift_jobs', '')::text AS done") }
        }
    }

    /// What is due and what is running; at most a second old. What waits for its time, for approvals or for evidence, is not in it.
    public func depth() async throws(StoreError) -> QueueDepth {
        if let recent = lastDepth.value { return recent }
        let began = ContinuousClock.now
        let depth = try await storing {
            let rows = try await pool.query(
                """
                SELECT count(*) FILTER (WHERE state = 'available') AS available, count(*) FILTER (WHERE state = 'running') AS running,
                       extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'available'))::float8 AS oldest
                  FROM jobs WHERE state = 'running' OR run_at <= now()
                """)
            guard let row = rows.first else { return QueueDepth(available: 0, running: 0, oldestSeconds: nil) }
            return QueueDepth(
                available: try row.decode("available", as: Int.self), running: try row.decode("running", as: Int.self),
                oldestSeconds: try row.decodeOptional("oldest"))
        }
        lastDepth.keep(depth, cost: began.duration(to: .now))
        return depth
    }
}

/// The depth that was counted last. A short queue is counted for each request; the longer counting takes, the less often it is done.
private final class LastDepth: Sendable {
    private static let longestLife = Duration.seconds(1)
    private let kept = Mutex<(depth: QueueDepth, until: ContinuousClock.Instant)?>(nil)

    var value: QueueDepth? { kept.withLock { kept in kept.flatMap { $0.until > .now ? $0.depth : nil } } }

    /// - Parameter cost: how long counting took: at most a tenth of the time goes into it.
    func keep(_ depth: QueueDepth, cost: Duration) {
        kept.withLock { $0 = (depth, .now + min(cost * 10, Self.longestLife)) }
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}

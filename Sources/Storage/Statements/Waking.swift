import Foundation
import OCI
import Postgres
import PromotionCore

/// Makes the work items of promotions available to which something has happened, in the transaction in which it happens.
///
/// A promotion that is being worked on is marked: it is looked at once more before it waits. All lock work items in the order of their ids.
struct Waking {
    let connection: PostgresConnection

    func promotion(_ id: PromotionID) async throws {
        try await connection.execute(
            """
            UPDATE jobs SET woken = true, run_at = CASE WHEN state = 'available' THEN least(run_at, now()) ELSE run_at END
             WHERE promotion_id = \(id.uuid)
            """)
    }

    /// Those that wait for, or are being decided on, an artifact or one of its platforms. Answers which.
    func promotions(about digest: Digest) async throws -> [PromotionID] {
        let stored = digest.stored
        return try await connection.query(
            """
            WITH concerned AS (
              SELECT p.id FROM promotions p WHERE p.digest = \(stored) AND p.finished_at IS NULL AND p.state IN ('requested', 'evaluating', 'waiting')
              UNION
              SELECT p.id FROM promotion_platforms w JOIN promotions p ON p.id = w.promotion_id
               WHERE w.digest = \(stored) AND p.finished_at IS NULL AND p.state IN ('requested', 'evaluating', 'waiting')),
            locked AS (
              SELECT j.id FROM jobs j JOIN concerned c ON c.id = j.promotion_id ORDER BY j.id FOR UPDATE OF j)
            UPDATE jobs j SET woken = true, run_at = CASE WHEN j.state = 'available' THEN least(j.run_at, now()) ELSE j.run_at END
              FROM locked WHERE j.id = locked.id RETURNING j.promotion_id
            """
        ).map { row in PromotionID(try row.decode("promotion_id", as: UUID.self)) }
    }

    /// Those that wait by the word of another policy version, a hundred a second: approvals are bound to the version.
    func promotionsDecidedUnderOthers(than version: String) async throws {
        try await connection.execute(
            """
            WITH locked AS (
              SELECT j.id FROM jobs j JOIN promotions p ON p.id = j.promotion_id
               WHERE p.state = 'waiting' AND p.finished_at IS NULL AND p.policy_version <> \(version) ORDER BY j.id FOR UPDATE OF j),
            ordered AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM locked)
            UPDATE jobs j SET woken = true,
                   run_at = CASE WHEN j.state = 'available' THEN least(j.run_at, now() + o.place * interval '10 milliseconds') ELSE j.run_at END
              FROM ordered o WHERE j.id = o.id
            """)
    }
}

import AuditLog
import Foundation
import Logging
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

/// Someone with all rights over the database, but without the key, changes one thing: verification names where.
@Suite(.inTurn, .timeLimit(.minutes(5))) struct AuditTamperTests {
    private static let count = 300
    /// Undoes a change.
    private static let restoration = ["audit_entries", "audit_leaves", "audit_checkpoints", "audit_nodes"].map { "DELETE FROM \($0); INSERT INTO \($0) SELECT * FROM kept_\($0);" }
        .joined()

    /// A log under five checkpoints whose owner has taken away all that defends it, and a copy of it.
    private func laidOpen() async throws -> (fixture: StoreFixture, owner: PostgresPool, trail: PostgresAuditTrail) {
        let fixture = try await StoreFixture.make()
        for _ in 0..<5 {
            try await fixture.append(Self.count / 5)
            _ = try await fixture.trail.sequence(signer: fixture.signer)
            try await fixture.asSuperuser("ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL; UPDATE audit_checkpoints SET at = at - interval '1 minute'")
        }
        let tables = ["audit_entries", "audit_leaves", "audit_checkpoints", "audit_nodes"]
        try await fixture.asSuperuser(
            tables.map { "ALTER TABLE \($0) DISABLE TRIGGER ALL; CREATE TABLE kept_\($0) AS TABLE \($0);" }.joined()
                + "ALTER TABLE audit_entries DROP CONSTRAINT audit_entries_check; ALTER TABLE audit_leaves DROP CONSTRAINT audit_leaves_pkey, DROP CONSTRAINT audit_leaves_id_key;")
        var configuration = try PostgresConfiguration(parsing: fixture.server.url(database: fixture.name))
        configuration.schema = SchemaMigrator.schema
        let owner = PostgresPool(configuration: configuration, logger: Logger(label: "test"))
        return (fixture, owner, PostgresAuditTrail(pool: owner, origin: "test-log"))
    }

    private struct Tampering {
        let name: String
        let sql: String
        /// The first entry that is not as it was, or `nil` where it is a checkpoint or a node.
        let first: Int?
    }

    /// One bit, or one row, somewhere.
    private static func tampering(_ random: inout SplitMix) -> Tampering {
        let (k, other) = (random.below(count), random.below(count))
        let entry = "id = (SELECT id FROM audit_leaves WHERE leaf_index = \(k))"
        switch random.below(14) {
        case 0:
            let place = random.below(300) + 2
            return Tampering(
                name: "text",
                sql:
                    "UPDATE audit_entries SET canonical = overlay(canonical placing chr(ascii(substr(canonical, least(\(place), length(canonical) - 1), 1)) # 1) from least(\(place), length(canonical) - 1)) WHERE \(entry)",
                first: k)
        case 1:
            let column = ["action", "actor", "outcome"][random.below(3)]
            return Tampering(name: column, sql: "UPDATE audit_entries SET \(column) = chr(ascii(\(column)) # 1) || substr(\(column), 2) WHERE \(entry)", first: k)
        case 2:
            let column = ["image", "digest", "environment", "promotion_id"][random.below(4)]
            return Tampering(name: column, sql: "UPDATE audit_entries SET \(column) = 'x' WHERE \(entry)", first: k)
        case 3:
            let bit = random.below(256)
            return Tampering(name: "entry's hash", sql: "UPDATE audit_entries SET leaf_hash = set_bit(leaf_hash, \(bit), 1 - get_bit(leaf_hash, \(bit))) WHERE \(entry)", first: k)
        case 4:
            let bit = random.below(256)
            return Tampering(
                name: "leaf's hash", sql: "UPDATE audit_leaves SET leaf_hash = set_bit(leaf_hash, \(bit), 1 - get_bit(leaf_hash, \(bit))) WHERE leaf_index = \(k)", first: k)
        case 5: return Tampering(name: "entry's id", sql: "UPDATE audit_entries SET id = gen_random_uuid() WHERE \(entry)", first: k)
        case 6: return Tampering(name: "leaf's id", sql: "UPDATE audit_leaves SET id = gen_random_uuid() WHERE leaf_index = \(k)", first: k)
        case 7:
            let table = ["audit_entries", "audit_leaves"][random.below(2)]
            return Tampering(
                name: "time", sql: "UPDATE \(table) SET occurred_at = occurred_at + interval '1 microsecond' WHERE id = (SELECT id FROM audit_leaves WHERE leaf_index = \(k))",
                first: k)
        case 8: return Tampering(name: "entry deleted", sql: "DELETE FROM audit_entries WHERE \(entry)", first: k)
        case 9: return Tampering(name: "leaf deleted", sql: "DELETE FROM audit_leaves WHERE leaf_index = \(k)", first: k)
        case 10:
            let swapped = other == k ? (k + 1) % count : other
            return Tampering(
                name: "swapped", sql: "UPDATE audit_leaves SET leaf_index = CASE leaf_index WHEN \(k) THEN \(swapped) ELSE \(k) END WHERE leaf_index IN (\(k), \(swapped))",
                first: min(k, swapped))
        case 11:
            return Tampering(
                name: "inserted",
                sql: """
                    UPDATE audit_leaves SET leaf_index = leaf_index + 1 WHERE leaf_index >= \(k);
                    INSERT INTO audit_leaves (leaf_index, id, occurred_at, leaf_hash)
                    SELECT \(k), id, occurred_at, leaf_hash FROM audit_leaves WHERE leaf_index = \(k > 0 ? k - 1 : 1)
                    """, first: k)
        case 12: return Tampering(name: "cut off", sql: "DELETE FROM audit_leaves WHERE leaf_index >= \(k)", first: k)
        default:
            let (column, bit) = (["root", "frontier"][random.below(2)], random.below(200))
            let sql =
                random.below(2) == 0
                ? "UPDATE audit_nodes SET hash = set_bit(hash, \(bit), 1 - get_bit(hash, \(bit)))"
                : "UPDATE audit_checkpoints SET \(column) = set_bit(\(column), \(bit), 1 - get_bit(\(column), \(bit))) WHERE tree_size = (SELECT max(tree_size) FROM audit_checkpoints)"
            return Tampering(name: "beside the log", sql: sql, first: nil)
        }
    }

    /// Whether a finding names the entry, or a stretch up to a signed checkpoint or a kept node that it lies in.
    private func names(_ finding: AuditFinding, _ first: Int?) -> Bool {
        guard let first else {
            switch finding {
            case .badCheckpoint, .nodeDiffers, .rootDiffers: return true
            default: return false
            }
        }
        switch finding {
        case .missing(let index), .moved(let index), .duplicate(let index): return index == Int64(first)
        case .removed(let index, _), .changed(let index, _), .malformed(let index, _, _), .columnDiffers(let index, _, _): return index == Int64(first)
        case .rootDiffers(let after, let size): return (after..<size).contains(UInt64(first))
        case .nodeDiffers(let level, let index): return UInt64(first) >> UInt64(level) == index
        case .truncated(let size, _): return size == UInt64(first)
        case .badCheckpoint, .neverSequenced: return false
        }
    }

    @Test func upToAThousandChangesAreFoundWhereTheyAre() async throws {
        let (fixture, owner, trail) = try await laidOpen()
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        guard case .intact(301, _, 5) = try await trail.verify(keys: [fixture.signer.verifier]) else {
            Issue.record("the log is not intact to begin with")
            return
        }
        // A thousand take two minutes on two busy cores: all of them where that is asked for, else as many as half a minute holds.
        let end = ContinuousClock.now + (ProcessInfo.processInfo.environment["SHIPLIFT_TEST_TAMPERINGS"] == "all" ? .seconds(280) : .seconds(30))
        var (done, found) = (0, 0)
        while done < 1000, ContinuousClock.now < end {
            done += 1
            let tampering = Self.tampering(&random)
            try await owner.withConnection { try await $0.execute(script: tampering.sql) }
            let result = try await trail.verify(keys: [fixture.signer.verifier])
            if case .broken(let finding) = result, names(finding, tampering.first) {
                found += 1
            } else {
                Issue.record("seed \(seed), \(tampering.name) at \(tampering.first ?? -1): \(result)")
            }
            try await owner.withConnection { try await $0.execute(script: Self.restoration) }
        }
        #expect(found == done && done >= 50)
        guard case .intact(301, _, 5) = try await trail.verify(keys: [fixture.signer.verifier]) else {
            Issue.record("the log was not restored")
            return
        }
    }

    /// All of it written anew from one entry on, checkpoints that would contradict left out: the database alone can't show it, a published checkpoint does.
    @Test func aRewrittenTailIsCaughtByAPublishedCheckpoint() async throws {
        let (fixture, owner, trail) = try await laidOpen()
        let published = try #require(try await trail.checkpoint())
        try await owner.withConnection {
            try await $0.execute(
                script: """
                    UPDATE audit_entries e SET canonical = replace(canonical, 'test.act', 'test.lie'), action = replace(action, 'test.act', 'test.lie'),
                           leaf_hash = sha256('\\x00'::bytea || convert_to(replace(canonical, 'test.act', 'test.lie'), 'UTF8'))
                     WHERE id IN (SELECT id FROM audit_leaves WHERE leaf_index >= 100);
                    UPDATE audit_leaves l SET leaf_hash = e.leaf_hash FROM audit_entries e WHERE e.id = l.id;
                    DELETE FROM audit_checkpoints WHERE tree_size > 100;
                    DELETE FROM audit_nodes;
                    """)
        }
        _ = try await trail.sequence(signer: nil)
        guard case .intact(301, _, _) = try await trail.verify(keys: [fixture.signer.verifier]) else {
            Issue.record("the forger made a mistake: the test shows nothing")
            return
        }
        var verifier = try AuditExportVerifier(checkpoints: [published], keys: [fixture.signer.verifier])
        try await trail.export { line in _ = try verifier.add(Array(line.utf8)) }
        guard case .broken(.rootDiffers(_, 301)) = try verifier.finish() else {
            Issue.record("the rewritten tail was not found")
            return
        }
        // The service notices at its next start.
        let publishing = CheckpointPublishing(
            sinks: [PublishedOnce(note: published)], ledger: trail, keys: [fixture.signer.verifier], pause: .seconds(1))
        #expect(try await publishing.contradictions().contradictions.count == 1)
    }
}

/// A place that has one checkpoint.
private struct PublishedOnce: CheckpointSink {
    let note: String
    let name = "place"

    func publish(
        _ note: String, size: UInt64, after published: UInt64, path: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> Cosignature? { nil }
    func newest() async throws(CheckpointSinkFailure) -> String? { note }
}

/// A seeded source of randomness: a failing run can be run again.
private struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ mixed >> 31) % UInt64(bound))
    }
}

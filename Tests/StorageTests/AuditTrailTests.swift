import AuditLog
import Foundation
import OCI
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

@Suite(.inTurn) struct AuditTrailTests {
    private func filled(_ count: Int = 40) async throws -> StoreFixture {
        let fixture = try await StoreFixture.make()
        for index in 0..<count { try await fixture.trail.append(try fixture.entry("test.act-\(index)")) }
        _ = try await fixture.trail.sequence(signer: fixture.signer)
        return fixture
    }

    private func finding(_ fixture: StoreFixture) async throws -> AuditFinding? {
        if case .broken(let finding) = try await fixture.trail.verify(keys: [fixture.signer.verifier]) { return finding }
        return nil
    }

    @Test func everyEntryGetsItsPlaceUnderASignature() async throws {
        let fixture = try await filled()
        guard case .intact(let size, _, let checkpoints) = try await fixture.trail.verify(keys: [fixture.signer.verifier]) else {
            Issue.record("not intact")
            return
        }
        #expect(size == 41 && checkpoints == 1)
        let note = try #require(try await fixture.trail.checkpoint())
        #expect(try CheckpointVerifier.open(note, with: [fixture.signer.verifier]).size == 41)
    }

    /// The service's role can insert and read, and nothing else.
    @Test(arguments: [
        "UPDATE audit_entries SET canonical = canonical", "DELETE FROM audit_entries", "TRUNCATE audit_entries", "UPDATE audit_leaves SET leaf_index = leaf_index",
        "DELETE FROM audit_leaves", "DELETE FROM audit_checkpoints", "INSERT INTO audit_unsequenced (id, occurred_at, leaf_hash) VALUES (gen_random_uuid(), now(), sha256(''))",
        "DELETE FROM promotion_transitions", "ALTER TABLE audit_entries DISABLE TRIGGER ALL", "DELETE FROM promotions", "UPDATE artifacts SET bytes = bytes",
    ])
    func theServiceCannotChangeTheLog(_ sql: String) async throws {
        let fixture = try await filled(1)
        await #expect(throws: (any Error).self) { try await fixture.pool.withConnection { try await $0.execute(script: sql) } }
        #expect(try await finding(fixture) == nil)
    }

    /// Triggers refuse the owner's, and even the superuser's, mistakes; also on each partition, which inherits no TRUNCATE trigger.
    @Test func mistakesOfTheOwnerAreRefused() async throws {
        let fixture = try await filled(1)
        let partition = try #require(
            try await fixture.asSuperuser("SELECT tableoid::regclass FROM audit_entries LIMIT 1").last)
        for sql in [
            "UPDATE audit_entries SET canonical = canonical", "DELETE FROM audit_entries", "TRUNCATE audit_entries", "TRUNCATE \(partition)",
            "DELETE FROM \(partition)", "TRUNCATE audit_leaves", "DELETE FROM audit_checkpoints", "SET session_replication_role = replica; DELETE FROM audit_entries",
        ] {
            await #expect(throws: (any Error).self, "\(sql)") { try await fixture.asSuperuser(sql) }
        }
        #expect(try await finding(fixture) == nil)
    }

    @Test func columnsCannotLieAboutTheText() async throws {
        let fixture = try await filled(1)
        let entry = try fixture.entry("test.forged")
        await #expect(throws: (any Error).self) {
            try await fixture.pool.execute(
                "INSERT INTO audit_entries (occurred_at, id, canonical, leaf_hash) VALUES (now(), \(entry.id), \(entry.canonicalText), \(entry.leafHash.bytes))")
        }
        await #expect(throws: (any Error).self) {
            try await fixture.pool.execute(
                "INSERT INTO audit_entries (occurred_at, id, canonical, leaf_hash) VALUES (timestamptz 'epoch' + \(entry.timeMicros) * interval '1 microsecond', \(entry.id), \(entry.canonicalText), \(Array(repeating: UInt8(1), count: 32)))"
            )
        }
    }

    /// Someone with all rights over the database, but without the key.
    @Test(arguments: [
        ("ALTER TABLE audit_entries DISABLE TRIGGER ALL; DELETE FROM audit_entries WHERE action = 'test.act-7'", "removed"),
        ("ALTER TABLE audit_leaves DISABLE TRIGGER ALL; DELETE FROM audit_leaves WHERE leaf_index = 8", "missing"),
        ("ALTER TABLE audit_leaves DISABLE TRIGGER ALL; DELETE FROM audit_leaves WHERE leaf_index >= 30", "cut off"),
        ("ALTER TABLE audit_leaves DISABLE TRIGGER ALL; UPDATE audit_leaves SET leaf_hash = sha256('x') WHERE leaf_index = 8", "changed"),
        ("ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL; UPDATE audit_checkpoints SET note = replace(note, 'test-log', 'other-log')", "checkpoint"),
        ("ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL; UPDATE audit_checkpoints SET root = sha256('x')", "checkpoint"),
    ])
    func whatAnIntruderChangesIsFound(_ sql: String, _ word: String) async throws {
        let fixture = try await filled()
        try await fixture.asSuperuser(sql)
        let found = try await finding(fixture)
        #expect(found?.description.contains(word) == true, "\(found?.description ?? "intact")")
    }

    /// Rewriting the stored frontier does not get our signature over a rewritten end.
    @Test func aRewrittenFrontierIsNotSigned() async throws {
        let fixture = try await filled()
        try await fixture.asSuperuser(
            "ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL; UPDATE audit_checkpoints SET frontier = set_byte(frontier, 20, 1 # get_byte(frontier, 20)), at = now() - interval '1 minute'"
        )
        try await fixture.trail.append(try fixture.entry("test.later"))
        await #expect(throws: StoreError.self) { try await fixture.trail.sequence(signer: fixture.signer) }
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_checkpoints").last == "1")
    }

    @Test func anActWithoutItsEntryDoesNotHappen() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.asSuperuser("REVOKE INSERT ON audit_entries FROM shiplift_app")
        let promotion = try fixture.promotion()
        do {
            try await fixture.create(promotion)
            Issue.record("a promotion was made without its audit entry")
        } catch StoreError.auditUnavailable {}
        #expect(try await fixture.store.promotion(promotion.id) == nil)
        #expect(try await fixture.queue.depth().available == 0)
    }

    @Test func aMissingMonthFailsLoudly() async throws {
        let fixture = try await StoreFixture.make()
        let far = try AuditEntry(
            id: UUID(), time: Date(timeIntervalSince1970: 4_000_000_000), actor: AuditActor(id: "x", authentication: .service), action: "test.far", outcome: .success)
        do {
            try await fixture.trail.append(far)
            Issue.record("an entry without a partition was written")
        } catch StoreError.auditUnavailable {}
    }

    @Test func exportsWhatBothVerifiersAccept() async throws {
        let fixture = try await filled()
        let folder = try TemporaryFolder()
        var text = ""
        var verifier = try AuditExportVerifier(keys: [fixture.signer.verifier])
        try await fixture.trail.export { line in text += line + "\n" }
        for line in text.split(separator: "\n") { _ = try verifier.add(Array(line.utf8)) }
        guard case .intact(let size, _, _) = try verifier.finish() else { Issue.record("not intact"); return }
        #expect(size == 41)
        let file = try folder.write(text, to: "log.ndjson")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../AuditLogTests/verify_export.py").path
        let python = try await Tool.run("/usr/bin/env", ["python3", script, file], environment: ["PATH": "/usr/bin:/bin:/usr/local/bin"])
        #expect(python.status == .exited(3), "intact, signatures not checked without a key: \(python.output) \(python.errors)")
        let tampered = try folder.write(text.replacing("test.act-7\"", with: "test.act-8\""), to: "tampered.ndjson")
        #expect(try await Tool.run("/usr/bin/env", ["python3", script, tampered], environment: ["PATH": "/usr/bin:/bin:/usr/local/bin"]).status == .exited(1))
    }
}

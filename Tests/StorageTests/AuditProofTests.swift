import AuditLog
import Foundation
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

@Suite(.inTurn) struct AuditProofStorageTests {
    /// A log of 601 entries under two checkpoints.
    private func filled() async throws -> StoreFixture {
        let fixture = try await StoreFixture.make()
        try await fixture.append(300)
        _ = try await fixture.trail.sequence(signer: fixture.signer)
        try await fixture.asSuperuser(
            "ALTER TABLE audit_checkpoints DISABLE TRIGGER ALL; UPDATE audit_checkpoints SET at = at - interval '1 minute'; ALTER TABLE audit_checkpoints ENABLE TRIGGER ALL")
        try await fixture.append(300)
        _ = try await fixture.trail.sequence(signer: fixture.signer)
        return fixture
    }

    private func size(_ fixture: StoreFixture) async throws -> UInt64 { try Checkpoint(claimedBy: try #require(try await fixture.trail.checkpoint())).size }

    @Test func everyEntryIsProvenByItsIDAndByItsNumber() async throws {
        let fixture = try await filled()
        for index in stride(from: Int64(0), through: 600, by: 41) {
            let proof = try #require(try await fixture.trail.proof(of: .index(index)))
            let (entry, checkpoint) = try AuditProof(parsing: proof.text).verify(keys: [fixture.signer.verifier])
            #expect(checkpoint.size == 601 && proof.index == UInt64(index))
            #expect(try await fixture.trail.proof(of: .id(entry.id)) == proof)
        }
        #expect(try await fixture.trail.proof(of: .index(601)) == nil)
        #expect(try await fixture.trail.proof(of: .id(UUID())) == nil)
    }

    @Test func anEntryWithoutASignatureOverItIsNotYetProven() async throws {
        let fixture = try await filled()
        let entry = try fixture.entry("test.late")
        try await fixture.trail.append(entry)
        for _ in 0..<2 {
            do {
                _ = try await fixture.trail.proof(of: .id(entry.id))
                Issue.record("proven without a signature")
            } catch StoreError.notYet {}
            // Its place comes before the signature over it.
            _ = try await fixture.trail.sequence(signer: nil)
        }
    }

    @Test func aLaterLogContinuesAnEarlierOne() async throws {
        let fixture = try await filled()
        #expect(try await size(fixture) == 601)
        for first: UInt64 in [1, 2, 255, 256, 257, 301, 512, 600, 601] {
            let answer = try #require(try await fixture.trail.consistency(from: first, to: nil))
            #expect(answer.proof.proves(answer.firstRoot, in: answer.secondRoot), "\(first)")
            #expect(answer.proof.second == 601 && answer.note != nil)
        }
        let old = try #require(try await fixture.trail.consistency(from: 301, to: 301)?.note)
        let new = try #require(try await fixture.trail.consistency(from: 301, to: 601)?.note)
        let path = try #require(try await fixture.trail.consistency(from: 301, to: 601)).proof.path
        try AuditConsistency.verify(
            path, from: try CheckpointVerifier.open(old, with: [fixture.signer.verifier]), to: try CheckpointVerifier.open(new, with: [fixture.signer.verifier]))
        #expect(try await fixture.trail.consistency(from: 301, to: 602) == nil)
    }

    /// A log that was written before there were nodes gets them.
    @Test func nodesAreWrittenForAnOldLog() async throws {
        let fixture = try await filled()
        try await fixture.asSuperuser("ALTER TABLE audit_nodes DISABLE TRIGGER ALL; DELETE FROM audit_nodes; ALTER TABLE audit_nodes ENABLE TRIGGER ALL")
        await #expect(throws: StoreError.self) { _ = try await fixture.trail.proof(of: .index(3)) }
        _ = try await fixture.trail.sequence(signer: fixture.signer)
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_nodes").last == "2")
        _ = try #require(try await fixture.trail.proof(of: .index(3)))
    }

    @Test func aChangedNodeIsFound() async throws {
        let fixture = try await filled()
        await #expect(throws: (any Error).self) { try await fixture.pool.execute("UPDATE audit_nodes SET hash = sha256('x')") }
        await #expect(throws: (any Error).self) { try await fixture.asSuperuser("DELETE FROM audit_nodes") }
        try await fixture.asSuperuser("ALTER TABLE audit_nodes DISABLE TRIGGER ALL; UPDATE audit_nodes SET hash = sha256('x') WHERE node_index = 1")
        guard case .broken(.nodeDiffers(8, 1)) = try await fixture.trail.verify(keys: [fixture.signer.verifier]) else {
            Issue.record("a changed node was not found")
            return
        }
        // Nor does the service hand out a proof that proves nothing.
        await #expect(throws: StoreError.self) { _ = try await fixture.trail.proof(of: .index(3)) }
    }
}

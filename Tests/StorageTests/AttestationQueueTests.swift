import Storage
import Foundation
import PolicyEngine
import PromotionCore
import Storage
import TestSupport
import Testing

@Suite(.inTurn) struct AttestationQueueTests {
    private func succeeded(_ fixture: StoreFixture) async throws -> Promotion {
        try await fixture.create(try fixture.promotion())
        let leased = try await fixture.claim()
        try await fixture.queue(leased)
        _ = try await fixture.move(leased, from: .queued, to: .copying)
        _ = try await fixture.move(leased, from: .copying, to: .committing)
        return try await fixture.move(leased, from: .committing, to: .succeeded)
    }

    @Test func onePromotionIsForOneCallerUntilItIsDoneOrGivenUp() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try await succeeded(fixture)
        let other = try #require(EnvironmentName(parsing: "elsewhere"))
        #expect(try await fixture.store.dueForAttestation(into: [other], retry: .seconds(60), limit: 9).isEmpty)
        #expect(try await fixture.store.dueForAttestation(into: [promotion.to], retry: .seconds(60), limit: 9).map(\.id) == [promotion.id])
        #expect(try await fixture.store.dueForAttestation(into: [promotion.to], retry: .seconds(60), limit: 9).isEmpty, "somebody has it")
        // Who had it has died.
        #expect(try await fixture.store.dueForAttestation(into: [promotion.to], retry: .zero, limit: 9).map(\.id) == [promotion.id])
        for _ in 0..<2 { try await fixture.store.attested(promotion.id, audit: try fixture.entry("promotion.attested", promotion: promotion)) }
        #expect(try await fixture.store.dueForAttestation(into: [promotion.to], retry: .zero, limit: 9).isEmpty, "it is done")
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_entries WHERE action = 'promotion.attested'").last == "1")
    }
}

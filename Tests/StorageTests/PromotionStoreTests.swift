import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import TestSupport
import Testing

@Suite(.inTurn) struct PromotionStoreTests {
    @Test func whatIsStoredComesBackWhole() async throws {
        let fixture = try await StoreFixture.make()
        let made = try fixture.promotion()
        try await fixture.create(made)
        let found = try #require(try await fixture.store.promotion(made.id))
        #expect(found.digest == made.digest && found.sourceTag == made.sourceTag && found.reason == "because" && found.requestID == made.requestID)
        #expect(found.state == .requested && found.version == 0)
        #expect(abs(found.createdAt.timeIntervalSince(made.createdAt)) < 0.001)
        #expect(try await fixture.store.promotion(PromotionID(UUID())) == nil)
    }

    @Test(arguments: [false, true]) func sixtyFourIdenticalRequestsAreOnePromotion(imageIsKnown: Bool) async throws {
        let fixture = try await StoreFixture.make()
        if imageIsKnown { try await fixture.create(try fixture.promotion(seed: "before")) }
        let before = imageIsKnown ? 1 : 0
        let key = IdempotencyKey(principal: SubjectID(stored: "token:test"), key: "k", fingerprint: Array(repeating: 7, count: 32))
        let ids = try await withThrowingTaskGroup(of: PromotionID.self) { group in
            for index in 0..<64 {
                group.addTask {
                    switch try await fixture.create(try fixture.promotion(), key: index.isMultiple(of: 2) ? key : nil) {
                    case .created(let promotion), .repeated(let promotion): promotion.id
                    }
                }
            }
            return try await group.reduce(into: Set<PromotionID>()) { $0.insert($1) }
        }
        #expect(ids.count == 1)
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM promotions").last == "\(before + 1)")
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_entries WHERE action = 'promotion.requested'").last == "\(before + 1)")
    }

    @Test(arguments: [false, true]) func aNewPromotionHasItsWorkItsEventItsEntryAndItsKey(imageIsKnown: Bool) async throws {
        let fixture = try await StoreFixture.make()
        if imageIsKnown { try await fixture.create(try fixture.promotion(seed: "before")) }
        let made = try fixture.promotion(seed: "after")
        let key = IdempotencyKey(principal: SubjectID(stored: "token:test"), key: "k", fingerprint: Array(repeating: 7, count: 32))
        guard case .created = try await fixture.create(made, key: key) else {
            Issue.record("it was taken for another")
            return
        }
        for table in ["jobs", "outbox", "idempotency_keys"] {
            #expect(try await fixture.asSuperuser("SELECT count(*) FROM \(table) WHERE promotion_id = '\(made.id)'").last == "1", "\(table)")
        }
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM audit_entries WHERE promotion_id = '\(made.id)'").last == "1")
        guard case .repeated(let again) = try await fixture.create(try fixture.promotion(seed: "after"), key: key) else {
            Issue.record("the key was not remembered")
            return
        }
        #expect(again.id == made.id)
    }

    @Test func whereTheEntryCantBeWrittenNothingIsMade() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion(seed: "before"))
        _ = try await fixture.asSuperuser("REVOKE INSERT ON audit_entries FROM shiplift_app")
        await #expect(throws: StoreError.self) { try await fixture.create(try fixture.promotion(seed: "after")) }
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM promotions").last == "1")
        #expect(try await fixture.asSuperuser("SELECT count(*) FROM jobs").last == "1")
    }

    @Test func anotherRequestUnderTheSameKeyIsRefused() async throws {
        let fixture = try await StoreFixture.make()
        func key(_ byte: UInt8, _ principal: String = "token:test") -> IdempotencyKey {
            IdempotencyKey(principal: SubjectID(stored: principal), key: "k", fingerprint: Array(repeating: byte, count: 32))
        }
        try await fixture.create(try fixture.promotion(), key: key(1))
        await #expect(throws: StoreError.idempotencyKeyReused) { try await fixture.create(try fixture.promotion(seed: "b"), key: key(2)) }
        guard case .created = try await fixture.create(try fixture.promotion(seed: "c"), key: key(2, "token:other")) else {
            Issue.record("a key of another caller matched")
            return
        }
    }

    @Test func listsByFilterAndCursorWithoutSharingOrSkipping() async throws {
        let fixture = try await StoreFixture.make()
        for index in 0..<25 { try await fixture.create(try fixture.promotion(index.isMultiple(of: 5) ? "shop/web" : "shop/api", seed: "\(index)")) }
        var filter = PromotionFilter()
        filter.image = try ImageName(parsing: "shop/api")
        var seen: [PromotionID] = []
        var cursor: String?
        repeat {
            let page = try await fixture.store.promotions(filter, cursor: cursor, limit: 7)
            seen += page.items.map(\.id)
            cursor = page.next
            if seen.count == 7 { try await fixture.create(try fixture.promotion(seed: "late")) }
        } while cursor != nil
        #expect(seen.count == 20 && Set(seen).count == 20 && seen == seen.sorted(by: >))
        let first = try await fixture.store.promotions(filter, cursor: nil, limit: 3)
        await #expect(throws: StoreError.invalidCursor) { try await fixture.store.promotions(PromotionFilter(), cursor: first.next, limit: 3) }
        await #expect(throws: StoreError.invalidCursor) { try await fixture.store.promotions(filter, cursor: "x", limit: 3) }
        filter.states = [.failed]
        #expect(try await fixture.store.promotions(filter, cursor: nil, limit: 3).items.isEmpty)
    }

    @Test func theDatabaseRefusesAStateWithoutItsTransition() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion())
        for sql in [
            "UPDATE promotions SET state = 'succeeded', finished_at = now(), version = version + 1",
            "UPDATE promotions SET state = 'evaluating'",
            "UPDATE promotions SET digest = '\\x01' || sha256('other')",
            "INSERT INTO promotion_transitions SELECT id, 1, 'requested', 'succeeded', now(), 'x', gen_random_uuid() FROM promotions",
            "UPDATE promotions SET finished_at = now()",
        ] {
            await #expect(throws: (any Error).self, "\(sql)") { try await fixture.asSuperuser(sql) }
        }
    }

    @Test func cancelAndRetryFollowTheStateMachine() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        try await fixture.create(promotion)
        func cancel() async throws -> Promotion {
            try await fixture.store.cancel(
                promotion.id, audit: try fixture.entry("promotion.cancelled"), whileRunning: try fixture.entry("promotion.cancel-requested"))
        }
        #expect(try await cancel().state == .cancelled)
        await #expect(throws: StoreError.stale(current: .cancelled)) { try await cancel() }
        #expect(try await fixture.queue.depth().available == 0)
        #expect(try await fixture.store.retry(promotion.id, audit: try fixture.entry("promotion.retried")).state == .requested)
        let leased = try await fixture.claim()
        let running = try await cancel()
        #expect(running.state == .requested && running.cancelRequested, "a worker has it: it is asked to stop")
        #expect(try await fixture.queue.renew(leased.lease, for: .seconds(30), progress: nil))
        await #expect(throws: StoreError.stale(current: .requested)) {
            try await fixture.store.retry(promotion.id, audit: try fixture.entry("promotion.retried"))
        }
    }

    @Test func aRetryWhileTheSameIsAliveIsRefused() async throws {
        let fixture = try await StoreFixture.make()
        let first = try fixture.promotion()
        try await fixture.create(first)
        _ = try await fixture.store.cancel(first.id, audit: try fixture.entry("promotion.cancelled"), whileRunning: try fixture.entry("x"))
        let second = try fixture.promotion()
        try await fixture.create(second)
        await #expect(throws: StoreError.alreadyInProgress(second.id)) {
            try await fixture.store.retry(first.id, audit: try fixture.entry("promotion.retried"))
        }
    }
}

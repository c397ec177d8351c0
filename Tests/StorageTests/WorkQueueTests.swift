import OCI
import Foundation
import PromotionCore
import Storage
import TestSupport
import Testing

@Suite(.inTurn) struct WorkQueueTests {
    /// A worker that lost its lease changes nothing, whatever it tries.
    @Test func aZombieWritesNothing() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion())
        let zombie = try await fixture.claim(lease: .milliseconds(50))
        try await Task.sleep(for: .milliseconds(120))
        #expect(try await fixture.queue.rescue() == 1)
        let successor = try await fixture.claim()
        #expect(successor.lease.epoch > zombie.lease.epoch && successor.promotion.id == zombie.promotion.id)
        await #expect(throws: StoreError.leaseLost) { try await fixture.move(zombie, from: .requested, to: .evaluating) }
        await #expect(throws: StoreError.leaseLost) { try await fixture.queue.renew(zombie.lease, for: .seconds(30), progress: nil) }
        await #expect(throws: StoreError.leaseLost) { try await fixture.queue.giveBack(zombie.lease, after: .zero, countsAsFailure: true) }
        #expect(try await fixture.store.promotion(zombie.promotion.id)?.state == .requested)
        #expect(try await fixture.move(successor, from: .requested, to: .evaluating).state == .evaluating)
    }

    /// Also before anybody took the work over: a lease that ended is no lease.
    @Test func anEndedLeaseIsNone() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion())
        let leased = try await fixture.claim(lease: .milliseconds(30))
        try await Task.sleep(for: .milliseconds(80))
        await #expect(throws: StoreError.leaseLost) { try await fixture.move(leased, from: .requested, to: .evaluating) }
        await #expect(throws: StoreError.leaseLost) { try await fixture.queue.renew(leased.lease, for: .seconds(30), progress: nil) }
    }

    @Test func eachItemIsClaimedOnce() async throws {
        let fixture = try await StoreFixture.make()
        for index in 0..<40 { try await fixture.create(try fixture.promotion("shop/i\(index % 7)", seed: "\(index)", tag: "1.0.\(index)")) }
        let claimed = try await withThrowingTaskGroup(of: [PromotionID].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    var mine: [PromotionID] = []
                    for _ in 0..<10 { mine += try await fixture.queue.claim(owner: UUID(), limit: 2, duration: .seconds(30)).map(\.promotion.id) }
                    return mine
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(claimed.count == 40 && Set(claimed).count == 40)
    }

    @Test func oneImageDoesNotStarveAnother() async throws {
        let fixture = try await StoreFixture.make()
        for index in 0..<30 { try await fixture.create(try fixture.promotion("shop/busy", seed: "\(index)", tag: "1.0.\(index)")) }
        _ = try await fixture.claim()
        try await fixture.create(try fixture.promotion("shop/quiet"))
        #expect(try await fixture.claim().promotion.image.description == "shop/quiet")
    }

    @Test func workGivenBackComesAgainAtItsTime() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion())
        let leased = try await fixture.claim()
        try await fixture.queue.giveBack(leased.lease, after: .seconds(3600), countsAsFailure: true)
        #expect(try await fixture.queue.claim(owner: UUID(), limit: 1, duration: .seconds(1)).isEmpty)
        try await fixture.asSuperuser("UPDATE jobs SET run_at = now()")
        #expect(try await fixture.claim().failures == 1)
    }

    /// Same image, environment and tag: one after the other, the older first.
    @Test func oneTagHasOneWriterAtATime() async throws {
        let fixture = try await StoreFixture.make()
        try await fixture.create(try fixture.promotion(seed: "a"))
        let first = try await fixture.claim()
        try await fixture.queue(first)
        try await fixture.create(try fixture.promotion(seed: "b"))
        let second = try await fixture.claim()
        try await fixture.queue(second)
        await #expect(throws: StoreError.targetHeld(by: first.promotion.id)) { try await fixture.move(second, from: .queued, to: .copying) }
        _ = try await fixture.move(first, from: .queued, to: .copying)
        await #expect(throws: StoreError.targetHeld(by: first.promotion.id)) { try await fixture.move(second, from: .queued, to: .copying) }
        _ = try await fixture.move(first, from: .copying, to: .failed)
        #expect(try await fixture.move(second, from: .queued, to: .copying).state == .copying)
        #expect(try await fixture.asSuperuser("SELECT running FROM job_lanes").last == "1", "what ended no longer counts")
    }
}

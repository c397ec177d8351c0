import Foundation
import PromotionCore
import Testing

/// Waiting for something to change.
@Suite(.timeLimit(.minutes(10))) struct DoorbellTests {
    @Test func aRingBeforeTheWaitIsNotLost() async {
        let bell = Doorbell()
        bell.ring()
        bell.ring()
        let began = ContinuousClock.now
        await bell.next(within: .seconds(300))
        #expect(began.duration(to: .now) < .seconds(200))
    }

    /// Wait after wait really waits: a waiter that returns at once would ask the database thousands of times a second.
    @Test func withoutARingEachWaitLastsItsTime() async {
        let bell = Doorbell()
        for _ in 0..<3 {
            let began = ContinuousClock.now
            await bell.next(within: .milliseconds(50))
            #expect(began.duration(to: .now) >= .milliseconds(50))
        }
    }

    @Test func aWaiterIsWokenByItsPromotionAndNoOther() async throws {
        let changes = PromotionChanges()
        let (mine, other) = (PromotionID(UUID()), PromotionID(UUID()))
        await changes.watching(mine) { bell in
            changes.note(other)
            let began = ContinuousClock.now
            await bell.next(within: .milliseconds(50))
            #expect(began.duration(to: .now) >= .milliseconds(50))
            async let woken: Void = bell.next(within: .seconds(300))
            changes.note(mine)
            await woken
            #expect(began.duration(to: .now) < .seconds(200))
        }
    }
}

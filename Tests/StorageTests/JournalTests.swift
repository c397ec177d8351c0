import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import Synchronization
import TestSupport
import Testing

/// What happened to promotions, as listeners hear it, and pages that stay right while the list grows.
@Suite(.inTurn) struct JournalTests {
    /// Hears all events of a promotion up to `count`, or to its end.
    private func hear(_ id: PromotionID, after place: PromotionEventID?, _ fixture: StoreFixture, atMost count: Int = .max) async throws -> [String] {
        struct Enough: Error {}
        let heard = Mutex<[String]>([])
        do {
            try await PromotionEvents(journal: fixture.store, changes: PromotionChanges()).follow(id, after: place) { event in
                let number = heard.withLock { heard in
                    switch event {
                    case .state(let id, let move): heard.append("\(id) \(move.to.rawValue)")
                    case .decision(let id, _, let decision): heard.append("\(id) decision \(decision.outcome.rawValue)")
                    case .progress, .stillThere: break
                    }
                    return heard.count
                }
                if number >= count { throw Enough() }
            }
        } catch is Enough {}
        return heard.withLock { $0 }
    }

    @Test func aListenerGoesOnAnywhereWithoutLossOrDoubling() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        try await fixture.create(promotion)
        let leased = try await fixture.claim()
        try await fixture.queue(leased)
        for (from, to) in [(PromotionState.queued, PromotionState.copying), (.copying, .committing), (.committing, .succeeded)] {
            _ = try await fixture.move(leased, from: from, to: to)
        }
        let all = try await hear(promotion.id, after: nil, fixture)
        #expect(
            all == ["1 requested", "3 evaluating", "4 decision allow", "5 queued", "7 copying", "9 committing", "11 succeeded"])
        // Cut off after each event, and taken up by another listener with nothing but the id.
        for heard in 1..<all.count {
            let first = try await hear(promotion.id, after: nil, fixture, atMost: heard)
            let place = try #require(first.last?.split(separator: " ").first.flatMap { PromotionEventID(parsing: String($0)) })
            #expect(try await first + hear(promotion.id, after: place, fixture) == all)
        }
        let ended = try #require(try await fixture.store.promotion(promotion.id))
        let events = PromotionEvents(journal: fixture.store, changes: PromotionChanges())
        #expect(try events.isHeardOut(ended, after: PromotionEventID(parsing: "11")))
        #expect(try !events.isHeardOut(ended, after: PromotionEventID(parsing: "9")))
        #expect(throws: StoreError.invalidCursor) { try events.isHeardOut(ended, after: PromotionEventID(parsing: "12")) }
    }

    /// Two lists of changes on one database are two replicas: what one does wakes who waits at the other.
    @Test(.timeLimit(.minutes(1))) func waitersHearOfOtherReplicas() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        try await fixture.create(promotion)
        let here = PromotionChanges()
        let waiter = Task {
            try await here.watching(promotion.id) { bell in
                while try await fixture.store.promotion(promotion.id)?.state != .cancelled { await bell.next(within: .seconds(50)) }
            }
        }
        try await here.look(into: fixture.store)
        _ = try await fixture.store.cancel(promotion.id, audit: try fixture.entry("promotion.cancelled"), whileRunning: try fixture.entry("x"))
        try await eventually("the waiter to be woken", within: .seconds(10)) {
            try await here.look(into: fixture.store)
            return try await fixture.store.moves(of: promotion.id, after: 0, limit: 10).count == 1
        }
        try await here.look(into: fixture.store)
        try await waiter.value
    }

    @Test func onlyTheVersionThatIsMeantIsChanged() async throws {
        let fixture = try await StoreFixture.make()
        let promotion = try fixture.promotion()
        try await fixture.create(promotion)
        let (audit, wish) = (try fixture.entry("promotion.cancelled"), try fixture.entry("x"))
        await #expect(throws: StoreError.changed(version: 0)) {
            try await fixture.store.cancel(promotion.id, ifVersion: [1, 2], audit: audit, whileRunning: wish)
        }
        #expect(try await fixture.store.cancel(promotion.id, ifVersion: [0], audit: audit, whileRunning: wish).version == 1)
        await #expect(throws: StoreError.changed(version: 1)) {
            try await fixture.store.retry(promotion.id, ifVersion: [], audit: try fixture.entry("promotion.retried"))
        }
        #expect(try await fixture.store.retry(promotion.id, ifVersion: [1], audit: try fixture.entry("promotion.retried")).version == 2)
    }

    /// Read page by page while others write: what was there at the beginning comes once each, in order, whatever the pages' size.
    @Test(arguments: [1, 2, 3, 7]) func pagesStayRightWhileTheListGrows(_ limit: Int) async throws {
        let fixture = try await StoreFixture.make()
        var before: [PromotionID] = []
        for index in 0..<20 {
            let promotion = try fixture.promotion(seed: "before-\(index)", tag: "1.0.\(index)")
            try await fixture.create(promotion)
            before.append(promotion.id)
        }
        var (read, cursor, added) = ([PromotionID](), String?.none, 0)
        repeat {
            let page = try await fixture.store.promotions(PromotionFilter(), cursor: cursor, limit: limit)
            #expect(page.items.count <= limit)
            read += page.items.map(\.id)
            cursor = page.next
            for _ in 0..<Int.random(in: 0...3) {
                added += 1
                try await fixture.create(try fixture.promotion(seed: "added-\(limit)-\(added)", tag: "2.0.\(added)"))
            }
        } while cursor != nil
        #expect(read == before.sorted().reversed())
        // A cursor of one question is none of another's.
        let page = try await fixture.store.promotions(PromotionFilter(), cursor: nil, limit: 1)
        var other = PromotionFilter()
        other.states = [.failed]
        await #expect(throws: StoreError.invalidCursor) { try await fixture.store.promotions(other, cursor: page.next, limit: 1) }
    }
}

import Synchronization
import TestSupport
import Testing

@testable import Registry

/// The bound on requests under way to one registry.
@Suite(.timeLimit(.minutes(1))) struct ConcurrencyLimiterTests {
    /// Counts who is inside at once.
    private final class Gauge: Sendable {
        private let state = Mutex((now: 0, peak: 0))
        var peak: Int { state.withLock { $0.peak } }
        func enter() {
            state.withLock {
                $0.now += 1
                $0.peak = max($0.peak, $0.now)
            }
        }
        func leave() { state.withLock { $0.now -= 1 } }
    }

    private func peak(of limiter: ConcurrencyLimiter, runs: Int = 50) async -> Int {
        let gauge = Gauge()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<runs {
                group.addTask {
                    await limiter.run {
                        gauge.enter()
                        for _ in 0..<20 { await Task.yield() }
                        gauge.leave()
                    }
                }
            }
        }
        return gauge.peak
    }

    @Test func letsNoMoreInThanItsLimit() async {
        #expect(await peak(of: ConcurrencyLimiter(limit: 3)) == 3)
    }

    @Test func halvesWhenToldThatItIsTooMuch() async {
        let limiter = ConcurrencyLimiter(limit: 8)
        await limiter.answered(overloaded: true)
        #expect(await peak(of: limiter) == 4)
        for _ in 0..<10 { await limiter.answered(overloaded: true) }
        #expect(await peak(of: limiter) == 1)
    }

    @Test func growsByOneAfterTwentyCleanAnswersUpToItsCeiling() async {
        let limiter = ConcurrencyLimiter(limit: 4)
        await limiter.answered(overloaded: true)
        for _ in 0..<19 { await limiter.answered(overloaded: false) }
        #expect(await peak(of: limiter) == 2)
        await limiter.answered(overloaded: false)
        #expect(await peak(of: limiter) == 3)
        for _ in 0..<200 { await limiter.answered(overloaded: false) }
        #expect(await peak(of: limiter) == 4)
    }

    @Test func servesInTheOrderOfArrivalAndGrowingLetsWaitersIn() async throws {
        let limiter = ConcurrencyLimiter(limit: 2)
        await limiter.answered(overloaded: true)
        let (events, report) = AsyncStream.makeStream(of: Int.self)
        let (hold, letGo) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await limiter.run {
                    report.yield(0)
                    for await _ in hold { return }
                }
            }
            var order = events.makeAsyncIterator()
            #expect(await order.next() == 0)
            for number in 1...3 {
                group.addTask { _ = await limiter.run { report.yield(number) } }
                try await eventually("waiter \(number)") { await limiter.waitingCount == number }
            }
            for _ in 0..<20 { await limiter.answered(overloaded: false) }
            for number in 1...3 { #expect(await order.next() == number) }
            letGo.finish()
        }
    }

    @Test func aCancelledWaiterLeavesTheQueue() async throws {
        let limiter = ConcurrencyLimiter(limit: 1)
        let (hold, letGo) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                await limiter.run { for await _ in hold { return } }
            }
            try await eventually("a runner") { await limiter.runningCount == 1 }
            try await withThrowingTaskGroup(of: Bool.self) { waiting in
                waiting.addTask { await limiter.run { true } ?? false }
                try await eventually("a waiter") { await limiter.waitingCount == 1 }
                waiting.cancelAll()
                let answer = try await waiting.next()
                #expect(answer == false)
            }
            letGo.finish()
        }
        #expect(await limiter.run { true } == true)
    }

    @Test func whoStandsInTheQueueKeepsTheSilenceToo() async throws {
        let limiter = ConcurrencyLimiter(limit: 1)
        let (hold, letGo) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: ContinuousClock.Instant?.self) { group in
            group.addTask {
                await limiter.run {
                    for await _ in hold {}
                    return .now
                }
            }
            try await eventually("a runner") { await limiter.runningCount == 1 }
            for number in 1...3 {
                group.addTask { await limiter.run { .now } }
                try await eventually("waiter \(number)") { await limiter.waitingCount == number }
            }
            let asked = ContinuousClock.now
            await limiter.answered(overloaded: true, retryAfter: 1)
            letGo.finish()
            _ = try await group.next()
            while let began = try await group.next() { #expect(began.map { asked.duration(to: $0) >= .seconds(1) } == true) }
        }
    }

    @Test func whoIsCancelledInTheSilenceGivesThePlaceBack() async throws {
        let limiter = ConcurrencyLimiter(limit: 1)
        await limiter.answered(overloaded: true, retryAfter: 5)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { await limiter.run { true } ?? false }
            try await eventually("one who waits") { await limiter.runningCount == 1 }
            group.cancelAll()
            #expect(try await group.next() == false)
        }
        #expect(await limiter.runningCount == 0)
    }

    @Test(arguments: [(-5.0, 0.0), (0, 0), (3, 3), (1e9, 10)]) func noSilenceIsLongerThanTenSecondsOrEndsBeforeItBegan(asked: Double, most: Double) async {
        let limiter = ConcurrencyLimiter(limit: 1)
        await limiter.answered(overloaded: true, retryAfter: asked)
        let rest = await limiter.silence.map { ContinuousClock.now.duration(to: $0) } ?? .zero
        #expect(rest <= .seconds(most))
        #expect(rest >= .seconds(most - 1))
        // A shorter one that is asked for later does not end it.
        await limiter.answered(overloaded: true, retryAfter: 0)
        #expect(await (limiter.silence != nil) == (most > 0))
    }
}

extension ConcurrencyLimiter {
    var waitingCount: Int { waiters.count }
    var runningCount: Int { running }
}

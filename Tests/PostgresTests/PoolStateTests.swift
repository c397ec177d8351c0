import Testing

@testable import Postgres

@Suite struct PoolStateTests {
    private typealias State = PoolState<Int, Int>

    @Test func connectionsAreMadeUpToTheLimitThenWaitersQueueInOrder() {
        var state = State(limit: 2)
        #expect(state.acquire(1) == .connect)
        #expect(state.acquire(2) == .connect)
        #expect(state.acquire(3) == .wait)
        #expect(state.acquire(4) == .wait)
        #expect(state.giveBack(10, isUsable: true) == .hand(10, to: 3))
        #expect(state.giveBack(10, isUsable: true) == .hand(10, to: 4))
        #expect(state.giveBack(10, isUsable: true) == .none)
        #expect(state.acquire(5) == .lease(10))
        #expect(state.count == 2)
    }

    @Test func aBrokenConnectionIsReplacedForTheFirstWaiter() {
        var state = State(limit: 1)
        #expect(state.acquire(1) == .connect)
        #expect(state.acquire(2) == .wait)
        #expect(state.acquire(3) == .wait)
        #expect(state.giveBack(10, isUsable: false) == .connect(for: 2))
        // That failed: the place goes on to the next, and at last back to the pool.
        #expect(state.connectFailed() == 3)
        #expect(state.connectFailed() == nil)
        #expect(state.count == 0)
        #expect(state.acquire(4) == .connect)
        #expect(state.giveBack(11, isUsable: false) == .close(11))
        #expect(state.count == 0)
    }

    @Test func whoGivesUpIsPassedOver() {
        var state = State(limit: 1)
        #expect(state.acquire(1) == .connect)
        #expect(state.acquire(2) == .wait)
        #expect(state.acquire(3) == .wait)
        #expect(state.abandon(2) == true)
        #expect(state.abandon(2) == false)
        #expect(state.giveBack(10, isUsable: true) == .hand(10, to: 3))
        #expect(state.abandon(3) == false)
    }

    @Test func aClosedPoolTurnsAwayAndTakesBack() {
        var state = State(limit: 2)
        #expect(state.acquire(1) == .connect)
        #expect(state.acquire(2) == .connect)
        #expect(state.acquire(3) == .wait)
        let (connections, waiters) = state.close()
        #expect(connections.isEmpty && waiters == [3])
        #expect(state.acquire(4) == .closed)
        #expect(state.giveBack(10, isUsable: true) == .close(10))
        #expect(state.connectFailed() == nil)
        #expect(state.count == 0)
    }

    /// Walks at random and keeps its own books: nobody is forgotten, nothing is lent twice, the limit holds.
    @Test(arguments: 0..<20) func randomWalksKeepTheBooks(_ seed: UInt64) {
        var random = SplitMix(state: seed)
        let limit = Int.random(in: 1...4, using: &random)
        var state = State(limit: limit)
        var (connecting, lent, queue, idle): (Int, Set<Int>, [Int], [Int]) = (0, [], [], [])
        var (nextConnection, nextWaiter) = (0, 0)
        for _ in 0..<2_000 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0, 1:
                nextWaiter += 1
                switch state.acquire(nextWaiter) {
                case .lease(let connection):
                    #expect(queue.isEmpty && idle.contains(connection) && lent.insert(connection).inserted)
                    idle.removeAll { $0 == connection }
                case .connect:
                    #expect(idle.isEmpty && queue.isEmpty)
                    connecting += 1
                case .wait:
                    #expect(idle.isEmpty && lent.count + connecting == limit)
                    queue.append(nextWaiter)
                case .closed: Issue.record("nobody closed it")
                }
            case 2 where connecting > 0:
                connecting -= 1
                if Bool.random(using: &random) {
                    nextConnection += 1
                    lent.insert(nextConnection)
                } else if let waiter = state.connectFailed() {
                    #expect(waiter == queue.removeFirst())
                    connecting += 1
                } else {
                    #expect(queue.isEmpty)
                }
            case 3:
                guard let connection = lent.randomElement(using: &random) else { continue }
                lent.remove(connection)
                let isUsable = Int.random(in: 0..<4, using: &random) > 0
                switch state.giveBack(connection, isUsable: isUsable) {
                case .none:
                    #expect(isUsable && queue.isEmpty)
                    idle.append(connection)
                case .hand(let handed, let waiter):
                    #expect(isUsable && handed == connection && waiter == queue.removeFirst())
                    lent.insert(handed)
                case .connect(let waiter):
                    #expect(!isUsable && waiter == queue.removeFirst())
                    connecting += 1
                case .close(let closed): #expect(!isUsable && closed == connection && queue.isEmpty)
                }
            default:
                guard let waiter = queue.randomElement(using: &random) else { continue }
                #expect(state.abandon(waiter) == true)
                queue.removeAll { $0 == waiter }
            }
            #expect(state.count == connecting + lent.count + idle.count && state.count <= limit)
        }
    }
}

/// A small seeded generator (Steele, Lea and Flood, 2014).
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite struct PreparedStatementsTests {
    private func key(_ text: String, _ types: [UInt32] = []) -> PreparedStatements.Key { PreparedStatements.Key(text: text, types: types) }

    @Test func theLeastRecentlyUsedMakesRoom() {
        var statements = PreparedStatements(limit: 2)
        statements.insert(key("a"), name: "s1")
        statements.insert(key("b"), name: "s2")
        #expect(statements.name(of: key("a")) == "s1")
        #expect(statements.name(of: key("a", [20])) == nil)
        statements.insert(key("c"), name: "s3")
        #expect(statements.name(of: key("b")) == nil)
        #expect(statements.name(of: key("a")) == "s1" && statements.name(of: key("c")) == "s3")
        #expect(statements.takeAbandoned() == ["s2"])
        #expect(statements.takeAbandoned().isEmpty)
    }

    @Test func whatTheServerForgotIsNotDeallocated() {
        var statements = PreparedStatements(limit: 2)
        statements.insert(key("a"), name: "s1")
        statements.forget(key("a"), serverKnowsIt: false)
        #expect(statements.name(of: key("a")) == nil && statements.abandoned.isEmpty)
    }
}

import PromotionCore
import Synchronization

/// The promotions that a worker has in hand.
final class RunningSet: Sendable {
    private struct State {
        var interruptions: [Int64: Interruption] = [:]
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.interruptions.count } }

    func insert(_ job: Int64, _ interruption: Interruption) { state.withLock { $0.interruptions[job] = interruption } }

    func remove(_ job: Int64) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.interruptions[job] = nil
            guard state.interruptions.isEmpty else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func interruptAll(_ reason: Interruption.Reason) {
        for interruption in state.withLock({ Array($0.interruptions.values) }) { interruption.interrupt(reason) }
    }

    func waitUntilEmpty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.interruptions.isEmpty { return true }
                state.waiter = continuation
                return false
            }
            if isEmpty { continuation.resume() }
        }
    }
}

/// Wakes the claiming loop: somebody rang, work ended, or a stop was asked for.
final class Calls: Sendable {
    private struct State {
        var hasRung = false
        var isStopping = false
        var waiter: CheckedContinuation<Void, Never>?
        var stopWaiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    var isStopping: Bool { state.withLock { $0.isStopping } }

    func ring() {
        let waiter = state.withLock { state in
            state.hasRung = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func stop() {
        let waiter = state.withLock { state in
            state.isStopping = true
            defer { state.stopWaiter = nil }
            return state.stopWaiter
        }
        waiter?.resume()
        ring()
    }

    func waitUntilStopping() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isStopping || Task.isCancelled { return true }
                    state.stopWaiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.stopWaiter = nil }
                return state.stopWaiter
            }?.resume()
        }
    }

    /// Returns at the next ring, or after `time`.
    func next(within time: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForRing() }
            group.addTask {
                // Cancelled when the ring came first.
                do { try await Task.sleep(for: time) } catch {}
            }
            await group.next()
            group.cancelAll()
        }
        state.withLock { $0.hasRung = false }
    }

    private func waitForRing() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.hasRung || Task.isCancelled { return true }
                    state.waiter = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { state in
                defer { state.waiter = nil }
                return state.waiter
            }?.resume()
        }
    }
}

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
        var isStopping = false
        var stopWaiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())
    private let bell = Doorbell()

    var isStopping: Bool { state.withLock { $0.isStopping } }

    func ring() { bell.ring() }

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
    func next(within time: Duration) async { await bell.next(within: time) }
}

import Synchronization

/// A way to stop one run of a promotion from outside, once, with a reason.
///
/// The run's own bookkeeping (writing the state, giving work back) goes on: only the work in between is cancelled.
public final class Interruption: Sendable {
    public enum Reason: Sendable, Hashable {
        /// Somebody asked to cancel the promotion.
        case cancelRequested
        /// The process stops.
        case shutdown
        /// The lease could not be renewed: nothing more may be written.
        case leaseLost
    }

    private struct State {
        var reason: Reason?
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// Why the run must stop; `nil` while it may go on.
    public var reason: Reason? { state.withLock { $0.reason } }

    /// Stops the run. The first reason stays, except that a lost lease outranks the others.
    public func interrupt(_ reason: Reason) {
        let waiters = state.withLock { state in
            if state.reason == nil || reason == .leaseLost { state.reason = reason }
            defer { state.waiters = [:] }
            return state.waiters
        }
        for waiter in waiters.values { waiter.resume() }
    }

    /// Returns when the run is interrupted or the calling task is cancelled.
    func wait() async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let alreadyOver = state.withLock { state in
                    guard state.reason == nil, !Task.isCancelled else { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if alreadyOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }

    /// Runs `body`; on interruption cancels it, waits for it to end, and throws `CancellationError`.
    func guarding<T: Sendable>(_ body: @escaping @Sendable () async throws -> T) async throws -> T {
        if reason != nil { throw CancellationError() }
        return try await withThrowingTaskGroup(of: T?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                await self.wait()
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else { throw CancellationError() }
            return result
        }
    }
}

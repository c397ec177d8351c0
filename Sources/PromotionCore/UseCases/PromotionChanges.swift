import Synchronization

/// Tells whoever waits for a promotion that it has changed, within this process. A hint: what another replica does is found by looking.
public final class PromotionChanges: Sendable {
    private struct State {
        var waiters: [PromotionID: [Int: AsyncStream<Void>.Continuation]] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// A promotion has changed.
    public func note(_ id: PromotionID) {
        for waiter in state.withLock({ Array($0.waiters[id, default: [:]].values) }) { waiter.yield() }
    }

    /// Calls `body` with the changes from now on: subscribe first, then look, then wait.
    public func watching<T>(_ id: PromotionID, _ body: (Watch) async throws -> T) async rethrows -> T {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let key = state.withLock { state in
            state.next += 1
            state.waiters[id, default: [:]][state.next] = continuation
            return state.next
        }
        defer {
            continuation.finish()
            state.withLock { state in
                state.waiters[id]?[key] = nil
                if state.waiters[id]?.isEmpty == true { state.waiters[id] = nil }
            }
        }
        return try await body(Watch(stream: stream))
    }

    /// The changes of one promotion.
    public struct Watch: Sendable {
        fileprivate let stream: AsyncStream<Void>

        /// Returns at the next change, or after `time`.
        public func next(within time: Duration) async {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in stream { return } }
                group.addTask {
                    // Cancelled when the change came first.
                    do { try await Task.sleep(for: time) } catch {}
                }
                await group.next()
                group.cancelAll()
            }
        }
    }
}

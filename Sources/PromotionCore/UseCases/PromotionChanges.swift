import Synchronization

/// Tells whoever waits for a promotion that it has come to its end, within this process. A hint: what another replica does is found by looking.
public final class PromotionChanges: Sendable {
    private struct State {
        var bells: [PromotionID: [Int: Doorbell]] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    public init() {}

    /// A promotion has come to its end.
    public func note(_ id: PromotionID) {
        for bell in state.withLock({ Array($0.bells[id, default: [:]].values) }) { bell.ring() }
    }

    /// Calls `body` with a bell that rings at the promotion's end, if it is not there yet: first it is hung, then one looks, then waits.
    public func watching<T>(_ id: PromotionID, _ body: (Doorbell) async throws -> T) async rethrows -> T {
        let bell = Doorbell()
        let key = state.withLock { state in
            state.next += 1
            state.bells[id, default: [:]][state.next] = bell
            return state.next
        }
        defer {
            state.withLock { state in
                state.bells[id]?[key] = nil
                if state.bells[id]?.isEmpty == true { state.bells[id] = nil }
            }
        }
        return try await body(bell)
    }
}

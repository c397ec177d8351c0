import Synchronization

/// Tells whoever waits for a promotion that something about it has changed: at once what this process did, within a look what other replicas did.
///
/// One look at the database serves all that wait: nobody holds a connection or a thread meanwhile.
public final class PromotionChanges: Sendable {
    private struct Watched {
        var bells: [Int: Doorbell] = [:]
        /// What was seen at the last look; `nil` before the first.
        var version: Int?
        var progress: CopyProgress?
        var progressRang: ContinuousClock.Instant?

        /// Answers the bells to ring: at the first look too, since something may have changed between the waiter's own look and it.
        mutating func take(_ standing: PromotionStanding) -> [Int: Doorbell]? {
            let hasChanged = version != standing.version || (standing.progress != nil && standing.progress != progress)
            // What this process knows of its own work is newer than what it has written down.
            if let stored = standing.progress, progress.map({ $0.bytesDone < stored.bytesDone }) ?? true { progress = stored }
            version = standing.version
            return hasChanged ? bells : nil
        }
    }

    private struct State {
        var watched: [PromotionID: Watched] = [:]
        var next = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    public init() {}

    /// Whether the process is about to end: nobody should go on waiting.
    public var isClosed: Bool { state.withLock { $0.isClosed } }

    /// A promotion's state has changed.
    public func note(_ id: PromotionID) { ring(state.withLock { $0.watched[id]?.bells }) }

    /// How far the copying is, as often as one likes: listeners are called a few times a second.
    public func note(_ id: PromotionID, _ progress: CopyProgress) {
        ring(
            state.withLock { state in
                guard var watched = state.watched[id], watched.progress != progress else { return nil }
                watched.progress = progress
                let now = ContinuousClock.now
                let isDue = watched.progressRang.map { $0.duration(to: now) > .milliseconds(250) } ?? true
                if isDue { watched.progressRang = now }
                state.watched[id] = watched
                return isDue ? watched.bells : nil
            })
    }

    /// The last word of how far a watched promotion is.
    func progress(of id: PromotionID) -> CopyProgress? { state.withLock { $0.watched[id]?.progress } }

    /// The bell that hangs at a promotion while `body` runs: first it is hung, then one looks, then waits.
    public func watching<T>(_ id: PromotionID, _ body: (Doorbell) async throws -> T) async rethrows -> T {
        let bell = Doorbell()
        let key = state.withLock { state in
            state.next += 1
            state.watched[id, default: Watched()].bells[state.next] = bell
            return state.next
        }
        defer {
            state.withLock { state in
                state.watched[id]?.bells[key] = nil
                if state.watched[id]?.bells.isEmpty == true { state.watched[id] = nil }
            }
        }
        return try await body(bell)
    }

    /// Looks once for all that are waited for, and rings where something has changed since the last look.
    public func look(into journal: any PromotionJournal) async throws(StoreError) {
        let ids = state.withLock { Array($0.watched.keys) }
        for start in stride(from: 0, to: ids.count, by: 1_000) {
            let standings = try await journal.standings(of: Array(ids[start..<min(start + 1_000, ids.count)]))
            for standing in standings { ring(state.withLock { $0.watched[standing.id]?.take(standing) }) }
        }
    }

    /// Calls everybody who waits, for the last time.
    public func close() {
        let bells = state.withLock { state in
            state.isClosed = true
            return state.watched.values.flatMap(\.bells.values)
        }
        for bell in bells { bell.ring() }
    }

    private func ring(_ bells: [Int: Doorbell]?) {
        for bell in (bells ?? [:]).values { bell.ring() }
    }
}

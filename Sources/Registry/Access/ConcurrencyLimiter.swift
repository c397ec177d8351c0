/// Bounds what is under way at once: first come, first served, and fewer when a registry says that it is too much.
///
/// Additive increase, multiplicative decrease: one more after 20 clean answers, half after a 429 or 503. A registry that says how long
/// it wants to be left alone is left alone by everybody for so long.
public actor ConcurrencyLimiter {
    private let ceiling: Int
    private var limit: Int
    private(set) var running = 0
    private var clean = 0
    private(set) var waiters: [(id: Int, continuation: CheckedContinuation<Bool, Never>)] = []
    private var nextID = 0
    private var quietUntil = ContinuousClock.now
    /// A longer silence is a job's business: it gives its place back and comes again. Seconds.
    static let longestSilence = 10.0

    public init(limit: Int) {
        ceiling = max(1, limit)
        self.limit = max(1, limit)
    }

    /// Runs `body` when there is a place; `nil` where the task was cancelled while waiting.
    public nonisolated func run<T: Sendable>(_ body: () async -> T) async -> T? {
        guard await acquire() else { return nil }
        // With the place in hand: who stood in the queue when the registry asked to be left alone leaves it alone as well.
        guard await keepSilence() else {
            await release()
            return nil
        }
        let result = await body()
        await release()
        return result
    }

    /// Waits until the registry may be asked again; `false` where the task was cancelled meanwhile.
    nonisolated func keepSilence() async -> Bool {
        while let end = await silence {
            do { try await Task.sleep(until: end) } catch { return false }
        }
        return true
    }

    /// Until when the registry is left alone; `nil` where it is not.
    var silence: ContinuousClock.Instant? { quietUntil > .now ? quietUntil : nil }

    /// How many may be under way now.
    var allowance: Int { limit }

    /// - Parameter retryAfter: seconds that the registry asked to be left alone.
    func answered(overloaded: Bool, retryAfter: Double? = nil) {
        if overloaded {
            if let retryAfter { quietUntil = max(quietUntil, .now + .seconds(min(retryAfter, Self.longestSilence))) }
            limit = max(1, limit / 2)
            clean = 0
        } else {
            clean += 1
            if clean >= 20, limit < ceiling {
                limit += 1
                clean = 0
                admit()
            }
        }
    }

    private func acquire() async -> Bool {
        if Task.isCancelled { return false }
        if running < limit {
            running += 1
            return true
        }
        nextID += 1
        let id = nextID
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiters.append((id, $0)) }
        } onCancel: {
            // The only way from a synchronous handler to the actor; it ends at once.
            Task { await self.abandon(id) }
        }
    }

    private func abandon(_ id: Int) {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return }
        waiters.remove(at: index).continuation.resume(returning: false)
    }

    private func release() {
        running -= 1
        admit()
    }

    /// Nobody overtakes: whoever comes finds a free place only where nobody waits.
    private func admit() {
        while running < limit, !waiters.isEmpty {
            running += 1
            waiters.removeFirst().continuation.resume(returning: true)
        }
    }
}

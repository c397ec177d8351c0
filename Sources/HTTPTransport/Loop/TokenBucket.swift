/// What all transfers of one bandwidth limit may move together. Loop thread only.
///
/// A piece may be larger than what is left: the bucket then owes it, and nobody moves until the debt is paid. So the rate holds over
/// time however large the pieces are.
final class TokenBucket {
    /// Bytes a second.
    private var rate: Double
    private var tokens: Double
    private var filledAt = ContinuousClock.now
    private var waiting: [Transfer] = []

    /// So long, in seconds, an idle bucket saves up.
    private static let burst = 0.1

    init(bytesPerSecond: Int) {
        rate = Double(max(1, bytesPerSecond))
        tokens = rate * Self.burst
    }

    func setRate(_ bytesPerSecond: Int) { rate = Double(max(1, bytesPerSecond)) }

    /// Whether a piece may move now.
    var isOpen: Bool {
        fill(.now)
        return tokens > 0
    }

    func take(_ bytes: Int) { tokens -= Double(bytes) }

    /// A held transfer that is to go on when there is something to move.
    func wait(_ transfer: Transfer) {
        if !waiting.contains(where: { $0 === transfer }) { waiting.append(transfer) }
    }

    func withdraw(_ transfer: Transfer) { waiting.removeAll { $0 === transfer } }

    /// Lets those go on for whom there is something, the longest waiting first.
    func release() {
        guard !waiting.isEmpty, isOpen else { return }
        var rest = waiting[...]
        waiting = []
        // Whoever goes on may move at once, and wait again behind the others.
        while tokens > 0, let next = rest.popFirst() { next.endThrottle() }
        waiting = rest + waiting
    }

    /// Milliseconds until somebody may go on; nil when nobody waits.
    var pause: Int? {
        guard !waiting.isEmpty else { return nil }
        return tokens > 0 ? 1 : Int(min(1_000, -tokens / rate * 1_000)) + 1
    }

    private func fill(_ now: ContinuousClock.Instant) {
        tokens = min(rate * Self.burst, tokens + rate * (filledAt.duration(to: now) / .seconds(1)))
        filledAt = now
    }
}

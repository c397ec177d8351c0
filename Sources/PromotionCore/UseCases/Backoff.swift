/// How long to wait before work that failed is tried again: exponential, with full jitter.
public struct Backoff: Sendable {
    /// Attempts before a promotion fails for good.
    public let maximumAttempts: Int
    public let base: Duration
    public let cap: Duration
    private let random: @Sendable () -> Double

    /// - Parameter random: a number in 0..<1.
    public init(
        maximumAttempts: Int = 5, base: Duration = .seconds(1), cap: Duration = .seconds(300),
        random: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
    ) {
        self.maximumAttempts = maximumAttempts
        self.base = base
        self.cap = cap
        self.random = random
    }

    /// The pause after so many failures; never shorter than what the registry asked for (seconds), never longer than the cap.
    public func delay(afterFailures failures: Int, atLeast asked: Double?) -> Duration {
        let exponent = max(0, min(failures - 1, 20))
        let ceiling = min(cap, base * (1 << exponent))
        let jittered = ceiling * random()
        let floor = Duration.seconds(min(max(asked ?? 0, 0), 3600))
        return max(jittered, floor)
    }
}

extension CopyReport {
    /// Two reports about the same targets as one.
    public func adding(_ other: CopyReport) -> CopyReport {
        var sum = self
        sum.decisionRequests.merge(other.decisionRequests, uniquingKeysWith: +)
        sum.sourceRequests.merge(other.sourceRequests, uniquingKeysWith: +)
        sum.sourceBytes += other.sourceBytes
        sum.seconds += other.seconds
        sum.referrers = other.referrers ?? sum.referrers
        sum.remarks = other.remarks ?? sum.remarks
        for tally in other.targets {
            if let index = sum.targets.firstIndex(where: { $0.registry == tally.registry && $0.repository == tally.repository }) {
                sum.targets[index].add(tally)
            } else {
                sum.targets.append(tally)
            }
        }
        return sum
    }
}

extension RegistryTally {
    mutating func add(_ other: RegistryTally) {
        present = present + other.present
        mounted = mounted + other.mounted
        copied = copied + other.copied
        manifests += other.manifests
        requests.merge(other.requests, uniquingKeysWith: +)
    }
}

public import Foundation
import HTTPTransport
import Metrics
import Synchronization

/// What a registry says of how much may still be asked of it (Docker Hub: `RateLimit-Limit: 100;w=21600`).
public struct RateLimitNotice: Sendable, Hashable, Codable {
    /// Requests within the window.
    public let limit: Int
    /// How many of them are left.
    public let remaining: Int?
    /// Seconds; `nil` where it is not said.
    public let windowSeconds: Int?
    public let seenAt: Date

    public init(limit: Int, remaining: Int?, windowSeconds: Int?, seenAt: Date) {
        self.limit = limit
        self.remaining = remaining
        self.windowSeconds = windowSeconds
        self.seenAt = seenAt
    }

    init?(_ fields: HTTPFields, now: Date) {
        guard let limit = fields["RateLimit-Limit"].flatMap(Self.quota) else { return nil }
        let remaining = fields["RateLimit-Remaining"].flatMap(Self.quota)
        self.init(limit: limit.count, remaining: remaining?.count, windowSeconds: limit.window ?? remaining?.window, seenAt: now)
    }

    /// `100;w=21600`: a number of requests, and the window it is for.
    private static func quota(_ text: String) -> (count: Int, window: Int?)? {
        let parts = text.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        guard let count = parts.first.flatMap(number) else { return nil }
        let window = parts.dropFirst().first { $0.lowercased().hasPrefix("w=") }.flatMap { number(String($0.dropFirst(2))) }
        return (count, window)
    }

    private static func number(_ text: String) -> Int? { !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil }
}

/// Counts what passes between us and one registry, and keeps what it says about its limits.
final class RegistryTraffic: Sendable {
    private let statuses: [Counter]
    private let failures: Counter
    private let throttled: Counter
    private let bytesIn: Counter
    private let bytesOut: Counter
    private let inFlight: Meter
    private let duration: Metrics.Timer
    private let notice = Mutex<RateLimitNotice?>(nil)

    init(registry: String) {
        let label = [("registry", registry)]
        statuses = ["2xx", "3xx", "4xx", "5xx"].map { Counter(label: "shiplift_registry_requests_total", dimensions: label + [("status", $0)]) }
        failures = Counter(label: "shiplift_registry_errors_total", dimensions: label)
        throttled = Counter(label: "shiplift_registry_throttled_total", dimensions: label)
        bytesIn = Counter(label: "shiplift_registry_bytes_total", dimensions: label + [("direction", "in")])
        bytesOut = Counter(label: "shiplift_registry_bytes_total", dimensions: label + [("direction", "out")])
        inFlight = Meter(label: "shiplift_registry_requests_in_flight", dimensions: label)
        duration = Metrics.Timer(label: "shiplift_registry_request_seconds", dimensions: label)
    }

    /// What the registry said last.
    var rateLimit: RateLimitNotice? { notice.withLock { $0 } }

    /// Counts a request while `body` runs.
    func counting<T, E: Error>(_ body: () async throws(E) -> T) async throws(E) -> T {
        inFlight.increment()
        let began = ContinuousClock.now
        defer {
            inFlight.decrement()
            duration.recordNanoseconds(Int64(began.duration(to: .now) / .nanoseconds(1)))
        }
        return try await body()
    }

    func answered(_ response: HTTPResponse, bytesSent: Int) {
        statuses[min(max(response.status / 100, 2), 5) - 2].increment()
        if response.status == 429 || response.status == 503 { throttled.increment() }
        moved(bytesIn: response.body.count, bytesOut: bytesSent)
        if let said = RateLimitNotice(response.fields, now: Date()) { notice.withLock { $0 = said } }
    }

    /// A request that got no answer.
    func failed() { failures.increment() }

    func moved(bytesIn received: Int, bytesOut sent: Int) {
        if received > 0 { bytesIn.increment(by: received) }
        if sent > 0 { bytesOut.increment(by: sent) }
    }
}

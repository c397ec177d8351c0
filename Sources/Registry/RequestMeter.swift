import Synchronization

/// Counts the requests that one piece of work makes to one registry, by class.
public final class RequestMeter: Sendable {
    private let counts = Mutex<[String: Int]>([:])

    public init() {}

    /// Requests by class: `head`, `get`, `post`, `patch`, `put`, `delete`, `token`.
    public var requests: [String: Int] { counts.withLock { $0 } }

    func count(_ kind: String) { counts.withLock { $0[kind, default: 0] += 1 } }
}

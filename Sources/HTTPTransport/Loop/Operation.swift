import Synchronization

/// One call of a caller on its way through the event loop: an exchange, a download, a relay.
///
/// Ownership, for every class that adopts it: the caller builds it, sets its continuation and posts it; from then on
/// only the loop thread touches it, except for `cancelRequested`. Hence their `@unchecked Sendable`.
protocol Operation: AnyObject, Sendable {
    /// Set by the caller's cancellation handler, which may run before the operation has reached the loop.
    var cancelRequested: Atomic<Bool> { get }
    /// The host whose limit it counts against, and that limit.
    var admission: Admission { get }
    /// Makes the transfers.
    func begin(on loop: EventLoop)
    /// Called after a round in which something changed (see `EventLoop.settleLater`): pausing, waking, moving on.
    func settle(on loop: EventLoop)
    /// A transfer came to its end; it is out of the loop already.
    func transfer(_ transfer: Transfer, didEnd failure: HTTPTransportError?, on loop: EventLoop)
    /// Called ten times a second: deadlines.
    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop)
    /// Ends the operation with an error; its transfers are removed.
    func abort(_ error: HTTPTransportError, on loop: EventLoop)
    /// Ends an operation that never reached the loop.
    func refuse(_ error: HTTPTransportError)
    /// Where it goes, without the query.
    var url: String { get }
}

/// Which host an operation occupies and how long it may wait for its turn there.
struct Admission {
    let origin: Origin
    let limit: Int
    let deadline: ContinuousClock.Instant

    init(_ url: HTTPURL, _ settings: ConnectionSettings) {
        origin = url.origin
        limit = max(1, settings.maximumConnectionsPerHost)
        deadline = .now + (settings.totalTimeout ?? Self.longestWait)
    }

    /// Long relays ahead in the queue are legitimate; a queue that does not move for so long is not.
    private static let longestWait = Duration.seconds(600)
}

/// Who runs against which host, and who waits: first come, first served, by host.
///
/// Uploads of a relay are not counted: they belong to an operation that was admitted, and making it wait while it holds
/// its source could leave two relays waiting for each other.
struct HostGate {
    private var running: [Origin: Int] = [:]
    private var waiting: [Origin: [any Operation]] = [:]

    /// Whether the operation may begin; otherwise it has been put in the queue.
    mutating func admit(_ operation: any Operation) -> Bool {
        let admission = operation.admission
        guard running[admission.origin, default: 0] < admission.limit else {
            waiting[admission.origin, default: []].append(operation)
            return false
        }
        running[admission.origin, default: 0] += 1
        return true
    }

    /// Counts an ended operation out and returns those that may now begin.
    mutating func leave(_ origin: Origin) -> [any Operation] {
        let left = running[origin, default: 1] - 1
        running[origin] = left > 0 ? left : nil
        var admitted: [any Operation] = []
        while let next = waiting[origin]?.first, running[origin, default: 0] < next.admission.limit {
            waiting[origin]?.removeFirst()
            running[origin, default: 0] += 1
            admitted.append(next)
        }
        if waiting[origin]?.isEmpty == true { waiting[origin] = nil }
        return admitted
    }

    /// Takes out an operation that no longer wants to wait; false when it was not waiting.
    mutating func withdraw(_ operation: any Operation) -> Bool {
        guard let index = waiting[operation.admission.origin]?.firstIndex(where: { $0 === operation }) else {
            return false
        }
        waiting[operation.admission.origin]?.remove(at: index)
        return true
    }

    /// Takes out all that wait past their deadline.
    mutating func withdrawExpired(_ now: ContinuousClock.Instant) -> [any Operation] {
        var expired: [any Operation] = []
        for (origin, queue) in waiting {
            let late = queue.filter { $0.admission.deadline <= now }
            guard !late.isEmpty else { continue }
            expired += late
            waiting[origin] = queue.filter { $0.admission.deadline > now }
        }
        return expired
    }

    /// Takes out everybody that waits.
    mutating func withdrawAll() -> [any Operation] {
        defer { waiting = [:] }
        return waiting.values.flatMap { $0 }
    }
}

import Foundation
import Synchronization

/// Counts down to nought and stays there; each call answers what was left.
public final class Countdown: Sendable {
    private let left: Mutex<Int>

    public init(_ count: Int) { left = Mutex(count) }

    public func next() -> Int {
        left.withLock { left in
            defer { left = max(0, left - 1) }
            return left
        }
    }
}

/// Holds threads back until it is opened, at most 30 seconds.
public final class Gate: Sendable {
    private let condition = NSCondition()
    private let isOpen = Mutex(false)

    public init() {}

    public func wait() {
        condition.lock()
        defer { condition.unlock() }
        let end = Date(timeIntervalSinceNow: 30)
        while !isOpen.withLock({ $0 }), condition.wait(until: end) {}
    }

    public func open() {
        condition.lock()
        isOpen.withLock { $0 = true }
        condition.broadcast()
        condition.unlock()
    }
}

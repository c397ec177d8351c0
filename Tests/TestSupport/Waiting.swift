import Foundation

/// Asks `condition` again and again until it holds.
///
/// - Throws: ``HarnessError/deadline(waitingFor:)`` after `limit`, or what `condition` throws.
public func eventually(
    _ what: String, within limit: Duration = .seconds(10), every pause: Duration = .milliseconds(20), _ condition: () async throws -> Bool
) async throws {
    _ = try await eventualValue(what, within: limit, every: pause) { try await condition() ? true : nil }
}

/// Asks `probe` again and again until it gives a value.
///
/// - Throws: ``HarnessError/deadline(waitingFor:)`` after `limit`, or what `probe` throws.
public func eventualValue<Value>(
    _ what: String, within limit: Duration = .seconds(10), every pause: Duration = .milliseconds(20), _ probe: () async throws -> Value?
) async throws -> Value {
    let end = ContinuousClock.now + limit
    while true {
        if let value = try await probe() { return value }
        guard ContinuousClock.now < end else { throw HarnessError.deadline(waitingFor: what) }
        try await Task.sleep(for: pause)
    }
}

/// Runs blocking work on a thread of its own, so that none of Swift's cooperative pool waits.
public func onOwnThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
}

/// The blocking sibling of ``eventualValue(_:within:every:_:)``, for threads of our own.
func blockingValue<Value>(_ what: String, within limit: Duration = .seconds(10), _ probe: () throws -> Value?) throws -> Value {
    let end = ContinuousClock.now + limit
    while true {
        if let value = try probe() { return value }
        guard ContinuousClock.now < end else { throw HarnessError.deadline(waitingFor: what) }
        Thread.sleep(forTimeInterval: 0.01)
    }
}

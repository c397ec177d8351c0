import CPostgres
import Foundation

/// Cancels a running statement from another thread.
///
/// PostgreSQL cancels what a backend does when the cancel arrives, not a certain statement: so the session starts no other
/// statement while a cancel is on its way.
@safe final class StatementCanceller: @unchecked Sendable {
    // Owned here, freed in deinit; PQcancel is documented as safe from any thread. The rest is guarded by `condition`.
    private let handle: OpaquePointer?
    private let condition = NSCondition()
    private var isRunning = false
    private var isRequested = false
    private var isSending = false

    init(_ connection: OpaquePointer) { unsafe handle = PQgetCancel(connection) }

    deinit { unsafe PQfreeCancel(handle) }

    /// Runs one blocking call of libpq that `cancel()` interrupts.
    ///
    /// - Returns: `nil` where the cancel came first: then nothing was sent.
    func whileRunning<Result>(_ call: () -> Result) -> Result? {
        guard begin() else { return nil }
        defer { end() }
        return call()
    }

    /// Forgets a request: it was meant for statements that are over.
    func clear() {
        condition.lock()
        isRequested = false
        condition.unlock()
    }

    /// Cancels the statement that runs, or the next one where it has not begun.
    func cancel() {
        condition.lock()
        defer { condition.unlock() }
        guard !isRequested else { return }
        isRequested = true
        if isRunning { startSending() }
    }

    private func begin() -> Bool {
        condition.lock()
        defer { condition.unlock() }
        if isRequested { return false }
        isRunning = true
        return true
    }

    /// Waits for a cancel under way, so that it can't hit the next statement.
    private func end() {
        condition.lock()
        isRunning = false
        condition.broadcast()
        while isSending { condition.wait() }
        condition.unlock()
    }

    private func startSending() {
        isSending = true
        // A thread of its own: PQcancel blocks.
        Thread.detachNewThread { self.send() }
    }

    /// Sends until the statement has ended: a cancel that overtakes its statement on the way hits an idle backend and is lost.
    private func send() {
        var pause = 0.1
        condition.lock()
        while isRunning {
            condition.unlock()
            unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                // The answer only says whether the request was sent; the statement's own error tells the rest.
                _ = unsafe PQcancel(handle, buffer.baseAddress, 256)
            }
            condition.lock()
            if isRunning { _ = condition.wait(until: Date(timeIntervalSinceNow: pause)) }
            pause = min(pause * 2, 5)
        }
        isSending = false
        condition.broadcast()
        condition.unlock()
    }
}

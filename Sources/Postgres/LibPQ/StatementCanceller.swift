import CPostgres
import Foundation

/// Cancels a running statement from another thread.
///
/// PostgreSQL cancels what a backend does when the cancel arrives, not a certain statement: so the session starts no other
/// statement while a cancel is on its way.
@safe final class StatementCanceller: @unchecked Sendable {
    // Owned here, freed in deinit; PQcancel is documented as safe from any thread.
    private let handle: OpaquePointer?
    private let condition = NSCondition()
    private var isRunning = false
    private var isCancelling = false

    init(_ connection: OpaquePointer) { unsafe handle = PQgetCancel(connection) }

    deinit { unsafe PQfreeCancel(handle) }

    func begin() {
        condition.lock()
        isRunning = true
        condition.unlock()
    }

    /// Waits for a cancel under way, so that it can't hit the next statement.
    func end() {
        condition.lock()
        isRunning = false
        while isCancelling { condition.wait() }
        condition.unlock()
    }

    func cancel() {
        condition.lock()
        defer { condition.unlock() }
        guard isRunning, !isCancelling else { return }
        isCancelling = true
        DispatchQueue.global().async { self.send() }
    }

    private func send() {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            // The answer only says whether the request was sent; the statement's own error tells the rest.
            _ = unsafe PQcancel(handle, buffer.baseAddress, 256)
        }
        condition.lock()
        isCancelling = false
        condition.broadcast()
        condition.unlock()
    }
}

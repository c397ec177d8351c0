import CCurl
import Synchronization

/// What the callers' threads want of the event loop.
enum LoopCommand: Sendable {
    case start(any Operation)
    case cancel(any Operation)
    /// A reader has taken what was buffered: the transfer may go on.
    case wake(any Operation)
    case stop(CheckedContinuation<Void, Never>?)
}

/// The only door between callers' threads and the event-loop thread.
///
/// Ownership: the multi handle belongs to the loop thread; callers touch it in one way, `curl_multi_wakeup`, which
/// libcurl allows from any thread, and only under the lock and before the loop has closed the mailbox. Hence
/// `@unchecked`.
@safe final class Mailbox: @unchecked Sendable {
    private struct State {
        var commands: [LoopCommand] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let multi: UnsafeMutableRawPointer

    init(multi: UnsafeMutableRawPointer) {
        unsafe self.multi = unsafe multi
    }

    /// Leaves a command and wakes the loop; false when the loop has ended.
    func post(_ command: LoopCommand) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.commands.append(command)
            unsafe curl_multi_wakeup(multi)
            return true
        }
    }

    func take() -> [LoopCommand] {
        state.withLock { state in
            defer { state.commands = [] }
            return state.commands
        }
    }

    /// Takes what is left; nothing is accepted afterwards.
    func close() -> [LoopCommand] {
        state.withLock { state in
            state.isClosed = true
            defer { state.commands = [] }
            return state.commands
        }
    }
}

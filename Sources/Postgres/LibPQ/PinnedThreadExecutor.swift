import Foundation
import Synchronization

/// Runs one actor's work on one thread of its own, so that libpq may block without holding up Swift's threads.
///
/// The thread ends when the executor is released: its last job, if any, runs first.
final class PinnedThreadExecutor: SerialExecutor {
    private let queue = JobQueue()

    init(name: String) {
        let thread = Thread { [queue] in queue.run() }
        thread.name = name
        thread.stackSize = 512 << 10
        thread.start()
    }

    deinit { queue.stop() }

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        // Holds the executor until the job has returned: the job itself may let go of the actor, and so of the last reference.
        queue.append { [self] in unsafe unowned.runSynchronously(on: asUnownedSerialExecutor()) }
    }

    func isIsolatingCurrentContext() -> Bool? { queue.isCurrentThread }

    func checkIsolated() { precondition(queue.isCurrentThread, "not on the connection's thread") }

    private final class JobQueue: Sendable {
        private struct State {
            var jobs: [@Sendable () -> Void] = []
            var isStopped = false
            var thread: ObjectIdentifier?
        }

        private let state = Mutex(State())
        private let signal = DispatchSemaphore(value: 0)

        var isCurrentThread: Bool { state.withLock { $0.thread == ObjectIdentifier(Thread.current) } }

        func append(_ job: @escaping @Sendable () -> Void) {
            state.withLock { $0.jobs.append(job) }
            signal.signal()
        }

        func stop() {
            state.withLock { $0.isStopped = true }
            signal.signal()
        }

        func run() {
            state.withLock { $0.thread = ObjectIdentifier(Thread.current) }
            while true {
                signal.wait()
                let (jobs, isStopped) = state.withLock { state in
                    defer { state.jobs = [] }
                    return (state.jobs, state.isStopped)
                }
                for job in jobs { job() }
                if isStopped, jobs.isEmpty { return }
                if isStopped { signal.signal() }
            }
        }
    }
}

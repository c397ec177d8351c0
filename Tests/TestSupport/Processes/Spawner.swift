import Foundation
import Synchronization

/// The one thread that starts processes.
///
/// A process whose death signal is set dies with the *thread* that started it, so that thread has to live as long as we do.
final class Spawner: Sendable {
    static let shared = Spawner()

    private let work = Mutex<[@Sendable () -> Void]>([])
    private let wakeUp = DispatchSemaphore(value: 0)

    private init() {
        Thread.detachNewThread { [self] in
            while true {
                wakeUp.wait()
                let next = work.withLock { $0.removeFirst() }
                next()
            }
        }
    }

    /// Starts a program and answers its process id. Blocks for the moment that this takes.
    func spawn(_ launch: Launch) throws -> Int32 {
        let done = DispatchSemaphore(value: 0)
        let outcome = SharedValue<Result<Int32, any Error>?>(nil)
        work.withLock {
            $0.append {
                outcome.set(Result { try launch.spawn() })
                done.signal()
            }
        }
        wakeUp.signal()
        done.wait()
        guard let result = outcome.value else { throw HarnessError.missingProgram(launch.program) }
        return try result.get()
    }
}

/// A value that two threads look at.
final class SharedValue<Value: Sendable>: Sendable {
    private let storage: Mutex<Value>
    init(_ value: Value) { storage = Mutex(value) }
    var value: Value { storage.withLock { $0 } }
    func set(_ value: Value) { storage.withLock { $0 = value } }
    func update<Answer: Sendable>(_ change: @Sendable (inout Value) -> Answer) -> Answer { storage.withLock { change(&$0) } }
}

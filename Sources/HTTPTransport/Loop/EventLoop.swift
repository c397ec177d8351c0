import CCurl
import Foundation
import Logging
import Synchronization

/// The thread that owns every connection, transfer and ring: libcurl's multi interface, driven by `curl_multi_poll`.
///
/// ```mermaid
/// flowchart LR
///   commands --> perform --> reap[ended transfers] --> settle[pause and wake] --> tick[deadlines] --> poll --> commands
/// ```
///
/// Ownership: built by `start`, then handed to its thread and touched by nobody else; callers hold the ``Mailbox``.
/// Hence `@unchecked`.
@safe final class EventLoop: @unchecked Sendable {
    let mailbox: Mailbox
    private let multi: UnsafeMutableRawPointer
    private let logger: Logger
    private var operations: [ObjectIdentifier: any Operation] = [:]
    private var transfers: [UnsafeMutableRawPointer: Transfer] = unsafe [:]
    private var unsettled: [any Operation] = []
    private var unsettledIDs: Set<ObjectIdentifier> = []
    private var buckets: [String: TokenBucket] = [:]
    private var gate = HostGate()
    private var stopping: [CheckedContinuation<Void, Never>] = []
    private var isStopping = false
    private var nextTick = ContinuousClock.now

    private static let tickInterval = Duration.milliseconds(100)
    /// curl's global state, made once for the process.
    private static let globalCode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

    /// Starts a loop on a thread of its own and returns the way to talk to it; nil when libcurl can't be set up.
    static func start(logger: Logger) -> Mailbox? {
        guard globalCode == CURLE_OK, let multi = unsafe curl_multi_init() else { return nil }
        // How many connections a host gets is our gate's business; this is how many idle ones are kept.
        unsafe curl_shim_multi_set_long(multi, CURLMOPT_MAXCONNECTS, 256)
        unsafe curl_shim_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        let loop = unsafe EventLoop(multi: multi, logger: logger)
        let thread = Thread { loop.run() }
        thread.name = "http-loop"
        thread.start()
        return loop.mailbox
    }

    private init(multi: UnsafeMutableRawPointer, logger: Logger) {
        unsafe self.multi = unsafe multi
        self.logger = logger
        mailbox = unsafe Mailbox(multi: multi)
    }

    private func run() {
        Self.blockBrokenPipeSignal()
        while true {
            for command in mailbox.take() { handle(command) }
            settle()
            if isStopping { break }
            perform()
            reap()
            settle()
            tick()
            for bucket in buckets.values { bucket.release() }
            settle()
            wait()
        }
        close()
    }

    // MARK: Commands

    private func handle(_ command: LoopCommand) {
        switch command {
        case .start(let operation):
            operations[ObjectIdentifier(operation)] = operation
            if operation.cancelRequested.load(ordering: .relaxed) {
                cancel(operation)
            } else if gate.admit(operation) {
                operation.begin(on: self)
            }
        case .cancel(let operation):
            cancel(operation)
        case .wake(let operation):
            if operations[ObjectIdentifier(operation)] != nil { operation.settle(on: self) }
        case .stop(let continuation):
            isStopping = true
            if let continuation { stopping.append(continuation) }
        }
    }

    private func cancel(_ operation: any Operation) {
        guard operations[ObjectIdentifier(operation)] != nil else { return }
        drop(operation, .cancelled(url: operation.url))
    }

    /// Ends an operation that runs or waits.
    private func drop(_ operation: any Operation, _ error: HTTPTransportError) {
        if gate.withdraw(operation) {
            operations[ObjectIdentifier(operation)] = nil
            operation.refuse(error)
        } else {
            operation.abort(error, on: self)
        }
    }

    // MARK: What operations call

    /// Lets a transfer run. False when libcurl does not take it, which leaves it to the caller.
    func add(_ transfer: Transfer) -> Bool {
        unsafe transfers[transfer.handle] = transfer
        transfer.bucket = transfer.settings.bandwidth.map(bucket)
        guard unsafe curl_multi_add_handle(multi, transfer.handle) == CURLM_OK else {
            unsafe transfers[transfer.handle] = nil
            return false
        }
        return true
    }

    private func bucket(for limit: BandwidthLimit) -> TokenBucket {
        if let bucket = buckets[limit.name] {
            bucket.setRate(limit.bytesPerSecond)
            return bucket
        }
        let bucket = TokenBucket(bytesPerSecond: limit.bytesPerSecond)
        buckets[limit.name] = bucket
        return bucket
    }

    /// Ends a transfer; an unfinished one loses its connection. Not to be called from a libcurl callback.
    func remove(_ transfer: Transfer) {
        guard let known = unsafe transfers.removeValue(forKey: transfer.handle) else { return }
        known.bucket?.withdraw(known)
        unsafe curl_multi_remove_handle(multi, known.handle)
    }

    /// Has the operation settle at the end of the round: libcurl's callbacks may not pause or remove other transfers.
    func settleLater(_ operation: any Operation) {
        guard unsettledIDs.insert(ObjectIdentifier(operation)).inserted else { return }
        unsettled.append(operation)
    }

    /// An operation has answered its caller: its place goes to the next one.
    func ended(_ operation: any Operation) {
        guard operations.removeValue(forKey: ObjectIdentifier(operation)) != nil else { return }
        for next in gate.leave(operation.admission.origin) { next.begin(on: self) }
    }

    // MARK: The round

    private func perform() {
        var running: Int32 = 0
        let code = unsafe curl_multi_perform(multi, &running)
        guard code != CURLM_OK else { return }
        logger.error("curl_multi_perform failed", metadata: ["code": "\(code.rawValue)"])
        for operation in Array(operations.values) {
            drop(operation, .other(url: operation.url, code: Int(code.rawValue), message: "the event loop failed"))
        }
    }

    private func reap() {
        var left: Int32 = 0
        while let message = unsafe curl_multi_info_read(multi, &left) {
            guard unsafe message.pointee.msg == CURLMSG_DONE, let handle = unsafe message.pointee.easy_handle,
                let transfer = unsafe transfers[handle]
            else { continue }
            // The message is libcurl's and gone once the handle is removed.
            let failure = unsafe transfer.failure(of: curl_shim_message_result(message))
            remove(transfer)
            transfer.operation.transfer(transfer, didEnd: failure, on: self)
        }
    }

    private func settle() {
        var rounds = 0
        // Waking a transfer may deliver bytes at once and unsettle again; the rest waits for the next round.
        while !unsettled.isEmpty, rounds < 8 {
            let current = unsettled
            unsettled = []
            unsettledIDs = []
            for operation in current where operations[ObjectIdentifier(operation)] != nil { operation.settle(on: self) }
            rounds += 1
        }
    }

    private func tick() {
        let now = ContinuousClock.now
        guard now >= nextTick else { return }
        nextTick = now + Self.tickInterval
        for operation in gate.withdrawExpired(now) {
            operations[ObjectIdentifier(operation)] = nil
            operation.refuse(.timedOut(url: operation.url, phase: .freeConnection))
        }
        for operation in Array(operations.values) { operation.tick(now, on: self) }
        settle()
    }

    private func wait() {
        // With nothing to do the loop sleeps until the mailbox wakes it.
        let longest: Int32 = operations.isEmpty ? 60_000 : unsettled.isEmpty ? 100 : 0
        let milliseconds = buckets.values.reduce(longest) { min($0, Int32($1.pause ?? Int($0))) }
        unsafe curl_multi_poll(multi, nil, 0, milliseconds, nil)
    }

    private func close() {
        for operation in gate.withdrawAll() {
            operations[ObjectIdentifier(operation)] = nil
            operation.refuse(.shutDown(url: operation.url))
        }
        for operation in Array(operations.values) { operation.abort(.shutDown(url: operation.url), on: self) }
        for command in mailbox.close() {
            switch command {
            case .start(let operation): operation.refuse(.shutDown(url: operation.url))
            case .stop(let continuation): if let continuation { stopping.append(continuation) }
            case .cancel, .wake: break
            }
        }
        unsafe curl_multi_cleanup(multi)
        for continuation in stopping { continuation.resume() }
        stopping = []
    }

    /// OpenSSL writes without MSG_NOSIGNAL; with CURLOPT_NOSIGNAL libcurl leaves SIGPIPE to us.
    private static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }
}

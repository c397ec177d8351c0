/// One target of a relay: its place in the ring, its transfer, its answer. Loop thread only.
final class RelayUpload: TransferSink {
    /// The most bytes of an answer's body that are kept.
    static let maximumAnswerBytes = 64 * 1024

    let target: RelayTarget
    /// The next byte of the blob to give to libcurl.
    private(set) var cursor: Int64 = 0
    private(set) var outcome: RelayReport.TargetOutcome?
    private(set) var transfer: Transfer?
    private unowned let relay: RelayOperation
    private var answer: [UInt8] = []
    private var isAnswerCut = false

    init(_ target: RelayTarget, of relay: RelayOperation) {
        self.target = target
        self.relay = relay
    }

    var url: String { target.request.url.redacted }
    var isOver: Bool { outcome != nil }
    var sentBytes: Int64 { transfer?.sentBytes ?? cursor }

    func start(on loop: EventLoop) {
        let blob = relay.request.expectedBytes
        let options = TransferOptions(sendBuffer: relay.bufferBytes, ownConnection: true)
        guard
            let transfer = Transfer(
                target.request, settings: target.settings, uploadBytes: blob, options: options, operation: relay,
                sink: self),
            loop.add(transfer)
        else {
            outcome = .failed(.setupFailed(url))
            return
        }
        self.transfer = transfer
    }

    /// Wakes a held upload when there is something to send, or nothing to send any more.
    func resumeIfUseful() {
        guard let transfer, transfer.isSendingHeld else { return }
        // After an early answer libcurl no longer sends, but it would wait for the held upload to be let go.
        if relay.releasedBytes > cursor || transfer.head != nil { transfer.resumeSending() }
    }

    func didEnd(_ failure: HTTPTransportError?) {
        guard outcome == nil else { return }
        if let failure, !isAnswerCut {
            outcome = .failed(failure)
        } else if let head = transfer?.head, head.status < 300, cursor < relay.request.expectedBytes {
            // Success for a body that the target does not have can't be meant.
            outcome = .failed(.invalidResponse(url: url, reason: "answered \(head.status) before the body was whole"))
        } else if let head = transfer?.head {
            outcome = .answered(HTTPResponse(head: head, body: answer))
        } else {
            outcome = .failed(.invalidResponse(url: url, reason: "no status line"))
        }
        transfer = nil
    }

    /// Ends the upload, if it has not come to its end, before the target has the whole body.
    func abort(_ error: HTTPTransportError, on loop: EventLoop) {
        guard outcome == nil else { return }
        if let transfer { loop.remove(transfer) }
        transfer = nil
        outcome = .failed(error)
    }

    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop) {
        if let overdue = transfer?.overdue(now) { abort(overdue, on: loop) }
    }

    // MARK: TransferSink

    func didReceiveHead(_ transfer: Transfer) {
        relay.changed()
    }

    func receive(_ bytes: UnsafeRawBufferPointer, _ transfer: Transfer) -> Transfer.Intake {
        let room = Self.maximumAnswerBytes - answer.count
        unsafe answer.append(contentsOf: bytes.prefix(room))
        guard bytes.count > room else { return .taken }
        // The status is what counts; the rest of a long answer is not worth waiting for.
        isAnswerCut = true
        return .abort
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer, _ transfer: Transfer) -> Transfer.Filling {
        let released = relay.releasedBytes
        guard released > cursor else { return cursor == relay.request.expectedBytes ? .bytes(0) : .hold }
        let count = unsafe relay.ring.read(at: cursor, limit: released, into: buffer)
        cursor += Int64(count)
        relay.changed()
        return .bytes(count)
    }
}

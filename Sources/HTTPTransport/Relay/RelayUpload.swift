/// One target of a relay: its place in the ring, its transfer, its answer. Loop thread only.
final class RelayUpload: TransferSink {
    /// The most bytes of an answer's body that are kept.
    static let maximumAnswerBytes = 64 * 1024

    let target: RelayTarget
    /// The next byte of the blob to give to libcurl.
    private(set) var cursor: Int64
    private(set) var outcome: RelayReport.TargetOutcome?
    private(set) var transfer: Transfer?
    private unowned let relay: RelayOperation
    private var answer: [UInt8] = []
    private var isAnswerCut = false
    /// Where the body of the present request begins and ends.
    private var part: Range<Int64>
    /// Where the last part went.
    private(set) var partURL: HTTPURL?
    /// What is to be sent as soon as it may.
    private var nextRequest: HTTPRequest?

    init(_ target: RelayTarget, of relay: RelayOperation) {
        self.target = target
        self.relay = relay
        cursor = target.offset
        part = target.offset..<target.offset
        sentBytes = target.offset
    }

    var url: String { target.request.url.redacted }
    var isOver: Bool { outcome != nil }
    /// Bytes of the blob that have left.
    private(set) var sentBytes: Int64

    func start(on loop: EventLoop) {
        nextRequest = target.request
        startNextPart(on: loop)
    }

    /// The bytes of the next request's body.
    private var nextPart: Range<Int64> {
        let blob = relay.request.expectedBytes
        return cursor..<(target.parts.map { min(blob, cursor + $0.size) } ?? blob)
    }

    /// Sends the next request, if there is one and it may go: the last one, which has no body, waits for the verdict.
    func startNextPart(on loop: EventLoop) {
        guard let request = nextRequest, cursor < relay.request.expectedBytes || relay.isVerified else { return }
        nextRequest = nil
        part = nextPart
        if target.parts != nil, !part.isEmpty { partURL = request.url }
        let options = TransferOptions(sendBuffer: relay.uploadBufferBytes, ownConnection: true)
        guard
            let transfer = Transfer(
                request, settings: target.settings, uploadBytes: part.upperBound - part.lowerBound, options: options,
                operation: relay, sink: self),
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
        if min(relay.releasedBytes, part.upperBound) > cursor || transfer.head != nil { transfer.resumeSending() }
    }

    func didEnd(_ failure: HTTPTransportError?) {
        guard outcome == nil else { return }
        noteSent()
        // When it gives up sending a body again on a new connection, libcurl has forgotten what left on the old one.
        if failure != nil, let transfer { noteSent(transfer.givenBytes) }
        if failure == nil, goOn() { return }
        if let failure, !isAnswerCut {
            outcome = .failed(failure)
        } else if let head = transfer?.head, head.status < 300, cursor < part.upperBound {
            // Success for a body that the target does not have can't be meant.
            outcome = .failed(.invalidResponse(url: url, reason: "answered \(head.status) before the body was whole"))
        } else if let head = transfer?.head {
            outcome = .answered(HTTPResponse(head: head, body: answer))
        } else {
            outcome = .failed(.invalidResponse(url: url, reason: "no status line"))
        }
        transfer = nil
    }

    private func noteSent(_ bytes: Int64? = nil) {
        if let transfer { sentBytes = max(sentBytes, part.lowerBound + min(bytes ?? transfer.sentBytes, part.upperBound - part.lowerBound)) }
    }

    /// After a part that was taken: whether another request follows.
    private func goOn() -> Bool {
        guard let parts = target.parts, let head = transfer?.head, (200..<300).contains(head.status), !part.isEmpty, cursor == part.upperBound
        else { return false }
        let rest = nextPart
        nextRequest = parts.next(HTTPResponse(head: head, body: answer), rest.lowerBound, rest.upperBound - rest.lowerBound)
        guard nextRequest != nil else { return false }
        answer = []
        transfer = nil
        return true
    }

    /// Ends the upload, if it has not come to its end, before the target has the whole body.
    func abort(_ error: HTTPTransportError, on loop: EventLoop) {
        guard outcome == nil else { return }
        noteSent()
        if let transfer { loop.remove(transfer) }
        transfer = nil
        outcome = .failed(error)
    }

    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop) {
        noteSent()
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
        let released = min(relay.releasedBytes, part.upperBound)
        guard released > cursor else { return cursor == part.upperBound ? .bytes(0) : .hold }
        let count = unsafe relay.ring.read(at: cursor, limit: released, into: buffer)
        cursor += Int64(count)
        relay.changed()
        return .bytes(count)
    }
}

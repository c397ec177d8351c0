/// The source of a relay: reads the blob, and the rest of it after a break (RFC 9110 §14). Loop thread only.
///
/// ```mermaid
/// stateDiagram-v2
///   [*] --> asking
///   asking --> refused: a status other than 200
///   asking --> reading: 200
///   reading --> waiting: broken, resumes left
///   waiting --> asking: time has come
///   asking --> reading: 206, or 200 and the prefix is skipped
///   reading --> complete: every byte came
///   reading --> failed: broken, none left
/// ```
final class RelaySource: TransferSink {
    enum State: Equatable {
        case asking
        /// The first answer is no blob; its body is kept.
        case refused
        case reading
        case waiting(until: ContinuousClock.Instant)
        case complete
        case failed(HTTPTransportError)
    }

    private(set) var state = State.asking
    /// Asked for the rest so often.
    private(set) var resumes = 0
    /// Bytes that came, skipped ones included.
    private(set) var bytesRead: Int64 = 0
    /// The answer of a source that has no blob for us.
    private(set) var refusal: HTTPResponse?

    private unowned let relay: RelayOperation
    private var transfer: Transfer?
    /// Bytes of a 200 to a Range request that the ring has seen already.
    private var toSkip: Int64 = 0
    private var refusalBody: [UInt8] = []
    /// The strong validator of what is being read.
    private(set) var entityTag: String?
    private var hasBegun = false

    init(of relay: RelayOperation) {
        self.relay = relay
        entityTag = relay.request.resumption?.entityTag
    }

    private var url: String { relay.request.source.url.redacted }
    private var expected: Int64 { relay.request.expectedBytes }
    /// Whether a first answer with the blob was seen.
    var isAccepted: Bool { hasBegun }

    func ask(on loop: EventLoop) {
        state = .asking
        toSkip = 0
        let options = TransferOptions(receiveBuffer: relay.bufferBytes, ownConnection: true)
        do {
            let transfer = Transfer(
                try nextRequest(), settings: relay.request.sourceSettings, uploadBytes: 0, options: options,
                operation: relay,
                sink: self)
            guard let transfer, loop.add(transfer) else {
                state = .failed(.setupFailed(url))
                return
            }
            self.transfer = transfer
        } catch {
            state = .failed(.invalidResponse(url: url, reason: error.description))
        }
    }

    /// The caller's request, or after a break the same for the rest of the blob.
    private func nextRequest() throws(HTTPFieldError) -> HTTPRequest {
        var request = relay.request.source
        guard relay.ring.head > 0 else { return request }
        try request.fields.set("Range", "bytes=\(relay.ring.head)-")
        if let entityTag { try request.fields.set("If-Range", entityTag) }
        return request
    }

    func resumeIfRoom() {
        guard let transfer, transfer.isReceivingHeld else { return }
        // Woken for less, it would be held again after a few pieces.
        if relay.freeBytes >= relay.ring.capacity / 4 { transfer.resumeReceiving() }
    }

    func stop(on loop: EventLoop) {
        if let transfer { loop.remove(transfer) }
        transfer = nil
    }

    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop) {
        if case .waiting(let until) = state, now >= until { return ask(on: loop) }
        guard let transfer, let overdue = transfer.overdue(now) else { return }
        loop.remove(transfer)
        didEnd(overdue)
    }

    /// The transfer has ended and left the loop.
    func didEnd(_ failure: HTTPTransportError?) {
        defer { transfer = nil }
        if state == .refused, let head = transfer?.head {
            refusal = HTTPResponse(head: head, body: refusalBody)
            return
        }
        if let failure { return breakOff(failure) }
        guard relay.ring.head == expected else {
            return breakOff(.receiveFailed(url: url, received: relay.ring.head, expected: expected))
        }
        state = .complete
    }

    /// Asks again for the rest, if that makes sense and was not done too often.
    private func breakOff(_ failure: HTTPTransportError) {
        guard hasBegun, failure.isRetryable, resumes < relay.request.maximumSourceResumes else {
            state = .failed(failure)
            return
        }
        // The first time at once, then after 0.25 s, 0.5 s, 1 s …
        let pause = resumes == 0 ? Duration.zero : .milliseconds(250) * (1 << min(resumes - 1, 5))
        resumes += 1
        state = .waiting(until: .now + pause)
        relay.changed()
    }

    // MARK: TransferSink

    func didReceiveHead(_ transfer: Transfer) {
        guard let head = transfer.head else { return }
        defer { relay.changed() }
        if hasBegun {
            transfer.abortReason = checkContinuation(head)
        } else if relay.ring.head > 0, head.status == 200 || head.status == 206 {
            // The first answer to a relay that goes on where another one ended.
            transfer.abortReason = checkContinuation(head)
            hasBegun = transfer.abortReason == nil
        } else if head.status == 200 {
            if let length = head.contentLength, length != expected {
                transfer.abortReason = .sizeMismatch(url: url, expected: expected, found: length)
                return
            }
            entityTag = head.fields["ETag"].flatMap { $0.hasPrefix("W/") ? nil : $0 }
            hasBegun = true
        } else {
            state = .refused
            return
        }
        if transfer.abortReason == nil { state = .reading }
    }

    /// Whether the answer to a request for the rest goes on where the last one broke off.
    private func checkContinuation(_ head: HTTPResponseHead) -> HTTPTransportError? {
        let position = relay.ring.head
        switch head.status {
        case 200:
            if let length = head.contentLength, length != expected {
                return .sizeMismatch(url: url, expected: expected, found: length)
            }
            toSkip = position
            return nil
        case 206:
            guard let range = head.fields["Content-Range"].flatMap(ContentRange.init(parsing:)),
                range.first == position,
                range.last < expected, range.total == nil || range.total == expected
            else {
                return .invalidResponse(url: url, reason: "the range that came is not the range that was asked for")
            }
            return nil
        default:
            return .unexpectedStatus(url: url, status: head.status)
        }
    }

    func receive(_ bytes: UnsafeRawBufferPointer, _ transfer: Transfer) -> Transfer.Intake {
        if state == .refused { return unsafe keepRefusal(bytes) }
        let skipped = Int(min(toSkip, Int64(bytes.count)))
        let content = unsafe UnsafeRawBufferPointer(rebasing: bytes[skipped...])
        guard relay.ring.head + Int64(content.count) <= expected else {
            transfer.abortReason = .sizeMismatch(
                url: url, expected: expected, found: relay.ring.head + Int64(content.count))
            return .abort
        }
        guard content.count <= relay.freeBytes else {
            relay.changed()
            return .hold
        }
        toSkip -= Int64(skipped)
        bytesRead += Int64(bytes.count)
        unsafe relay.take(content)
        return .taken
    }

    private func keepRefusal(_ bytes: UnsafeRawBufferPointer) -> Transfer.Intake {
        let room = RelayUpload.maximumAnswerBytes - refusalBody.count
        unsafe refusalBody.append(contentsOf: bytes.prefix(room))
        return bytes.count > room ? .abort : .taken
    }

    /// The source gives nothing to send.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, _ transfer: Transfer) -> Transfer.Filling {
        .bytes(0)
    }
}

import Synchronization

/// A request whose body is read while it arrives. See ``Operation`` for who may touch it when.
final class DownloadOperation: Operation, TransferSink, @unchecked Sendable {
    let cancelRequested = Atomic<Bool>(false)
    let admission: Admission
    let url: String
    /// Where the body waits for its reader.
    let channel: BodyChannel
    /// Set by the caller before the operation is posted; told the head.
    var continuation: CheckedContinuation<Result<HTTPResponseHead, HTTPTransportError>, Never>?

    private let request: HTTPRequest
    private let settings: ConnectionSettings
    private var transfer: Transfer?
    private var sent = 0

    init(_ request: HTTPRequest, settings: ConnectionSettings) {
        self.request = request
        self.settings = settings
        url = request.url.redacted
        admission = Admission(request.url, settings)
        channel = BodyChannel(url: url)
    }

    func begin(on loop: EventLoop) {
        let upload = request.method.hasBody ? Int64(request.body?.count ?? 0) : 0
        guard
            let transfer = Transfer(
                request, settings: settings, uploadBytes: upload, options: TransferOptions(ownConnection: true),
                operation: self,
                sink: self), loop.add(transfer)
        else { return finish(.setupFailed(url), on: loop) }
        self.transfer = transfer
    }

    /// The reader has caught up.
    func settle(on loop: EventLoop) {
        transfer?.resumeReceiving()
    }

    func transfer(_ transfer: Transfer, didEnd failure: HTTPTransportError?, on loop: EventLoop) {
        finish(failure, on: loop)
    }

    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop) {
        if let overdue = transfer?.overdue(now) { abort(overdue, on: loop) }
    }

    func abort(_ error: HTTPTransportError, on loop: EventLoop) {
        finish(error, on: loop)
    }

    func refuse(_ error: HTTPTransportError) {
        channel.end(error)
        continuation?.resume(returning: .failure(error))
        continuation = nil
    }

    private func finish(_ failure: HTTPTransportError?, on loop: EventLoop) {
        if let transfer { loop.remove(transfer) }
        transfer = nil
        channel.end(failure)
        continuation?.resume(returning: .failure(failure ?? .invalidResponse(url: url, reason: "no status line")))
        continuation = nil
        loop.ended(self)
    }

    // MARK: TransferSink

    func didReceiveHead(_ transfer: Transfer) {
        guard let head = transfer.head else { return }
        continuation?.resume(returning: .success(head))
        continuation = nil
    }

    func receive(_ bytes: UnsafeRawBufferPointer, _ transfer: Transfer) -> Transfer.Intake {
        unsafe channel.append(bytes) ? .taken : .hold
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer, _ transfer: Transfer) -> Transfer.Filling {
        guard let content = request.body else { return .bytes(0) }
        let count = min(buffer.count, content.count - sent)
        unsafe buffer.copyBytes(from: content[sent..<sent + count])
        sent += count
        return .bytes(count)
    }
}

import Synchronization

/// A request whose response is wanted whole. See ``Operation`` for who may touch it when.
final class ExchangeOperation: Operation, TransferSink, @unchecked Sendable {
    let cancelRequested = Atomic<Bool>(false)
    let admission: Admission
    let url: String
    /// Set by the caller before the operation is posted.
    var continuation: CheckedContinuation<Result<HTTPResponse, HTTPTransportError>, Never>?

    private let request: HTTPRequest
    private let settings: ConnectionSettings
    private let limit: Int
    private var transfer: Transfer?
    private var sent = 0
    private var body: [UInt8] = []

    init(_ request: HTTPRequest, settings: ConnectionSettings, maximumBodyBytes: Int) {
        self.request = request
        self.settings = settings
        limit = maximumBodyBytes
        url = request.url.redacted
        admission = Admission(request.url, settings)
    }

    func begin(on loop: EventLoop) {
        let upload = request.method.hasBody ? Int64(request.body?.count ?? 0) : 0
        guard
            let transfer = Transfer(
                request, settings: settings, uploadBytes: upload, options: TransferOptions(), operation: self,
                sink: self),
            loop.add(transfer)
        else { return finish(.failure(.setupFailed(url)), on: loop) }
        self.transfer = transfer
    }

    func settle(on loop: EventLoop) {}

    func transfer(_ transfer: Transfer, didEnd failure: HTTPTransportError?, on loop: EventLoop) {
        if let failure { return finish(.failure(failure), on: loop) }
        guard let head = transfer.head else {
            return finish(.failure(.invalidResponse(url: url, reason: "no status line")), on: loop)
        }
        finish(.success(HTTPResponse(head: head, body: body)), on: loop)
    }

    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop) {
        if let overdue = transfer?.overdue(now) { abort(overdue, on: loop) }
    }

    func abort(_ error: HTTPTransportError, on loop: EventLoop) {
        finish(.failure(error), on: loop)
    }

    func refuse(_ error: HTTPTransportError) {
        continuation?.resume(returning: .failure(error))
        continuation = nil
    }

    private func finish(_ result: Result<HTTPResponse, HTTPTransportError>, on loop: EventLoop) {
        if let transfer { loop.remove(transfer) }
        transfer = nil
        continuation?.resume(returning: result)
        continuation = nil
        loop.ended(self)
    }

    // MARK: TransferSink

    func didReceiveHead(_ transfer: Transfer) {
        guard request.method != .head, let length = transfer.head?.contentLength, length > limit else { return }
        transfer.abortReason = .bodyTooLarge(url: url, limit: limit)
    }

    func receive(_ bytes: UnsafeRawBufferPointer, _ transfer: Transfer) -> Transfer.Intake {
        guard body.count + bytes.count <= limit else {
            transfer.abortReason = .bodyTooLarge(url: url, limit: limit)
            return .abort
        }
        unsafe body.append(contentsOf: bytes)
        return .taken
    }

    func fill(_ buffer: UnsafeMutableRawBufferPointer, _ transfer: Transfer) -> Transfer.Filling {
        guard let content = request.body else { return .bytes(0) }
        let count = min(buffer.count, content.count - sent)
        unsafe buffer.copyBytes(from: content[sent..<sent + count])
        sent += count
        return .bytes(count)
    }
}

extension HTTPTransportError {
    /// libcurl did not take the transfer: no memory, or an option it does not know.
    static func setupFailed(_ url: String) -> HTTPTransportError {
        .other(url: url, code: 0, message: "the transfer could not be set up")
    }
}

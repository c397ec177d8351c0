public import Logging
import Synchronization

/// The HTTP client: one event-loop thread owns every connection and transfer, the caller awaits.
///
/// No redirect is followed, no cookie kept, no environment variable or `.netrc` read; a 3xx is a response. Cancelling
/// the task aborts the transfer. Whole messages may share an HTTP/2 connection; a body that streams
/// (``withDownload(_:settings:_:)``, ``relay(_:)``) has an HTTP/1.1 connection of its own, because libcurl 7.88 holds
/// all streams of a connection while one is paused.
///
/// A request whose kept-alive connection turns out to be closed is sent again on a new one by libcurl, if nothing of a
/// body and nothing of an answer had moved; a body is never sent twice.
public final class HTTPClient: Sendable {
    private let mailbox: Mailbox

    /// Starts the event loop.
    public init(logger: Logger) throws(HTTPTransportError) {
        guard let mailbox = EventLoop.start(logger: logger) else {
            throw .other(url: "", code: 0, message: "libcurl could not be set up")
        }
        self.mailbox = mailbox
    }

    deinit {
        _ = mailbox.post(.stop(nil))
    }

    /// Aborts what is under way (its callers see ``HTTPTransportError/shutDown(url:)``) and ends the event loop.
    public func shutdown() async {
        await withCheckedContinuation { continuation in
            if !mailbox.post(.stop(continuation)) { continuation.resume() }
        }
    }

    /// Sends a request and returns the whole response, whatever its status.
    ///
    /// - Parameter maximumBodyBytes: a larger body is ``HTTPTransportError/bodyTooLarge(url:limit:)``.
    public func send(
        _ request: HTTPRequest, settings: ConnectionSettings, maximumBodyBytes: Int
    ) async throws(HTTPTransportError) -> HTTPResponse {
        let operation = ExchangeOperation(request, settings: settings, maximumBodyBytes: maximumBodyBytes)
        return try await run(operation) { operation.continuation = $0 }.get()
    }

    /// Sends a request and hands head and body to `body` as they arrive; when it returns, the transfer is over.
    ///
    /// Throws ``HTTPTransportError`` before the head, and what `body` throws.
    public func withDownload<R>(
        _ request: HTTPRequest, settings: ConnectionSettings,
        _ body: (HTTPResponseHead, HTTPBodyStream) async throws -> R
    ) async throws -> R {
        let operation = DownloadOperation(request, settings: settings)
        operation.channel.onDrain { [mailbox, weak operation] in
            if let operation { _ = mailbox.post(.wake(operation)) }
        }
        let head = try await run(operation) { operation.continuation = $0 }.get()
        // An operation that has come to its end ignores it.
        defer { _ = mailbox.post(.cancel(operation)) }
        return try await withTaskCancellationHandler {
            try await body(head, HTTPBodyStream(channel: operation.channel))
        } onCancel: {
            _ = mailbox.post(.cancel(operation))
        }
    }

    /// Moves a blob from its source to all targets without it ever being whole in memory or on disk.
    ///
    /// Throws when there is nothing to report of any target: the source could not be asked, promises another size, or
    /// the task was cancelled.
    public func relay(_ request: RelayRequest) async throws(HTTPTransportError) -> RelayOutcome {
        let operation = RelayOperation(request)
        return try await run(operation) { operation.continuation = $0 }.get()
    }

    /// Posts an operation and awaits what it says to the continuation that `attach` gives it.
    private func run<Value: Sendable>(
        _ operation: any Operation,
        attach: (CheckedContinuation<Result<Value, HTTPTransportError>, Never>) -> Void
    ) async -> Result<Value, HTTPTransportError> {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                attach(continuation)
                if !mailbox.post(.start(operation)) { operation.refuse(.shutDown(url: operation.url)) }
            }
        } onCancel: {
            operation.cancelRequested.store(true, ordering: .relaxed)
            _ = mailbox.post(.cancel(operation))
        }
    }
}

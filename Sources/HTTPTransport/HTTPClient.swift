public import Logging

/// The HTTP client: one event-loop thread owns every connection and transfer, the caller awaits.
///
/// No redirect is followed, no cookie kept, no environment variable or `.netrc` read; a 3xx is a response. Cancelling the task
/// aborts the transfer. Whole messages may share an HTTP/2 connection; a body that streams (``withDownload(_:settings:_:)``,
/// ``relay(_:)``) has an HTTP/1.1 connection of its own, because libcurl 7.88 holds all streams of a connection while one is paused.
public final class HTTPClient: Sendable {
    /// Starts the event loop.
    public init(logger: Logger) throws(HTTPTransportError) {
    }

    /// Aborts what is under way (its callers see ``HTTPTransportError/shutDown(url:)``) and ends the event loop.
    public func shutdown() async {
    }

    /// Sends a request and returns the whole response, whatever its status.
    ///
    /// - Parameter maximumBodyBytes: a larger body is ``HTTPTransportError/bodyTooLarge(url:limit:)``.
    public func send(
        _ request: HTTPRequest, settings: ConnectionSettings, maximumBodyBytes: Int
    ) async throws(HTTPTransportError) -> HTTPResponse {
        throw .shutDown(url: request.url.redacted)
    }

    /// Sends a request and hands head and body to `body` as they arrive; when it returns, the transfer is over.
    ///
    /// Throws ``HTTPTransportError`` before the head, and what `body` throws.
    public func withDownload<R>(
        _ request: HTTPRequest, settings: ConnectionSettings,
        _ body: (HTTPResponseHead, HTTPBodyStream) async throws -> R
    ) async throws -> R {
        throw HTTPTransportError.shutDown(url: request.url.redacted)
    }

    /// Moves a blob from its source to all targets without it ever being whole in memory or on disk.
    ///
    /// Throws when there is nothing to report of any target: the source could not be asked, promises another size, or the task was
    /// cancelled.
    public func relay(_ request: RelayRequest) async throws(HTTPTransportError) -> RelayOutcome {
        throw .shutDown(url: request.source.url.redacted)
    }
}

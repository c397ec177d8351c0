/// Why an exchange did not come to a response. Every case carries the URL without its query; nothing here holds a
/// header, a query or a credential, so a description may be shown to anyone.
public enum HTTPTransportError: Error, Hashable, Sendable {
    /// What was waited for.
    public enum Phase: String, Hashable, Sendable {
        /// Other requests to the same host had all its connections.
        case freeConnection = "a free connection"
        /// Name look-up, TCP and TLS.
        case connect = "the connection"
        /// The answer after a body was sent whole.
        case commit = "the answer to the finished upload"
        /// The request as a whole.
        case total = "the request"
    }

    /// The host's name has no address.
    case resolve(url: String)
    /// The host's name leads to an address that no name may lead to: the machine's own network, a metadata service.
    case addressNotAllowed(url: String, address: String)
    /// Nobody answers there, or the connection was refused.
    case connect(url: String)
    /// The handshake failed or the certificate is not trusted.
    case tls(url: String, message: String)
    /// The proxy can't be found or refuses.
    case proxy(url: String, message: String)
    /// A deadline passed.
    case timedOut(url: String, phase: Phase)
    /// No byte moved for so long.
    case stalled(url: String, after: Duration)
    /// The connection broke while the body was sent; so many bytes of it had left.
    case sendFailed(url: String, sent: Int64)
    /// The connection ended before the response was whole.
    case receiveFailed(url: String, received: Int64, expected: Int64?)
    /// The body has more bytes than allowed.
    case bodyTooLarge(url: String, limit: Int)
    /// The header fields together have more bytes than allowed.
    case headersTooLarge(url: String, limit: Int)
    /// The peer's answer makes no sense as HTTP.
    case invalidResponse(url: String, reason: String)
    /// A source that had begun to answer refuses to go on.
    case unexpectedStatus(url: String, status: Int)
    /// The task was cancelled.
    case cancelled(url: String)
    /// The bytes that came are not the bytes that were promised; hexadecimal digests.
    case digestMismatch(url: String, expected: String, found: String)
    /// The peer has another number of bytes than was promised.
    case sizeMismatch(url: String, expected: Int64, found: Int64)
    /// A relay lost its source for good after so many bytes.
    indirect case sourceFailed(url: String, afterBytes: Int64, cause: HTTPTransportError)
    /// The client was shut down.
    case shutDown(url: String)
    /// Another failure of libcurl, with its code.
    case other(url: String, code: Int, message: String)

    /// Where it happened, without the query.
    public var url: String {
        switch self {
        case .resolve(let url), .addressNotAllowed(let url, _), .connect(let url), .tls(let url, _), .proxy(let url, _), .timedOut(let url, _),
            .stalled(let url, _),
            .sendFailed(let url, _), .receiveFailed(let url, _, _), .bodyTooLarge(let url, _),
            .headersTooLarge(let url, _),
            .invalidResponse(let url, _), .unexpectedStatus(let url, _), .cancelled(let url),
            .digestMismatch(let url, _, _),
            .sizeMismatch(let url, _, _), .sourceFailed(let url, _, _), .shutDown(let url), .other(let url, _, _):
            url
        }
    }

    /// Whether the same request may succeed later. It does not say that the first one had no effect.
    public var isRetryable: Bool {
        switch self {
        case .resolve, .connect, .proxy, .timedOut, .stalled, .sendFailed, .receiveFailed, .other: true
        case .unexpectedStatus(_, let status): status == 408 || status == 429 || status >= 500
        case .sourceFailed(_, _, let cause): cause.isRetryable
        case .addressNotAllowed, .tls, .bodyTooLarge, .headersTooLarge, .invalidResponse, .cancelled, .digestMismatch, .sizeMismatch,
            .shutDown:
            false
        }
    }
}

extension HTTPTransportError: CustomStringConvertible {
    /// One line for people.
    public var description: String { "\(url): \(reason)" }

    private var reason: String {
        switch self {
        case .resolve: "the host's name could not be resolved"
        case .addressNotAllowed(_, let address): "the host's name leads to \(address), which is off limits"
        case .connect: "no connection could be made"
        case .tls(_, let message): "TLS failed: \(message)"
        case .proxy(_, let message): "the proxy failed: \(message)"
        case .timedOut(_, let phase): "waited too long for \(phase.rawValue)"
        case .stalled(_, let after): "no byte moved for \(after)"
        case .sendFailed(_, let sent): "the connection broke after \(sent) bytes of the body were sent"
        case .receiveFailed(_, let received, let expected):
            "the response ended after \(received) bytes" + (expected.map { " of \($0)" } ?? "")
        case .bodyTooLarge(_, let limit): "the body is larger than \(limit) bytes"
        case .headersTooLarge(_, let limit): "the header fields are larger than \(limit) bytes"
        case .invalidResponse(_, let reason): "invalid response: \(reason)"
        case .unexpectedStatus(_, let status): "answered \(status) in the middle of the download"
        case .cancelled: "cancelled"
        case .digestMismatch(_, let expected, let found): "the content's digest is \(found), not \(expected)"
        case .sizeMismatch(_, let expected, let found): "the content has \(found) bytes, not \(expected)"
        case .sourceFailed(_, let bytes, let cause): "the source failed after \(bytes) bytes: \(cause.reason)"
        case .shutDown: "the HTTP client was shut down"
        case .other(_, let code, let message): "\(message) (curl \(code))"
        }
    }
}

import Foundation

/// What happens to a request on its way through a ``FaultProxy``. Offsets count bytes of the body, without its framing.
public enum Fault: Sendable {
    /// Nothing: for counting, or as an exception before a wider rule.
    case pass
    /// The answer's body ends after that many bytes, with the connection.
    case cutResponse(afterBytes: Int)
    /// The request's body ends after that many bytes, with both connections.
    case cutRequest(afterBytes: Int)
    /// The byte at that offset of the answer's body arrives inverted.
    case flipResponseByte(at: Int)
    /// The byte at that offset of the request's body arrives inverted.
    case flipRequestByte(at: Int)
    /// The answer's body stops there; the connection stays open until the client or the proxy ends it.
    case stallResponse(afterBytes: Int)
    /// The request's body stops there; the connections stay open until the client or the proxy ends them.
    case stallRequest(afterBytes: Int)
    /// The request reaches the server and is carried out; its answer is lost with the connection.
    case loseResponse
    /// A reset, before the server sees anything.
    case reset
    /// The proxy answers itself; the server sees nothing.
    case answer(HTTPAnswer)
    /// The request waits that long.
    case delay(Duration)
    /// The request waits until ``FaultProxy/release()``.
    case hold
    /// A field of the answer gets another value; `nil` removes it.
    case rewriteResponseField(String, String?)
    /// A field of the request gets another value; `nil` removes it.
    case rewriteRequestField(String, String?)
    /// The answer's `Content-Length` is replaced, its body is not, and the connection ends after it.
    case lieContentLength(Int)
}

/// A request that came through a proxy.
public struct RecordedRequest: Sendable {
    public let method: String
    /// Path and query.
    public let target: String
    public let fields: [HeaderField]
    public var path: String { String(target.prefix { $0 != "?" }) }
    public func value(_ name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
}

/// Which requests meet which fault.
public struct FaultRule: Sendable {
    let fault: Fault
    let applies: @Sendable (RecordedRequest) -> Bool
    var passesFirst: Int
    var left: Int

    /// - Parameters:
    ///   - methods: `["GET", "HEAD"]`; empty for any.
    ///   - target: a regular expression that has to match somewhere in path and query; empty for any.
    ///   - skipping: so many matching requests pass before.
    ///   - times: so many meet the fault.
    public init(
        _ fault: Fault, methods: Set<String> = [], target: String = "", skipping: Int = 0, times: Int = .max
    ) {
        self.init(fault, skipping: skipping, times: times) { request in
            (methods.isEmpty || methods.contains(request.method))
                && (target.isEmpty || request.target.range(of: target, options: .regularExpression) != nil)
        }
    }

    /// A rule for the requests that `applies` picks.
    public init(_ fault: Fault, skipping: Int = 0, times: Int = .max, where applies: @escaping @Sendable (RecordedRequest) -> Bool) {
        self.fault = fault
        self.applies = applies
        passesFirst = skipping
        left = times
    }
}

/// What happens to every new connection, below HTTP.
public enum ConnectionFault: Sendable, Hashable {
    case none
    /// Connections end after that many bytes from the server.
    case cut(afterBytes: Int)
    /// Nothing more flows after that many bytes from the server.
    case stall(afterBytes: Int)
    /// A reset right after the connection was accepted.
    case reset
}

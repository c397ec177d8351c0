/// The request methods that registries understand.
public enum HTTPMethod: String, Hashable, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"

    /// Whether the request announces the length of its body even when that is 0.
    var hasBody: Bool {
        switch self {
        case .post, .put, .patch: true
        case .get, .head, .delete: false
        }
    }
}

/// One request. `Content-Length` and `Host` are the transport's; `Content-Type` is `application/octet-stream` unless
/// given.
public struct HTTPRequest: Hashable, Sendable {
    /// What to do.
    public var method: HTTPMethod
    /// Where.
    public var url: HTTPURL
    /// The header fields.
    public var fields: HTTPFields
    /// The body of a POST, PUT or PATCH; nil counts as empty there and is ignored elsewhere.
    public var body: [UInt8]?

    /// A request with these parts.
    public init(_ method: HTTPMethod, _ url: HTTPURL, fields: HTTPFields = HTTPFields(), body: [UInt8]? = nil) {
        self.method = method
        self.url = url
        self.fields = fields
        self.body = body
    }
}

/// What a response says before its body.
public struct HTTPResponseHead: Hashable, Sendable {
    /// The status code, 200 to 599; interim answers (1xx) are not shown.
    public let status: Int
    /// The header fields.
    public let fields: HTTPFields
    /// The URL that was asked.
    public let url: HTTPURL

    /// A head with these parts.
    public init(status: Int, fields: HTTPFields, url: HTTPURL) {
        self.status = status
        self.fields = fields
        self.url = url
    }

    /// `Content-Length` in bytes, nil when absent or no number.
    public var contentLength: Int64? {
        fields["Content-Length"].flatMap { $0.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int64($0) : nil }
    }
}

/// A whole response.
public struct HTTPResponse: Hashable, Sendable {
    /// Status, fields and URL.
    public let head: HTTPResponseHead
    /// The body.
    public let body: [UInt8]

    /// A response with these parts.
    public init(head: HTTPResponseHead, body: [UInt8]) {
        self.head = head
        self.body = body
    }

    /// The status code. A redirect is a response like any other.
    public var status: Int { head.status }
    /// The header fields.
    public var fields: HTTPFields { head.fields }
    /// The URL that was asked.
    public var url: HTTPURL { head.url }
}

/// An absolute `http` or `https` URL whose path and query are kept byte for byte, because upload sessions are signed
/// over them.
///
/// What a peer may use to mislead us is refused on entry: other schemes, user names and passwords, control characters,
/// spaces, backslashes, bytes outside ASCII, and anything over 8 KiB. A fragment is dropped: it is never sent.
public struct HTTPURL: Hashable, Sendable, CustomStringConvertible {
    /// The two schemes that are spoken.
    public enum Scheme: String, Hashable, Sendable {
        case http
        case https

        /// 80 or 443.
        public var defaultPort: Int {
            switch self {
            case .http: 80
            case .https: 443
            }
        }
    }

    /// The longest URL accepted, in bytes.
    public static let maximumLength = 8 * 1024

    /// Who is asked: scheme, host and port.
    public let origin: Origin
    /// The path as it was written; at least `/`.
    public let path: String
    /// What followed the `?` as it was written, nil when there was none.
    public let query: String?

    /// Reads an absolute URL.
    public init(parsing text: String) throws(HTTPURLError) {
        try Self.checkCharacters(text)
        guard let reference = URLReference(text), let scheme = reference.scheme, let authority = reference.authority
        else {
            throw .notAbsolute
        }
        try self.init(
            origin: Origin(scheme: Self.scheme(named: scheme), authority: authority), path: reference.path,
            query: reference.query)
    }

    init(origin: Origin, path: String, query: String?) throws(HTTPURLError) {
        self.origin = origin
        self.path = path.isEmpty ? "/" : path
        self.query = query
        guard description.utf8.count <= Self.maximumLength else { throw .tooLong(limit: Self.maximumLength) }
    }

    /// The whole URL, query included: it may hold an upload session or a signature, so it is for the wire and not for
    /// logs.
    public var description: String {
        redacted + (query.map { "?" + $0 } ?? "")
    }

    /// The URL without its query, safe in logs and errors.
    public var redacted: String {
        origin.description + path
    }

    /// The URL with `component` added to its path; a slash between them is supplied when neither has one. The query is
    /// dropped.
    ///
    /// The component is taken as written: the caller has percent-encoded what needs it.
    public func appending(path component: String) throws(HTTPURLError) -> HTTPURL {
        try Self.checkCharacters(component)
        guard !component.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) else {
            throw .invalidPath
        }
        let base = path.hasSuffix("/") ? String(path.dropLast()) : path
        let tail = component.hasPrefix("/") ? component : "/" + component
        return try HTTPURL(origin: origin, path: base + tail, query: nil)
    }

    /// The URL with `name=value` added to its query, both percent-encoded; what the query already holds is left
    /// untouched.
    public func appendingQueryItem(_ name: String, _ value: String) throws(HTTPURLError) -> HTTPURL {
        let item = Self.percentEncoded(name) + "=" + Self.percentEncoded(value)
        guard let query, !query.isEmpty else { return try HTTPURL(origin: origin, path: path, query: item) }
        let separator = query.hasSuffix("&") ? "" : "&"
        return try HTTPURL(origin: origin, path: path, query: query + separator + item)
    }

    static func scheme(named name: String) throws(HTTPURLError) -> Scheme {
        guard let scheme = Scheme(rawValue: name.lowercased()) else { throw .unsupportedScheme(name.lowercased()) }
        return scheme
    }

    static func checkCharacters(_ text: String) throws(HTTPURLError) {
        guard text.utf8.count <= maximumLength else { throw .tooLong(limit: maximumLength) }
        for byte in text.utf8 where byte <= 0x20 || byte >= 0x7F || byte == UInt8(ascii: "\\") {
            throw .forbiddenCharacter(byte)
        }
    }

    /// Everything except RFC 3986's unreserved characters becomes `%XX`.
    static func percentEncoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.append(byte)
            default:
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}

/// Why a text is not a URL that we would ask. No case carries the URL: it may hold a session or a password.
public enum HTTPURLError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no scheme or no host.
    case notAbsolute
    /// The scheme is neither `http` nor `https`.
    case unsupportedScheme(String)
    /// A user name or password stands before the host.
    case userInformation
    /// The host is empty or has a character that no host name has.
    case invalidHost
    /// The port is not a number from 1 to 65535.
    case invalidPort
    /// A path component holds `?` or `#`.
    case invalidPath
    /// A control character, space, backslash or byte outside ASCII.
    case forbiddenCharacter(UInt8)
    /// Longer than the limit, in bytes.
    case tooLong(limit: Int)

    /// What is wrong, without the URL.
    public var description: String {
        switch self {
        case .notAbsolute: "not an absolute URL"
        case .unsupportedScheme(let name): "the scheme “\(name.prefix(16))” is not http or https"
        case .userInformation: "a URL must not hold a user name or password"
        case .invalidHost: "the host is not a host name or address"
        case .invalidPort: "the port is not a number from 1 to 65535"
        case .invalidPath: "a path component holds ? or #"
        case .forbiddenCharacter(let byte): "byte \(byte) is not allowed in a URL"
        case .tooLong(let limit): "the URL is longer than \(limit) bytes"
        }
    }
}

/// The scheme, host and port of a URL (RFC 6454 §4): what credentials and connections belong to.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// `http` or `https`.
    public let scheme: HTTPURL.Scheme
    /// The host in lower case; an IPv6 address in its brackets.
    public let host: String
    /// The port, the scheme's default when the URL named none.
    public let port: Int

    /// The origin's URL without a path; a default port is left out.
    public var description: String {
        port == scheme.defaultPort ? "\(scheme.rawValue)://\(host)" : "\(scheme.rawValue)://\(host):\(port)"
    }
}

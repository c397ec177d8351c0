public import HTTPTransport

/// What a registry is told about who we are.
public enum RegistryCredentials: Sendable, Hashable {
    case anonymous
    case basic(user: String, password: Secret)
    /// An OAuth2 refresh token (Docker's `identitytoken`).
    case identityToken(Secret)
}

/// A registry server, how it is reached, and how loud we may be.
public struct RegistryEndpoint: Sendable {
    /// The registry's name in environments.yaml; errors carry it.
    public var name: String
    public var url: HTTPURL
    /// Read for each login, so that a rotated file takes effect.
    public var credentials: @Sendable () throws -> RegistryCredentials
    public var connection: ConnectionSettings
    /// Hosts beyond the registry's own that we may talk to: `HOST`, `HOST:PORT` or `*.DOMAIN`.
    public var additionalHosts: [String]
    /// Most requests at once.
    public var concurrency: Int
    /// What is known of the registry; all clients of it share one.
    public var book: ProfileBook

    public init(
        name: String, url: HTTPURL, credentials: @escaping @Sendable () throws -> RegistryCredentials = { .anonymous },
        connection: ConnectionSettings = ConnectionSettings(), additionalHosts: [String] = [], concurrency: Int = 32,
        book: ProfileBook = ProfileBook()
    ) {
        self.name = name
        self.url = url
        self.credentials = credentials
        self.connection = connection
        self.additionalHosts = additionalHosts
        self.concurrency = concurrency
        self.book = book
    }

    /// Whether we may talk to the host of `url` on this registry's behalf.
    ///
    /// A registry on https is never left for http: what it says could be read and changed on the way.
    func allows(_ url: HTTPURL) -> Bool {
        if url.origin == self.url.origin { return true }
        if self.url.origin.scheme == .https, url.origin.scheme != .https { return false }
        return additionalHosts.contains { Self.host($0.lowercased(), matches: url.origin) }
    }

    private static func host(_ pattern: String, matches origin: Origin) -> Bool {
        if pattern.hasPrefix("*.") {
            return origin.port == origin.scheme.defaultPort && origin.host.hasSuffix(pattern.dropFirst(1)) && origin.host.count > pattern.count - 1
        }
        return pattern == "\(origin.host):\(origin.port)" || (pattern == origin.host && origin.port == origin.scheme.defaultPort)
    }
}

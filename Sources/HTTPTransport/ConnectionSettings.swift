/// How a peer is reached: deadlines, TLS, proxy, limits. Connections are shared between requests whose TLS and proxy
/// agree.
public struct ConnectionSettings: Hashable, Sendable {
    /// The longest time for name look-up, TCP and TLS together.
    public var connectTimeout: Duration = .seconds(5)
    /// The longest time without a byte in either direction; time in which we ourselves hold the transfer back does not
    /// count.
    public var stallTimeout: Duration = .seconds(30)
    /// The longest time between the last byte of a relayed body and the answer: a registry may move a large blob before
    /// it answers.
    public var commitTimeout: Duration = .seconds(300)
    /// The longest time for a request as a whole, waiting for a connection included; nil: no such limit.
    public var totalTimeout: Duration?
    /// Certificates.
    public var tls = TLSSettings()
    /// The proxy, nil for a direct connection; the process's environment is never consulted.
    public var proxy: ProxySettings?
    /// HTTP/2 over TLS where the peer offers it, for whole messages; bodies that stream use HTTP/1.1 (see
    /// ``HTTPClient``).
    public var allowsHTTP2 = true
    /// The most requests that run against one origin at once; further ones wait. Uploads of a running relay don't wait.
    public var maximumConnectionsPerHost = 32
    /// The most bytes a second and transfer in each direction; nil: no limit.
    public var bytesPerSecond: Int?
    /// What all transfers with the same limit may move together; nil: no limit.
    public var bandwidth: BandwidthLimit?

    /// The defaults named at each property.
    public init() {}
}

/// A bandwidth that many transfers of one ``HTTPClient`` share, in both directions together.
///
/// Bodies that stream are held to it. Whole messages count, but never wait: they are small, and others wait for them.
public struct BandwidthLimit: Hashable, Sendable {
    /// Whose it is: limits of the same name are one.
    public let name: String
    /// Bytes a second.
    public let bytesPerSecond: Int

    /// A limit with these parts.
    public init(name: String, bytesPerSecond: Int) {
        self.name = name
        self.bytesPerSecond = bytesPerSecond
    }
}

/// Whose certificates are trusted and which is shown. All files are PEM.
public struct TLSSettings: Hashable, Sendable {
    /// Certificate authorities trusted beside the system's.
    public var caFile: String?
    /// The certificate shown when the peer asks for one.
    public var clientCertificateFile: String?
    /// The key to it.
    public var clientKeyFile: String?

    /// The system's authorities and no client certificate, unless given.
    public init(caFile: String? = nil, clientCertificateFile: String? = nil, clientKeyFile: String? = nil) {
        self.caFile = caFile
        self.clientCertificateFile = clientCertificateFile
        self.clientKeyFile = clientKeyFile
    }
}

/// A proxy between us and the peer.
public struct ProxySettings: Hashable, Sendable {
    /// How the proxy is spoken to.
    public enum Scheme: String, Hashable, Sendable {
        /// CONNECT for https, absolute URLs for http.
        case http
        /// The same over TLS.
        case https
        /// SOCKS 5, names looked up here.
        case socks5
        /// SOCKS 5, names looked up by the proxy.
        case socks5h
    }

    /// How the proxy is spoken to.
    public let scheme: Scheme
    /// Its host, an IPv6 address in brackets.
    public let host: String
    /// Its port.
    public let port: Int
    /// Hosts, domains (`.example.org`) and networks that are reached directly.
    public var noProxy: [String] = []
    /// The name to log in with.
    public var userName: String?
    /// The password to log in with.
    public var password: Secret?

    /// Reads `http://host:3128`, `https://…`, `socks5://…` or `socks5h://…`; credentials are given apart, never in the
    /// URL.
    public init(parsing url: String) throws(HTTPURLError) {
        try HTTPURL.checkCharacters(url)
        guard let parts = URLReference(url), let name = parts.scheme, let authority = parts.authority else {
            throw .notAbsolute
        }
        guard let scheme = Scheme(rawValue: name.lowercased()) else { throw .unsupportedScheme(name.lowercased()) }
        // The default port of curl for proxies of every kind but https.
        let address = try Origin(scheme: .http, authority: authority)
        let named = authority.hasSuffix(":\(address.port)")
        self.scheme = scheme
        self.host = address.host
        self.port = named ? address.port : scheme == .https ? 443 : 1080
    }
}

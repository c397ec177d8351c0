import Foundation
import HTTPTransport

/// The way out of the network: a forward proxy, and what is reached without it.
struct OutgoingProxy: Sendable {
    private var forHTTP: ProxySettings?
    private var forHTTPS: ProxySettings?

    static let names = ["proxy", "no_proxy", "proxy_credentials_file", "proxy_credentials_env"]

    /// Everything is reached directly.
    static let none = OutgoingProxy()

    private init() {}

    /// The settings' proxy, else the one that the environment names as other tools know it: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`,
    /// in capitals or not. `proxy: none` is neither.
    ///
    /// - Throws: `ConfigurationError`, which never holds a password.
    init(_ value: (String) -> String?, environment: [String: String]) throws {
        switch value("proxy") {
        case "none": self.init()
        case let url?:
            var proxy = try Self.proxy(url, "proxy", credentials: Self.credentials(value))
            proxy.noProxy = Self.list(value("no_proxy"))
            self.init()
            (forHTTP, forHTTPS) = (proxy, proxy)
        case nil:
            if let alone = Self.names.first(where: { value($0) != nil }) { throw ConfigurationError(description: "\(alone) needs proxy: the proxy's URL") }
            try self.init(environment: environment)
        }
    }

    /// The proxy that the environment names, if any.
    init(environment: [String: String]) throws {
        func variable(_ name: String) -> String? { [environment[name.lowercased()], environment[name]].compactMap(\.self).first { !$0.isEmpty } }
        // As everywhere where these variables count, this machine itself is never reached by a proxy.
        let direct = Self.list(variable("NO_PROXY")) + ["localhost", "127.0.0.0/8", "::1"]
        func proxy(_ name: String) throws -> ProxySettings? {
            guard let text = variable(name) else { return nil }
            var proxy = try Self.proxyWithCredentials(text, name)
            proxy.noProxy = direct
            return proxy
        }
        (forHTTP, forHTTPS) = (try proxy("HTTP_PROXY"), try proxy("HTTPS_PROXY"))
    }

    /// How a URL is reached; the hosts that are reached directly are in the answer, and seen to by the transport.
    func settings(for url: HTTPURL) -> ProxySettings? { url.origin.scheme == .https ? forHTTPS : forHTTP }

    /// For programs that know the usual variables: https alone. The credentials are in it.
    var revealedVariables: [String: String] {
        guard let proxy = forHTTPS else { return [:] }
        var login = ""
        if let user = proxy.userName {
            let allowed = CharacterSet.alphanumerics
            let parts = [user, proxy.password?.reveal()].compactMap { $0?.addingPercentEncoding(withAllowedCharacters: allowed) }
            login = parts.joined(separator: ":") + "@"
        }
        return ["https_proxy": "\(proxy.scheme.rawValue)://\(login)\(proxy.host):\(proxy.port)", "no_proxy": proxy.noProxy.joined(separator: ",")]
    }

    private static func list(_ text: String?) -> [String] {
        (text ?? "").split(whereSeparator: { $0 == "," || $0 == " " }).map(String.init)
    }

    private static func proxy(_ url: String, _ name: String, credentials: String?) throws -> ProxySettings {
        guard !url.contains("@") else { throw ConfigurationError(description: "\(name) must hold no user and password: they belong into proxy_credentials_file") }
        var proxy: ProxySettings
        do { proxy = try ProxySettings(parsing: url) } catch {
            throw ConfigurationError(description: "\(name) is no proxy URL: write http://, https://, socks5:// or socks5h:// with host and port")
        }
        guard let credentials else { return proxy }
        guard let colon = credentials.firstIndex(of: ":"), colon != credentials.startIndex else {
            throw ConfigurationError(description: "the credentials of \(name) must be USER:PASSWORD")
        }
        proxy.userName = String(credentials[..<colon])
        proxy.password = Secret(String(credentials[credentials.index(after: colon)...]))
        return proxy
    }

    /// `http://user:password@host:3128`, as the environment's variables have it; without a scheme it is http.
    private static func proxyWithCredentials(_ text: String, _ name: String) throws -> ProxySettings {
        let full = text.contains("://") ? text : "http://" + text
        guard let scheme = full.range(of: "://"), let at = full.lastIndex(of: "@"), at >= scheme.upperBound else { return try proxy(trimmed(full), name, credentials: nil) }
        let login = full[scheme.upperBound..<at]
        let parts = login.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map { String($0).removingPercentEncoding }
        guard let user = parts.first ?? nil, let password = parts.count > 1 ? parts[1] : "" else {
            throw ConfigurationError(description: "\(name) holds credentials that can't be read")
        }
        return try proxy(trimmed(full[..<scheme.upperBound] + full[full.index(after: at)...]), name, credentials: "\(user):\(password)")
    }

    private static func trimmed(_ url: some StringProtocol) -> String { url.hasSuffix("/") ? String(url.dropLast()) : String(url) }

    private static func credentials(_ value: (String) -> String?) throws -> String? {
        switch (value("proxy_credentials_file"), value("proxy_credentials_env")) {
        case (nil, nil): return nil
        case (let file?, nil):
            do {
                return try String(contentsOfFile: file, encoding: .utf8).split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            } catch { throw ConfigurationError(description: "proxy_credentials_file: \(file) can't be read") }
        case (nil, let variable?):
            guard let text = ProcessInfo.processInfo.environment[variable] else {
                throw ConfigurationError(description: "proxy_credentials_env: environment variable \(variable) is not set")
            }
            return text
        default: throw ConfigurationError(description: "name one of proxy_credentials_file and proxy_credentials_env")
        }
    }
}

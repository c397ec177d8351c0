public import HTTPTypes

/// Who really asks, and by which address: the connection's own facts, or what a trusted proxy says.
public struct ClientInformation: Sendable, Hashable {
    /// The caller's internet address; nil where it can't be known.
    public var address: InternetAddress?
    /// `http` or `https`, as the caller used it, where a trusted proxy says so.
    public var scheme: String?
    /// The caller's idea of our host, with its port where it has one, where a trusted proxy says so.
    public var host: String?
    /// What the caller's paths begin with before ours: `` or `/shiplift`.
    public var prefix = ""
    /// The certificate that the caller showed; it was checked against the configured authorities.
    public var certificate: ClientCertificate?

    public init(address: InternetAddress? = nil, scheme: String? = nil, host: String? = nil, prefix: String = "", certificate: ClientCertificate? = nil) {
        self.address = address
        self.scheme = scheme
        self.host = host
        self.prefix = prefix
        self.certificate = certificate
    }

    /// Scheme, host and prefix, where a trusted proxy told the first two: `https://ci.example.com/shiplift`.
    public var base: String? {
        guard let scheme, let host else { return nil }
        return "\(scheme)://\(host)\(prefix)"
    }
}

/// A client certificate that was accepted.
public struct ClientCertificate: Sendable, Hashable {
    /// The subject's distinguished name (RFC 4514).
    public var subject: String

    public init(subject: String) { self.subject = subject }
}

/// Which proxies are believed, and which of the two kinds of fields they write.
///
/// One kind only: a proxy that writes `X-Forwarded-For` hands on a `Forwarded` that its client made up.
public struct ProxyTrust: Sendable, Hashable {
    /// The fields that trusted proxies write.
    public enum Fields: String, Sendable, CaseIterable {
        /// `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`.
        case xForwarded = "x-forwarded"
        /// `Forwarded` (RFC 7239).
        case forwarded
    }

    private let ranges: [AddressRange]
    private let fields: Fields

    /// Believes proxies with these addresses; nobody, where there are none.
    public init(_ ranges: [AddressRange] = [], fields: Fields = .xForwarded) {
        self.ranges = ranges
        self.fields = fields
    }

    private func isTrusted(_ address: InternetAddress) -> Bool { ranges.contains { $0.contains(address) } }

    /// What is to be believed of a request from `peer`.
    public func client(peer: InternetAddress?, fields given: HTTPFields) -> ClientInformation {
        guard let peer, isTrusted(peer) else { return ClientInformation(address: peer) }
        let elements: [ForwardedElement]
        switch fields {
        case .forwarded: elements = Self.forwarded(given)
        case .xForwarded: elements = Self.xForwarded(given)
        }
        var client = ClientInformation(address: peer)
        // From the last proxy to the first: each entry was written by somebody who is trusted, until the first that was not.
        for element in elements.reversed() {
            client.scheme = element.scheme.flatMap(Self.scheme) ?? client.scheme
            client.host = element.host.flatMap(Self.host) ?? client.host
            guard let node = element.node else { break }
            guard let address = Self.address(ofNode: node) else {
                client.address = nil
                break
            }
            client.address = address
            if !isTrusted(address) { break }
        }
        if fields == .xForwarded, let prefix = Self.single("X-Forwarded-Prefix", given).flatMap(BasePath.init(parsing:)) { client.prefix = prefix.text }
        return client
    }

    private static let mostElements = 64

    private static func forwarded(_ fields: HTTPFields) -> [ForwardedElement] {
        guard let text = joined("Forwarded", fields), let elements = ForwardedHeader.parse(text), elements.count <= mostElements else { return [] }
        return elements
    }

    private static func xForwarded(_ fields: HTTPFields) -> [ForwardedElement] {
        let nodes = list("X-Forwarded-For", fields)
        guard nodes.count <= mostElements else { return [] }
        let (schemes, hosts) = (list("X-Forwarded-Proto", fields), list("X-Forwarded-Host", fields))
        var elements = nodes.map { ForwardedElement(node: $0) }
        if elements.isEmpty { elements = [ForwardedElement()] }
        // One for each hop, or one that the last proxy wrote: everything else is of unknown origin but for its end.
        for index in elements.indices {
            let isLast = index == elements.indices.last
            elements[index].scheme = schemes.count == elements.count ? schemes[index] : isLast ? schemes.last : nil
            elements[index].host = hosts.count == elements.count ? hosts[index] : isLast ? hosts.last : nil
        }
        return elements
    }

    private static func joined(_ name: String, _ fields: HTTPFields) -> String? {
        guard let name = HTTPField.Name(name) else { return nil }
        let values = fields[values: name]
        let text = values.joined(separator: ",")
        return values.isEmpty || text.utf8.count > 8192 ? nil : text
    }

    private static func list(_ name: String, _ fields: HTTPFields) -> [String] {
        joined(name, fields)?.split(separator: ",", omittingEmptySubsequences: false).map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) } ?? []
    }

    private static func single(_ name: String, _ fields: HTTPFields) -> String? {
        let values = list(name, fields)
        return values.count == 1 ? values.first : nil
    }

    /// `192.0.2.43`, `192.0.2.43:47011`, `[2001:db8::1]`, `[2001:db8::1]:47011`, or the bare `2001:db8::1` of X-Forwarded-For.
    private static func address(ofNode node: String) -> InternetAddress? {
        if let address = InternetAddress(parsing: node) { return address }
        guard let colon = node.lastIndex(of: ":"), UInt16(node[node.index(after: colon)...]) != nil else { return nil }
        let host = node[..<colon]
        return host.contains(":") && !host.hasPrefix("[") ? nil : InternetAddress(parsing: host)
    }

    private static func scheme(_ text: String) -> String? {
        let lower = text.lowercased()
        return lower == "http" || lower == "https" ? lower : nil
    }

    private static func host(_ text: String) -> String? {
        guard (1...260).contains(text.utf8.count) else { return nil }
        var name = text[...]
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            guard UInt16(text[text.index(after: colon)...]) != nil else { return nil }
            name = text[..<colon]
        }
        if name.hasPrefix("[") { return InternetAddress(parsing: name) == nil ? nil : text.lowercased() }
        let isName = !name.isEmpty && name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D || $0 == 0x2E }
        return isName ? text.lowercased() : nil
    }
}

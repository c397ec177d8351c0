/// The five parts of a URI reference (RFC 3986 appendix B), as they were written. The fragment is dropped.
struct URLReference {
    var scheme: String?
    var authority: String?
    var path: String
    var query: String?

    /// Splits `text`; nil when a colon in the first segment follows something that is no scheme.
    init?(_ text: String) {
        var rest = Substring(text.prefix { $0 != "#" })
        if let end = rest.firstIndex(where: { ":/?".contains($0) }), rest[end] == ":" {
            guard Self.isScheme(rest[..<end]) else { return nil }
            scheme = String(rest[..<end])
            rest = rest[rest.index(after: end)...]
        }
        if let mark = rest.firstIndex(of: "?") {
            query = String(rest[rest.index(after: mark)...])
            rest = rest[..<mark]
        }
        if rest.hasPrefix("//") {
            let start = rest.dropFirst(2)
            let end = start.firstIndex(of: "/") ?? start.endIndex
            authority = String(start[..<end])
            rest = start[end...]
        }
        path = String(rest)
    }

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.first, first.isASCII, first.isLetter else { return false }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
    }
}

extension Origin {
    /// Reads `host[:port]`, refusing user information.
    init(scheme: HTTPURL.Scheme, authority: String) throws(HTTPURLError) {
        guard !authority.contains("@") else { throw .userInformation }
        let (host, port) = try Self.split(authority)
        guard Self.isHost(host) else { throw .invalidHost }
        self.init(scheme: scheme, host: host.lowercased(), port: try port.map(Self.number(of:)) ?? scheme.defaultPort)
    }

    private static func split(_ authority: String) throws(HTTPURLError) -> (host: String, port: Substring?) {
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw .invalidHost }
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { throw .invalidHost }
            return (String(authority[...end]), after.isEmpty ? nil : after.dropFirst())
        }
        guard let colon = authority.firstIndex(of: ":") else { return (authority, nil) }
        return (String(authority[..<colon]), authority[authority.index(after: colon)...])
    }

    /// An empty port (`host:`) is legal in RFC 3986 and means the default; here it is refused with the other mistakes.
    private static func number(of port: Substring) throws(HTTPURLError) -> Int {
        guard port.utf8.count <= 5, port.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let number = Int(port), (1...65535).contains(number)
        else { throw .invalidPort }
        return number
    }

    private static func isHost(_ host: String) -> Bool {
        if host.hasPrefix("[") {
            let address = host.dropFirst().dropLast()
            return address.contains(":") && address.allSatisfy { $0.isHexDigit && $0.isASCII || ":.".contains($0) }
        }
        guard !host.isEmpty, host.utf8.count <= 253, !host.hasPrefix("."), !host.contains("..") else { return false }
        return host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }
    }
}

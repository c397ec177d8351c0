public import Foundation
public import PolicyEngine

/// Why an issuer did not give what was asked for. Holds no secret.
public struct IssuerDocumentError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Asks issuers. No redirect is followed, and nothing is asked that is not one of the issuer's own addresses.
public protocol IssuerDocuments: Sendable {
    /// The body of a successful answer of at most `limit` bytes.
    func document(at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data

    /// Sends a form to the issuer's token endpoint; the answer's body, also where it says no.
    func exchange(_ form: [(name: String, value: String)], at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data
}

extension TrustedIssuer {
    /// Whether an address is one that this issuer's metadata may lead to: its own host, or one that the file names; encrypted, unless it is a test's.
    public func mayLead(to address: String) -> Bool {
        guard let own = URLComponents(string: issuer), let other = URLComponents(string: address), let host = other.host?.lowercased(), !host.isEmpty,
            other.user == nil, other.password == nil, other.fragment == nil, let scheme = other.scheme?.lowercased(),
            scheme == "https" || (scheme == "http" && own.scheme == "http")
        else { return false }
        func port(_ parts: URLComponents) -> Int { parts.port ?? (parts.scheme?.lowercased() == "http" ? 80 : 443) }
        if host == own.host?.lowercased(), port(other) == port(own) { return true }
        // A host that the file adds is asked encrypted only.
        guard scheme == "https" else { return false }
        return additionalHosts.contains { allowed in
            if allowed.hasPrefix("*.") { return host.hasSuffix(allowed.dropFirst(1)) && host.count > allowed.count - 1 && port(other) == 443 }
            return allowed.contains(":") ? allowed == "\(host):\(port(other))" : allowed == host && port(other) == 443
        }
    }
}

public import Foundation

/// What an issuer says of itself (OpenID Connect Discovery 1.0 §3). Addresses in it are the issuer's words: who asks them checks where they lead.
public struct ProviderMetadata: Sendable, Hashable {
    /// Largest document, in bytes.
    public static let maximumBytes = 131_072

    public let keys: String
    public let authorization: String?
    public let token: String?
    public let deviceAuthorization: String?

    /// - Throws: `malformed` where it is another issuer's: one could otherwise pass for the other.
    public init(parsing data: Data, of issuer: String) throws(TrustError) {
        let what = "the issuer's metadata"
        guard data.count <= Self.maximumBytes else { throw .tooLarge(what, limit: Self.maximumBytes) }
        let document = try JSON.parse(data, as: what)
        guard let named = document["issuer"]?.text, named.utf8.elementsEqual(issuer.utf8) else {
            throw .malformed(what, reason: "it is about '\((document["issuer"]?.text ?? "").excerpt)'")
        }
        guard let keys = document["jwks_uri"]?.text else { throw .malformed(what, reason: "it names no keys") }
        self.keys = keys
        authorization = document["authorization_endpoint"]?.text
        token = document["token_endpoint"]?.text
        deviceAuthorization = document["device_authorization_endpoint"]?.text
    }
}

/// What an issuer's token endpoint answered (RFC 6749 §5.1, §5.2).
public enum ProviderAnswer: Sendable {
    case identity(token: String)
    /// A code such as `invalid_grant`.
    case refused(String)

    /// Largest answer, in bytes.
    public static let maximumBytes = 131_072

    public init(parsing data: Data) throws(TrustError) {
        let what = "the issuer's answer"
        guard data.count <= Self.maximumBytes else { throw .tooLarge(what, limit: Self.maximumBytes) }
        let document = try JSON.parse(data, as: what)
        if let error = document["error"]?.text {
            self = .refused(error.excerpt)
        } else if let token = document["id_token"]?.text {
            self = .identity(token: token)
        } else {
            throw .malformed(what, reason: "it holds no id_token")
        }
    }
}

import Crypto
import CryptoExtras
public import Foundation

/// A public key of an issuer, for one family of algorithms.
struct WebKey: Sendable {
    fileprivate enum Kind: Sendable {
        case rsa(_RSA.Signing.PublicKey)
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
    }

    let id: String?
    /// What the issuer says that it is for; `nil` where it does not say.
    let algorithm: WebTokenAlgorithm?
    private let kind: Kind

    /// Whether a signature of this algorithm can be by this key: the key decides, the token's header does not.
    func serves(_ wanted: WebTokenAlgorithm) -> Bool {
        guard algorithm == nil || algorithm == wanted else { return false }
        switch (kind, wanted) {
        case (.rsa, .rs256), (.rsa, .rs384), (.rsa, .rs512), (.rsa, .ps256), (.rsa, .ps384), (.rsa, .ps512): return true
        case (.p256, .es256), (.p384, .es384), (.p521, .es512), (.ed25519, .edDSA): return true
        default: return false
        }
    }

    /// Whether this is a signature by this key (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
    func isValid(_ signature: Data, of message: Data, _ algorithm: WebTokenAlgorithm) -> Bool {
        guard serves(algorithm) else { return false }
        switch kind {
        case .rsa(let key):
            let parsed = _RSA.Signing.RSASignature(rawRepresentation: signature)
            switch algorithm {
            case .rs256: return key.isValidSignature(parsed, for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5)
            case .rs384: return key.isValidSignature(parsed, for: SHA384.hash(data: message), padding: .insecurePKCS1v1_5)
            case .rs512: return key.isValidSignature(parsed, for: SHA512.hash(data: message), padding: .insecurePKCS1v1_5)
            case .ps256: return key.isValidSignature(parsed, for: SHA256.hash(data: message), padding: .PSS)
            case .ps384: return key.isValidSignature(parsed, for: SHA384.hash(data: message), padding: .PSS)
            case .ps512: return key.isValidSignature(parsed, for: SHA512.hash(data: message), padding: .PSS)
            default: return false
            }
        case .p256(let key):
            return Self.parse { try P256.Signing.ECDSASignature(rawRepresentation: signature) }.map { key.isValidSignature($0, for: message) } ?? false
        case .p384(let key):
            return Self.parse { try P384.Signing.ECDSASignature(rawRepresentation: signature) }.map { key.isValidSignature($0, for: message) } ?? false
        case .p521(let key):
            return Self.parse { try P521.Signing.ECDSASignature(rawRepresentation: signature) }.map { key.isValidSignature($0, for: message) } ?? false
        case .ed25519(let key): return key.isValidSignature(signature, for: message)
        }
    }

    /// Reads a JSON Web Key (RFC 7517 §4). `nil` where it is none to verify with: another use, a kind that is not known, a shared secret.
    init?(_ json: JSON) throws(TrustError) {
        guard let members = json.members else { throw .malformed("a key of the issuer", reason: "it is no object") }
        id = members["kid"]?.text
        if let use = members["use"]?.text, use != "sig" { return nil }
        if let operations = members["key_ops"]?.items, !operations.contains(.string("verify")) { return nil }
        if let name = members["alg"]?.text {
            guard let known = WebTokenAlgorithm(rawValue: name) else { return nil }
            algorithm = known
        } else {
            algorithm = nil
        }
        switch members["kty"]?.text {
        case "RSA": kind = try Self.rsa(members)
        case "EC":
            let point = try Self.bytes(members["x"], "x") + Self.bytes(members["y"], "y")
            switch members["crv"]?.text {
            case "P-256": kind = .p256(try Self.key { try P256.Signing.PublicKey(rawRepresentation: point) })
            case "P-384": kind = .p384(try Self.key { try P384.Signing.PublicKey(rawRepresentation: point) })
            case "P-521": kind = .p521(try Self.key { try P521.Signing.PublicKey(rawRepresentation: point) })
            default: return nil
            }
        case "OKP" where members["crv"]?.text == "Ed25519":
            let point = try Self.bytes(members["x"], "x")
            kind = .ed25519(try Self.key { try Curve25519.Signing.PublicKey(rawRepresentation: point) })
        default: return nil
        }
    }

    private static func rsa(_ members: [String: JSON]) throws(TrustError) -> Kind {
        let (modulus, exponent) = (try bytes(members["n"], "n"), try bytes(members["e"], "e"))
        // A small exponent is common and no weakness of a signature; 1 would make every number a signature.
        guard exponent.count <= 4, exponent != Data([1]), exponent.last.map({ $0 & 1 == 1 }) == true else {
            throw .unusableKey(reason: "an RSA key with an exponent that is not used")
        }
        let key = try Self.key { try _RSA.Signing.PublicKey(n: modulus, e: exponent) }
        guard (2_048...8_192).contains(key.keySizeInBits) else { throw .unusableKey(reason: "an RSA key of \(key.keySizeInBits) bits") }
        return .rsa(key)
    }

    private static func bytes(_ value: JSON?, _ name: String) throws(TrustError) -> Data {
        guard let text = value?.text, text.utf8.count <= 2_048, let data = WebToken.base64URL(text), !data.isEmpty else {
            throw .malformed("a key of the issuer", reason: "'\(name)' is no base64url")
        }
        return data
    }

    private static func key<Key>(_ body: () throws -> Key) throws(TrustError) -> Key {
        do { return try body() } catch { throw .unusableKey(reason: "it is damaged") }
    }

    /// A signature that can't be parsed is as good as none.
    private static func parse<Signature>(_ body: () throws -> Signature) -> Signature? {
        do { return try body() } catch { return nil }
    }
}

/// The public keys of one issuer (RFC 7517 §5). Keys of another issuer are never looked at.
public struct WebKeySet: Sendable {
    /// Largest document, in bytes.
    public static let maximumBytes = 262_144
    static let maximumKeys = 100

    private let keys: [WebKey]

    /// Reads a set. Keys that can't verify anything here are left out; one that is damaged, and two with one id, spoil the whole: nobody could say
    /// which is meant.
    public init(parsing data: Data) throws(TrustError) {
        guard data.count <= Self.maximumBytes else { throw .tooLarge("the issuer's key set", limit: Self.maximumBytes) }
        let document = try JSON.parse(data, as: "the issuer's key set")
        guard let items = document["keys"]?.items else { throw .malformed("the issuer's key set", reason: "it has no list 'keys'") }
        guard items.count <= Self.maximumKeys else { throw .tooLarge("the number of the issuer's keys", limit: Self.maximumKeys) }
        var keys: [WebKey] = []
        for item in items { if let key = try WebKey(item) { keys.append(key) } }
        guard !keys.isEmpty else { throw .malformed("the issuer's key set", reason: "it holds no key to verify with") }
        let ids = keys.compactMap(\.id)
        guard Set(ids).count == ids.count else { throw .malformed("the issuer's key set", reason: "two keys have one 'kid'") }
        self.keys = keys
    }

    /// The key that a token names; without a name, the only one that there is.
    func key(_ id: String?) -> WebKey? {
        guard let id else { return keys.count == 1 ? keys[0] : nil }
        return keys.first { $0.id == id }
    }

    /// Whether a token's key is here.
    public func hasKey(for token: WebToken) -> Bool { key(token.keyID) != nil }
}

import Crypto
import CryptoExtras
public import Foundation
public import OCI
import SwiftASN1
import X509

/// A public key that signatures are verified with: ECDSA on P-256, P-384 and P-521, Ed25519, RSA of 2,048 bits and more.
public struct PublicKey: Sendable, Hashable {
    private enum Kind: Sendable {
        case p256(P256.Signing.PublicKey)
        case p384(P384.Signing.PublicKey)
        case p521(P521.Signing.PublicKey)
        case ed25519(Curve25519.Signing.PublicKey)
        case rsa(_RSA.Signing.PublicKey)
    }

    private let kind: Kind
    /// SubjectPublicKeyInfo in its one canonical encoding.
    public let der: Data
    /// Of `der`: the same key under two names has one fingerprint.
    public var fingerprint: OCI.Digest { OCI.Digest(hashing: der) }

    public static func == (lhs: PublicKey, rhs: PublicKey) -> Bool { lhs.der == rhs.der }
    public func hash(into hasher: inout Hasher) { hasher.combine(der) }

    /// Reads `-----BEGIN PUBLIC KEY-----`.
    public init(pem text: String) throws(TrustError) {
        guard text.utf8.count <= 16_384 else { throw .tooLarge("the public key", limit: 16_384) }
        let documents = try Encodings.pem(text, label: "PUBLIC KEY", "the public key")
        guard documents.count == 1 else { throw .malformed("the public key", reason: "there is more than one") }
        try self.init(der: documents[0])
    }

    /// Reads a SubjectPublicKeyInfo.
    public init(der: Data) throws(TrustError) {
        let key: Certificate.PublicKey
        do { key = try Certificate.PublicKey(derEncoded: Array(der)) } catch { throw .unusableKey(reason: "its kind is not known, or it is damaged") }
        try self.init(key)
    }

    init(_ key: Certificate.PublicKey) throws(TrustError) {
        if let p256 = P256.Signing.PublicKey(key) {
            kind = .p256(p256)
        } else if let p384 = P384.Signing.PublicKey(key) {
            kind = .p384(p384)
        } else if let p521 = P521.Signing.PublicKey(key) {
            kind = .p521(p521)
        } else if let ed25519 = Curve25519.Signing.PublicKey(key) {
            kind = .ed25519(ed25519)
        } else if let rsa = _RSA.Signing.PublicKey(key) {
            guard (2_048...8_192).contains(rsa.keySizeInBits) else { throw .unusableKey(reason: "an RSA key of \(rsa.keySizeInBits) bits") }
            kind = .rsa(rsa)
        } else {
            throw .unusableKey(reason: "its kind is not known")
        }
        var serializer = DER.Serializer()
        do { try serializer.serialize(key) } catch { throw .unusableKey(reason: "it can't be encoded") }
        der = Data(serializer.serializedBytes)
    }

    public var pem: String { PEMDocument(type: "PUBLIC KEY", derBytes: Array(der)).pemString + "\n" }

    /// Whether this is a signature by this key as cosign makes them: ECDSA in DER over SHA-256 or the curve's own hash, Ed25519, RSA over
    /// SHA-256 in either padding.
    func isValid(_ signature: Data, of message: Data) -> Bool {
        switch kind {
        case .p256(let key):
            guard let parsed = Self.parse({ try P256.Signing.ECDSASignature(derRepresentation: signature) }) else { return false }
            return key.isValidSignature(parsed, for: message)
        case .p384(let key):
            guard let parsed = Self.parse({ try P384.Signing.ECDSASignature(derRepresentation: signature) }) else { return false }
            return key.isValidSignature(parsed, for: message) || key.isValidSignature(parsed, for: SHA256.hash(data: message))
        case .p521(let key):
            guard let parsed = Self.parse({ try P521.Signing.ECDSASignature(derRepresentation: signature) }) else { return false }
            return key.isValidSignature(parsed, for: message) || key.isValidSignature(parsed, for: SHA256.hash(data: message))
        case .ed25519(let key): return key.isValidSignature(signature, for: message)
        case .rsa(let key):
            let parsed = _RSA.Signing.RSASignature(rawRepresentation: signature)
            let digest = SHA256.hash(data: message)
            return key.isValidSignature(parsed, for: digest, padding: .insecurePKCS1v1_5) || key.isValidSignature(parsed, for: digest, padding: .PSS)
        }
    }

    /// The one algorithm that Notation allows a key (signature-specification.md, "Algorithm Selection"); `nil` where it allows none.
    var notationAlgorithm: String? {
        switch kind {
        case .p256: "ES256"
        case .p384: "ES384"
        case .p521: "ES512"
        case .ed25519: nil
        case .rsa(let key): [2_048: "PS256", 3_072: "PS384", 4_096: "PS512"][key.keySizeInBits]
        }
    }

    /// Whether this is a JSON Web Signature by this key, with the one algorithm that `notationAlgorithm` names (RFC 7518 §3.4, §3.5).
    func isValidNotation(_ signature: Data, of message: Data) -> Bool {
        switch kind {
        case .p256(let key):
            guard let parsed = Self.parse({ try P256.Signing.ECDSASignature(rawRepresentation: signature) }) else { return false }
            return key.isValidSignature(parsed, for: message)
        case .p384(let key):
            guard let parsed = Self.parse({ try P384.Signing.ECDSASignature(rawRepresentation: signature) }) else { return false }
            return key.isValidSignature(parsed, for: message)
        case .p521(let key):
            guard let parsed = Self.parse({ try P521.Signing.ECDSASignature(rawRepresentation: signature) }) else { return false }
            return key.isValidSignature(parsed, for: message)
        case .ed25519: return false
        case .rsa(let key):
            let parsed = _RSA.Signing.RSASignature(rawRepresentation: signature)
            switch key.keySizeInBits {
            case 2_048: return key.isValidSignature(parsed, for: SHA256.hash(data: message), padding: .PSS)
            case 3_072: return key.isValidSignature(parsed, for: SHA384.hash(data: message), padding: .PSS)
            case 4_096: return key.isValidSignature(parsed, for: SHA512.hash(data: message), padding: .PSS)
            default: return false
            }
        }
    }

    /// A signature that can't be parsed is as good as none.
    private static func parse<Signature>(_ body: () throws -> Signature) -> Signature? {
        do { return try body() } catch { return nil }
    }
}

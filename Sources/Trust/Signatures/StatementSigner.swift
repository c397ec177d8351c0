import Crypto
public import Foundation
import SwiftASN1

/// The key that statements of ours are signed with: Ed25519, or ECDSA on P-256.
public struct StatementSigner: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private enum Key: Sendable {
        case ed25519(Curve25519.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
    }

    private let key: Key
    public let publicKey: PublicKey

    /// What stands before the 32 secret bytes of an Ed25519 key in PKCS#8 (RFC 8410 §7).
    private static let ed25519Prefix: [UInt8] = [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20]

    /// Reads a private key in PKCS#8 (`openssl genpkey -algorithm ed25519`, or EC on P-256).
    public init(pem text: String) throws(TrustError) {
        let der: [UInt8]
        do { der = try PEMDocument(pemString: text).derBytes } catch { throw .malformed("the private key", reason: "it is no PEM") }
        if der.starts(with: Self.ed25519Prefix), der.count == Self.ed25519Prefix.count + 32 {
            do { key = .ed25519(try Curve25519.Signing.PrivateKey(rawRepresentation: der.dropFirst(Self.ed25519Prefix.count))) } catch {
                throw .unusableKey(reason: "it is no Ed25519 key")
            }
        } else {
            do { key = .p256(try P256.Signing.PrivateKey(pemRepresentation: text)) } catch {
                throw .unusableKey(reason: "it is neither an Ed25519 key nor one on P-256")
            }
        }
        publicKey = try Self.publicKey(of: key)
    }

    /// A new Ed25519 key: its signatures are the same each time, so that signing twice makes one artifact.
    public init() throws(TrustError) {
        key = .ed25519(Curve25519.Signing.PrivateKey())
        publicKey = try Self.publicKey(of: key)
    }

    private static func publicKey(of key: Key) throws(TrustError) -> PublicKey {
        switch key {
        case .ed25519(let key):
            // SubjectPublicKeyInfo (RFC 8410 §4).
            let prefix: [UInt8] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00]
            return try PublicKey(der: Data(prefix) + key.publicKey.rawRepresentation)
        case .p256(let key): return try PublicKey(der: key.publicKey.derRepresentation)
        }
    }

    /// The secret, for the key's own file and nothing else.
    public func revealPEM() -> String {
        switch key {
        case .ed25519(let key): PEMDocument(type: "PRIVATE KEY", derBytes: Self.ed25519Prefix + Array(key.rawRepresentation)).pemString + "\n"
        case .p256(let key): key.pemRepresentation + "\n"
        }
    }

    public var algorithm: String {
        switch key {
        case .ed25519: "ed25519"
        case .p256: "ecdsa-p256-sha256"
        }
    }

    /// Signs an in-toto statement: a sigstore bundle, version 0.3, around a DSSE envelope.
    public func bundle(statement: Data) throws(TrustError) -> Data {
        let message = Envelope.message(Envelope.inTotoType, statement)
        let signature: Data
        do {
            switch key {
            case .ed25519(let key): signature = try key.signature(for: message)
            case .p256(let key): signature = try key.signature(for: message).derRepresentation
            }
        } catch { throw .unusableKey(reason: "it does not sign") }
        let hint = publicKey.der.sha256.base64EncodedString()
        let envelope =
            #"{"payload":"\#(statement.base64EncodedString())","payloadType":"\#(Envelope.inTotoType)","#
            + #""signatures":[{"keyid":"\#(hint)","sig":"\#(signature.base64EncodedString())"}]}"#
        return Data(
            #"{"mediaType":"\#(SigstoreBundle.mediaType)","verificationMaterial":{"publicKey":{"hint":"\#(hint)"},"tlogEntries":[]},"dsseEnvelope":\#(envelope)}"#
                .utf8)
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension SigstoreBundle {
    static let mediaType = "application/vnd.dev.sigstore.bundle.v0.3+json"
}

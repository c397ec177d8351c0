import Foundation
import SwiftASN1
import X509

/// The encodings in which keys, certificates and signatures come.
enum Encodings {
    /// Base64 in either alphabet (DSSE protocol.md, RFC 4648 §4 and §5), with its padding or without, and nothing else around it.
    static func base64(_ text: String, _ what: String) throws(TrustError) -> Data {
        var standard = text.replacing("-", with: "+").replacing("_", with: "/")
        if standard.utf8.count % 4 != 0, !standard.hasSuffix("=") { standard += String(repeating: "=", count: 4 - standard.utf8.count % 4) }
        guard let data = Data(base64Encoded: standard) else { throw .malformed(what, reason: "it is no base64") }
        return data
    }

    /// A member that must be a text in base64.
    static func base64(_ value: JSON?, _ what: String) throws(TrustError) -> Data {
        guard let text = value?.text else { throw .malformed(what, reason: "it is missing") }
        return try base64(text, what)
    }

    /// The documents of a PEM text, by their label.
    static func pem(_ text: String, label: String, _ what: String) throws(TrustError) -> [Data] {
        let documents: [PEMDocument]
        do { documents = try PEMDocument.parseMultiple(pemString: text) } catch { throw .malformed(what, reason: "it is no PEM") }
        guard !documents.isEmpty, documents.count <= 10, documents.allSatisfy({ $0.discriminator == label }) else {
            throw .malformed(what, reason: "it does not hold one to ten blocks '\(label)'")
        }
        return documents.map { Data($0.derBytes) }
    }

    static func certificate(der: Data) throws(TrustError) -> Certificate {
        guard der.count <= 32_768 else { throw .tooLarge("the certificate", limit: 32_768) }
        do { return try Certificate(derEncoded: Array(der)) } catch { throw .malformed("the certificate", reason: "it can't be decoded") }
    }

    static func certificates(pem text: String) throws(TrustError) -> [Certificate] {
        var certificates: [Certificate] = []
        for der in try pem(text, label: "CERTIFICATE", "the certificate") { certificates.append(try certificate(der: der)) }
        return certificates
    }
}

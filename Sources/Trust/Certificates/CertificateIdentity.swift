import Foundation
import SwiftASN1
import X509

/// Whom a certificate of a sigstore authority names (sigstore/fulcio, oid-info.md).
struct CertificateIdentity: Sendable, Hashable, CustomStringConvertible {
    /// The issuer of the identity token.
    let issuer: String
    /// The one subject alternative name.
    let subject: String

    private static let issuer1: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 57264, 1, 1]
    private static let issuer2: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 57264, 1, 8]
    private static let userName: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 57264, 1, 7]

    var description: String { "\(subject.excerpt) of \(issuer.excerpt)" }

    init(_ certificate: Certificate) throws(TrustError) {
        subject = try Self.subject(of: certificate)
        // .1 holds the bare text, .8 a DER UTF8String. Where both stand they must agree.
        let old = try certificate.extensions[oid: Self.issuer1].map { ext throws(TrustError) in try Self.text(Array(ext.value)) }
        let new = try certificate.extensions[oid: Self.issuer2].map { ext throws(TrustError) in try Self.derText(ext.value) }
        guard let issuer = new ?? old, !issuer.isEmpty else { throw .certificate(reason: "it names no issuer of the identity") }
        guard old == nil || new == nil || old == new else { throw .certificate(reason: "it names two issuers of the identity") }
        self.issuer = issuer
    }

    private static func subject(of certificate: Certificate) throws(TrustError) -> String {
        let names: SubjectAlternativeNames?
        do { names = try certificate.extensions.subjectAlternativeNames } catch { throw .certificate(reason: "its subject alternative name is damaged") }
        guard let names, names.count == 1, let name = names.first else { throw .certificate(reason: "it has not exactly one subject alternative name") }
        switch name {
        case .uniformResourceIdentifier(let text), .rfc822Name(let text): return text
        case .otherName(let other) where other.typeID == userName:
            guard let value = other.value else { throw .certificate(reason: "its subject alternative name is empty") }
            do { return String(try ASN1UTF8String(asn1Any: value)) } catch { throw .certificate(reason: "its subject alternative name is damaged") }
        default: throw .certificate(reason: "its subject alternative name is neither a URI nor an e-mail address")
        }
    }

    private static func text(_ bytes: [UInt8]) throws(TrustError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .certificate(reason: "its issuer extension is damaged") }
        return text
    }

    private static func derText(_ bytes: ArraySlice<UInt8>) throws(TrustError) -> String {
        do { return String(try ASN1UTF8String(derEncoded: Array(bytes))) } catch { throw .certificate(reason: "its issuer extension is damaged") }
    }
}

import Foundation
import OCI
import X509

/// Notation's signature envelope in JWS JSON serialization (notaryproject/specifications, signature-envelope-jws.md). Parsed, not yet believed.
struct NotationEnvelope: Sendable {
    static let maximumBytes = 1 << 20
    private static let scheme = "io.cncf.notary.signingScheme"
    private static let expiry = "io.cncf.notary.expiry"
    private static let contentType = "application/vnd.cncf.notary.payload.v1+json"
    private let header: JSON
    private let payload: Data
    private let message: Data
    private let signature: Data
    let certificate: Certificate
    let intermediates: [Certificate]

    init(parsing data: Data) throws(TrustError) {
        guard data.count <= Self.maximumBytes else { throw .tooLarge("the Notation signature", limit: Self.maximumBytes) }
        let document = try JSON.parse(data, as: "the Notation signature")
        guard let protected = document["protected"]?.text, let payload = document["payload"]?.text, let chain = document["header"]?["x5c"]?.items else {
            throw .malformed("the Notation signature", reason: "it lacks protected, payload or header.x5c")
        }
        header = try JSON.parse(try Encodings.base64(protected, "the protected header"), as: "the protected header")
        self.payload = try Encodings.base64(payload, "the Notation payload")
        message = Data("\(protected).\(payload)".utf8)
        signature = try Encodings.base64(document["signature"], "the Notation signature")
        guard chain.count <= CodeSigningChain.maximumLength else { throw .tooLarge("the certificate chain", limit: CodeSigningChain.maximumLength) }
        var certificates: [Certificate] = []
        for item in chain { certificates.append(try Encodings.certificate(der: try Encodings.base64(item, "a certificate of the Notation signature"))) }
        guard let leaf = certificates.first else { throw .malformed("the Notation signature", reason: "it has no certificate") }
        certificate = leaf
        intermediates = Array(certificates.dropFirst())
    }

    /// Checks everything. Without a trusted timestamp the chain must be valid now: the signing time in it is the signer's own word.
    func check(_ expected: Digest, roots: [Certificate], at now: Date) async throws(TrustError) {
        let key = try PublicKey(certificate.publicKey)
        let algorithm = header["alg"]?.text ?? ""
        guard let demanded = key.notationAlgorithm, algorithm == demanded else {
            throw .otherType(signed: algorithm, expected: key.notationAlgorithm ?? "a key that Notation allows")
        }
        guard key.isValidNotation(signature, of: message) else { throw .badSignature("the Notation signature") }
        try checkHeader(now)
        _ = try await CodeSigningChain.validate(certificate, intermediates: intermediates, roots: roots, at: now)
        let artifact = try JSON.parse(payload, as: "the Notation payload")["targetArtifact"]
        guard let digest = artifact?["digest"]?.text else { throw .malformed("the Notation payload", reason: "it names no targetArtifact.digest") }
        guard digest == expected.description else { throw .otherArtifact(signed: digest, expected: expected) }
    }

    private func checkHeader(_ now: Date) throws(TrustError) {
        let critical = header["crit"]?.items?.compactMap(\.text) ?? []
        let understood = [Self.scheme, Self.expiry]
        if let unknown = critical.first(where: { !understood.contains($0) }) {
            throw .malformed("the protected header", reason: "its critical member '\(unknown.excerpt)' is not understood")
        }
        guard critical.contains(Self.scheme), critical.allSatisfy({ header[$0] != nil }), Set(critical).count == critical.count else {
            throw .malformed("the protected header", reason: "its list of critical members does not fit it")
        }
        guard header["cty"]?.text == Self.contentType else { throw .otherType(signed: header["cty"]?.text ?? "", expected: Self.contentType) }
        guard header[Self.scheme]?.text == "notary.x509" else { throw .otherType(signed: header[Self.scheme]?.text ?? "", expected: "notary.x509") }
        guard let expiry = header[Self.expiry] else { return }
        guard critical.contains(Self.expiry) else { throw .malformed("the protected header", reason: "its expiry is not critical") }
        let end: Date
        do { end = try Date(expiry.text ?? "", strategy: .iso8601) } catch { throw .malformed("the protected header", reason: "its expiry is no time") }
        guard now < end else { throw .outsideValidity("the signature, which expired at \(end.ISO8601Format()),", at: now) }
    }
}

import Foundation
import X509

/// A signature of sigstore's kinds, taken apart. Parsed, not yet believed.
struct SignedMaterial: Sendable {
    enum Form: Sendable {
        case simpleSigning
        case envelope(Envelope)
    }

    let form: Form
    /// What the signature is over.
    let message: Data
    /// What is said, inside the message.
    let payload: Data
    let signatures: [Data]
    var certificate: Certificate?
    var intermediates: [Certificate] = []
    var entries: [LogEntry] = []
    /// Whether each log entry must come with an inclusion proof.
    var needsProof = false

    /// Of the layouts of cosign's tag scheme (cosign, SIGNATURE_SPEC.md).
    init(simpleSigning payload: Data, annotations: [String: String]) throws(TrustError) {
        guard payload.count <= SimpleSigning.maximumBytes else { throw .tooLarge("the signed payload", limit: SimpleSigning.maximumBytes) }
        guard let signature = annotations["dev.cosignproject.cosign/signature"] else { throw .malformed("the signature", reason: "it is missing") }
        form = .simpleSigning
        message = payload
        self.payload = payload
        signatures = [try Encodings.base64(signature, "the signature")]
        try readCertificate(annotations)
    }

    init(envelope data: Data, annotations: [String: String]) throws(TrustError) {
        let envelope = try Envelope(parsing: data)
        self.init(envelope)
        try readCertificate(annotations)
    }

    init(_ envelope: Envelope) {
        form = .envelope(envelope)
        message = envelope.message
        payload = envelope.payload
        signatures = envelope.signatures
    }

    private mutating func readCertificate(_ annotations: [String: String]) throws(TrustError) {
        if let pem = annotations["dev.sigstore.cosign/certificate"], !pem.isEmpty {
            let found = try Encodings.certificates(pem: pem)
            certificate = found[0]
            intermediates = Array(found.dropFirst())
        }
        if let pem = annotations["dev.sigstore.cosign/chain"], !pem.isEmpty { intermediates += try Encodings.certificates(pem: pem) }
        if let entry = annotations["dev.sigstore.cosign/bundle"], !entry.isEmpty { entries = [try LogEntry(annotation: entry)] }
    }
}

/// A sigstore bundle (sigstore/protobuf-specs, sigstore_bundle.proto), versions 0.1 to 0.3, as JSON.
enum SigstoreBundle {
    static let maximumBytes = 24 << 20

    static func parse(_ data: Data) throws(TrustError) -> SignedMaterial {
        guard data.count <= maximumBytes else { throw .tooLarge("the sigstore bundle", limit: maximumBytes) }
        let document = try JSON.parse(data, as: "the sigstore bundle")
        let version = try version(document["mediaType"]?.text ?? "")
        guard let content = document["dsseEnvelope"], document["messageSignature"] == nil else {
            throw .malformed("the sigstore bundle", reason: "it holds no DSSE envelope: images are signed with statements")
        }
        let envelope = try Envelope(content)
        guard envelope.signatures.count == 1 else { throw .malformed("the sigstore bundle", reason: "its envelope has not exactly one signature") }
        var material = SignedMaterial(envelope)
        guard let proofs = document["verificationMaterial"] else { throw .malformed("the sigstore bundle", reason: "it has no verificationMaterial") }
        try readCertificate(proofs, version, &material)
        let entries = proofs["tlogEntries"]?.items ?? []
        guard entries.count <= LogEntry.maximumEntries else { throw .tooLarge("the bundle's list of log entries", limit: LogEntry.maximumEntries) }
        for entry in entries { material.entries.append(try LogEntry(bundled: entry)) }
        material.needsProof = version > 1
        return material
    }

    private static func version(_ mediaType: String) throws(TrustError) -> Int {
        for version in 1...3 {
            if mediaType == "application/vnd.dev.sigstore.bundle+json;version=0.\(version)" || mediaType == "application/vnd.dev.sigstore.bundle.v0.\(version)+json" {
                return version
            }
        }
        throw .malformed("the sigstore bundle", reason: "its version is not known")
    }

    private static func readCertificate(_ proofs: JSON, _ version: Int, _ material: inout SignedMaterial) throws(TrustError) {
        let what = "the bundle's certificate"
        if let single = proofs["certificate"] {
            material.certificate = try Encodings.certificate(der: try Encodings.base64(single["rawBytes"], what))
        } else if let chain = proofs["x509CertificateChain"] {
            guard version < 3 else { throw .malformed("the sigstore bundle", reason: "version 0.3 holds one certificate and no chain") }
            var certificates: [Certificate] = []
            for item in chain["certificates"]?.items ?? [] {
                guard certificates.count < CodeSigningChain.maximumLength else { throw .tooLarge("the certificate chain", limit: CodeSigningChain.maximumLength) }
                certificates.append(try Encodings.certificate(der: try Encodings.base64(item["rawBytes"], what)))
            }
            guard let leaf = certificates.first else { throw .malformed("the sigstore bundle", reason: "its certificate chain is empty") }
            material.certificate = leaf
            material.intermediates = Array(certificates.dropFirst())
        } else if proofs["publicKey"] == nil {
            throw .malformed("the sigstore bundle", reason: "it names neither certificate nor key")
        }
    }
}

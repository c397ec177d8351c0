import Foundation
import OCI
import Testing

@testable import Trust

/// What Fixtures/make.py made: signatures by an implementation that is not ours.
struct Samples {
    struct File: Decodable {
        struct Case: Decodable {
            let form: String
            let bytes: Data
            let annotations: [String: String]
        }
        let digest: String
        let repository: String
        let cases: [String: Case]
    }

    static let shared = Result { try Samples() }
    let file: File
    let digest: OCI.Digest
    let root: TrustedRoot
    /// When it is now: a month after the samples were signed.
    let now = Date(timeIntervalSince1970: 1_780_315_200)

    init() throws {
        file = try JSONDecoder().decode(File.self, from: try Self.data("materials.json"))
        digest = try Digest(parsing: file.digest)
        root = try TrustedRoot(parsing: try Self.data("trusted_root.json"))
    }

    static func data(_ name: String) throws -> Data {
        let folder = try #require(Bundle.module.resourceURL)
        return try Data(contentsOf: folder.appendingPathComponent("Fixtures").appendingPathComponent(name))
    }

    static func key(_ name: String) throws -> PublicKey { try PublicKey(pem: String(decoding: try data(name + ".pub"), as: UTF8.self)) }

    static let keyNames = ["p256", "p384", "p521", "ed25519", "rsa2048", "rsa4096"]
    static let issuer = "https://token.actions.githubusercontent.com"
    static let workflow = "https://github.com/shop/api/.github/workflows/build.yml@refs/heads/main"

    /// A signer for each key, for the workflow and for the Notation certificates; all are bound to the repository where the form names one.
    func signers() throws -> [Signer] {
        let repository = NamePattern(exactly: file.repository)
        var signers = try Self.keyNames.map { Signer(name: $0, method: .key(try Self.key($0)), repository: repository) }
        signers.append(
            Signer(name: "ci", method: .keyless(issuer: Self.issuer, subject: NamePattern(exactly: Self.workflow), root: root), repository: repository))
        let store = try TrustStore(pem: [String(decoding: try Self.data("notary-root.pem"), as: UTF8.self)])
        signers.append(Signer(name: "notary", method: .notation(subject: NamePattern(exactly: "CN=release,O=sigstore.test"), store: store)))
        return signers
    }

    func attachment(_ name: String) throws -> SignedAttachment {
        let found = try #require(file.cases[name], "no sample \(name)")
        switch found.form {
        case "simple": return SignedAttachment(.simpleSigning(found.bytes), annotations: found.annotations)
        case "envelope": return SignedAttachment(.envelope(found.bytes), annotations: found.annotations)
        case "bundle": return SignedAttachment(.bundle(found.bytes))
        case "notation": return SignedAttachment(.notation(found.bytes))
        default: throw SampleError(name: name)
        }
    }

    func verify(_ name: String, by signers: [Signer]? = nil, about digest: OCI.Digest? = nil, at time: Date? = nil) async throws -> [Verification] {
        await SignatureVerifier(signers: try signers ?? self.signers()).verify(try attachment(name), about: digest ?? self.digest, at: time ?? now)
    }
}

struct SampleError: Error { let name: String }

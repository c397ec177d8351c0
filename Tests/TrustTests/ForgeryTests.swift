import Foundation
import OCI
import Testing

@testable import Trust

/// A forged sample, whose it claims to be, and what the refusal says.
struct Forgery: Sendable, CustomTestStringConvertible {
    let name: String
    let signer: String?
    let reason: String
    var testDescription: String { name }

    init(_ name: String, _ signer: String?, _ reason: String) {
        self.name = "forged-" + name
        self.signer = signer
        self.reason = reason
    }
}

@Suite("What is forged")
struct ForgeryTests {
    static let forgeries = [
        // Simple signing
        Forgery("other-digest", "p256", "it was signed for sha256:b2b2"),
        Forgery("other-repository", "p256", "it was signed for the repository 'registry.example.com/prod/shop/api-evil'"),
        Forgery("repository-elsewhere", "p256", "it was signed for the repository 'evil.example/registry.example.com"),
        Forgery("type", "p256", "it was signed as 'atomic container signature'"),
        Forgery("duplicate-keys", "p256", "the key 'critical' stands twice"),
        Forgery("duplicate-digest", "p256", "the key 'docker-manifest-digest' stands twice"),
        Forgery("escaped-duplicate", "p256", "the key 'docker-manifest-digest' stands twice"),
        Forgery("payload-changed", nil, "by no key that is trusted"),
        Forgery("signature-changed", nil, "by no key that is trusted"),
        Forgery("stranger", nil, "by no key that is trusted"),
        Forgery("no-base64", nil, "the signature is malformed: it is no base64"),
        Forgery("no-signature", nil, "the signature is malformed: it is missing"),
        Forgery("no-json", "p256", "the signed payload is malformed"),
        Forgery("trailing", "p256", "something follows its end"),
        Forgery("capital-digest", "p256", "it was signed for sha256:A1A1"),
        Forgery("no-digest", "p256", "it names no docker-manifest-digest"),
        Forgery("deep", "p256", "it is nested too deeply"),
        Forgery("key-logged-other-key", "retired", "the entry is about another key or certificate"),
        // Statements
        Forgery("dsse-type-signed", "p256", "it was signed as 'text/plain'"),
        Forgery("dsse-type-changed", nil, "by no key that is trusted"),
        Forgery("dsse-other-subject", "p256", "it was signed for sha256:b2b2"),
        Forgery("dsse-sha1-only", "p256", "it was signed for sha1:"),
        Forgery("dsse-sha512-label", "p256", "it was signed for sha512:a1a1"),
        Forgery("dsse-no-subject", "p256", "it has no subject"),
        Forgery("dsse-subject-flood", "p256", "the list of subjects is larger than the limit of 1024"),
        Forgery("dsse-statement-type", "p256", "it was signed as 'https://in-toto.io/Statement/v9'"),
        Forgery("dsse-duplicate-predicate-type", "p256", "the key 'predicateType' stands twice"),
        Forgery("dsse-no-signatures", nil, "it has no signature"),
        Forgery("dsse-stranger", nil, "by no key that is trusted"),
        Forgery("dsse-keyid", nil, "by no key that is trusted"),
        Forgery("dsse-body-signed", nil, "by no key that is trusted"),
        Forgery("dsse-signature-flood", nil, "list of signatures is larger than the limit of 16"),
        // cosign's tags, keyless
        Forgery("tag-no-entry", "ci", "there is no entry of the log"),
        Forgery("tag-entry-of-other", "ci", "the entry is about something else that was signed"),
        Forgery("tag-time", "ci", "the log's promise (SET) does not verify"),
        Forgery("tag-other-digest", "ci", "it was signed for sha256:b2b2"),
        // The certificate's names
        Forgery("san-prefix", nil, "refs/heads/main.evil.example of https://token.actions.githubusercontent.com, who is not trusted"),
        Forgery("san-query", nil, "https://evil.example/?https://github.com/shop/api"),
        Forgery("san-twice", nil, "it has not exactly one subject alternative name"),
        Forgery("san-dns", nil, "neither a URI nor an e-mail address"),
        Forgery("issuer", nil, "of https://token.evil.example, who is not trusted"),
        Forgery("issuer-twice", nil, "it names two issuers of the identity"),
        Forgery("no-issuer", nil, "it names no issuer of the identity"),
        // The certificate and its chain
        Forgery("certificate-outside-validity", "ci", "it is valid from 2026-05-01T12:00:00Z to 2026-05-01T12:10:00Z, not at 2026-05-01T13:01:00Z"),
        Forgery("certificate-before-validity", "ci", "not at 2026-05-01T11:01:00Z"),
        Forgery("critical-extension", "ci", "it has the critical extension 1.2.3.4, which is not understood"),
        Forgery("authority-as-leaf", "ci", "it belongs to an authority, which signs no images"),
        Forgery("self-signed", "ci", "no chain leads from it to a pinned root"),
        Forgery("other-root", "ci", "no chain leads from it to a pinned root"),
        Forgery("no-code-signing", "ci", "its key is not for signing code (extendedKeyUsage)"),
        Forgery("no-digital-signature", "ci", "its key may not make signatures (keyUsage)"),
        Forgery("path-too-long", "ci", "allows 0 authorities below itself, and there are 1"),
        Forgery("issuer-expired", "ci", "its issuer 'CN=expired,O=sigstore.test' is valid from"),
        Forgery("issuer-usage", "ci", "may not issue certificates for signing code (extendedKeyUsage)"),
        Forgery("issuer-key-usage", "ci", "may not issue certificates (keyUsage)"),
        Forgery("chain-in-v03", nil, "version 0.3 holds one certificate and no chain"),
        // Signed certificate timestamps
        Forgery("sct-missing", "ci", "it has no timestamp of a pinned certificate transparency log"),
        Forgery("sct-key", "ci", "the signed certificate timestamp does not verify"),
        Forgery("sct-unknown-log", "ci", "it has no timestamp of a pinned certificate transparency log"),
        Forgery("sct-copied", "ci", "the signed certificate timestamp does not verify"),
        Forgery("sct-issuer", "ci", "the signed certificate timestamp does not verify"),
        Forgery("sct-late", "ci", "the certificate transparency log's key does not count at 2031-01-01"),
        Forgery("sct-damaged", "ci", "the list of signed certificate timestamps is malformed: it ends too early"),
        // The transparency log
        Forgery("set-time", "ci", "the log's promise (SET) does not verify"),
        Forgery("set-key", "ci", "the log's promise (SET) does not verify"),
        Forgery("entry-other-artifact", "ci", "the entry is about something else that was signed"),
        Forgery("entry-other-signature", "ci", "the entry is about another signature"),
        Forgery("entry-other-certificate", "ci", "the entry is about another key or certificate"),
        Forgery("entry-kind", "ci", "the entry is of the kind 'rpm 0.0.1'"),
        Forgery("entry-unpinned-log", "ci", "the entry is of a log that is not pinned"),
        Forgery("proof-path", "ci", "the inclusion proof does not lead from the entry to the root"),
        Forgery("proof-missing", "ci", "the entry has no inclusion proof"),
        Forgery("proof-no-checkpoint", nil, "the inclusion proof has no checkpoint"),
        Forgery("checkpoint-other-log", "ci", "the checkpoint is not signed by the pinned log"),
        Forgery("checkpoint-key", "ci", "the checkpoint does not verify"),
        Forgery("checkpoint-other-tree", "ci", "the checkpoint is of another tree than the inclusion proof"),
        Forgery("no-entries", "ci", "there is no entry of the log"),
        Forgery("no-promise", "ci", "no log promises when it was signed"),
        Forgery("log-key-expired", "ci", "the log's key does not count at 2031-01-01"),
        // Bundles
        Forgery("bundle-version", nil, "its version is not known"),
        Forgery("bundle-message", nil, "it holds no DSSE envelope"),
        Forgery("bundle-two-signatures", nil, "its envelope has not exactly one signature"),
        Forgery("bundle-payload", "ci", "the entry is about something else that was signed"),
        Forgery("bundle-other-digest", "ci", "it was signed for sha256:b2b2"),
        // Notation
        Forgery("notation-none", "notary", "it was signed as 'none', not as 'ES256'"),
        Forgery("notation-hmac", "notary", "it was signed as 'HS256', not as 'ES256'"),
        Forgery("notation-pkcs1", "notary", "it was signed as 'RS256', not as 'PS256'"),
        Forgery("notation-algorithm", "notary", "it was signed as 'ES384', not as 'ES256'"),
        Forgery("notation-critical", "notary", "its critical member 'io.cncf.notary.verificationPlugin' is not understood"),
        Forgery("notation-critical-absent", "notary", "its list of critical members does not fit it"),
        Forgery("notation-expiry-hidden", "notary", "its expiry is not critical"),
        Forgery("notation-expired", "notary", "which expired at 2026-05-02T00:00:00Z, does not count"),
        Forgery("notation-other-digest", "notary", "it was signed for sha256:b2b2"),
        Forgery("notation-payload", "notary", "the Notation signature does not verify"),
        Forgery("notation-scheme", "notary", "it was signed as 'notary.x509.signingAuthority'"),
        Forgery("notation-content-type", "notary", "it was signed as 'text/plain'"),
        Forgery("notation-usage", "notary", "its key is not for signing code"),
        Forgery("notation-certificate-expired", "notary", "it is valid from 2024-01-01T00:00:00Z to 2025-01-01T00:00:00Z"),
        Forgery("notation-root", "notary", "no chain leads from it to a pinned root"),
        Forgery("notation-subject", nil, "who is not trusted"),
    ]

    @Test("is refused with its reason", arguments: forgeries)
    func refused(_ forgery: Forgery) async throws {
        let samples = try Samples.shared.get()
        var signers = try samples.signers()
        if forgery.signer == "retired" { signers = [Signer(name: "retired", method: .key(try Samples.key("p256")), root: samples.root)] }
        let found = try await samples.verify(forgery.name, by: signers)
        #expect(found.count == 1 && found[0].signer == forgery.signer)
        let reason = found[0].failure?.description ?? "it was let through"
        #expect(reason.contains(forgery.reason), "\(reason)")
        switch found[0].content {
        case .unverified: break
        case .signature, .statement: Issue.record("something of it is taken for true")
        }
    }

    @Test("each sample that is forged stands in the table")
    func complete() throws {
        let forged = try Samples.shared.get().file.cases.keys.filter { $0.hasPrefix("forged-") }
        #expect(Set(Self.forgeries.map(\.name)) == Set(forged) && Self.forgeries.count == forged.count)
        #expect(forged.count >= 30)
    }

    @Test("a genuine signature is worth nothing for another image", arguments: ["simple-p256", "dsse-slsa1", "keyless-sign", "keyless-tag", "notation-es256", "key-bundle"])
    func otherImage(_ name: String) async throws {
        let other = try Digest(parsing: "sha256:" + String(repeating: "c3", count: 32))
        let found = try await Samples.shared.get().verify(name, about: other)
        #expect(found.first?.failure?.description.contains("not for \(other)") == true)
    }

    @Test("nobody trusted: nothing counts")
    func emptyTrust() async throws {
        for name in ["simple-p256", "keyless-sign", "notation-es256"] {
            let found = try await Samples.shared.get().verify(name, by: [])
            #expect(found.count == 1 && found[0].signer == nil && found[0].failure != nil)
        }
        #expect(throws: TrustError.self) { try TrustStore(pem: []) }
        let empty = try TrustedRoot(parsing: Data(#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#.utf8))
        let signer = Signer(name: "ci", method: .keyless(issuer: Samples.issuer, subject: NamePattern(exactly: Samples.workflow), root: empty))
        let found = try await Samples.shared.get().verify("keyless-sign", by: [signer])
        #expect(found.first?.failure?.description.contains("a log that is not pinned") == true)
    }

    @Test(
        "what is too large is not read",
        arguments: [SignedAttachment.Form.simpleSigning(Data(count: 2 << 20)), .envelope(Data(count: 17 << 20)), .bundle(Data(count: 25 << 20)), .notation(Data(count: 2 << 20))])
    func huge(_ form: SignedAttachment.Form) async throws {
        let samples = try Samples.shared.get()
        let found = await SignatureVerifier(signers: try samples.signers()).verify(SignedAttachment(form), about: samples.digest, at: samples.now)
        #expect(found.first?.failure?.description.contains("is larger than the limit") == true)
    }

    @Test("keys that are weak or of another curve are refused", arguments: ["rsa1024", "secp256k1"])
    func weak(_ name: String) throws {
        #expect { try Samples.key(name) } throws: { ($0 as? TrustError)?.description.hasPrefix("the key can't be used") == true }
    }

    @Test("damaged at any place, nothing traps and nothing counts", arguments: ["simple-p256", "dsse-slsa1", "keyless-sign", "keyless-tag", "notation-es256"])
    func damaged(_ name: String) async throws {
        let samples = try Samples.shared.get()
        let genuine = try samples.attachment(name)
        let verifier = SignatureVerifier(signers: try samples.signers())
        var random = Seeded(state: 7)
        for _ in 0..<300 {
            let found = await verifier.verify(genuine.damaged(&random), about: samples.digest, at: samples.now)
            #expect(!found.isEmpty)
            // What changed may be insignificant (white space, an unsigned hint), but never what it says.
            for verification in found where verification.failure == nil { #expect(verification.signer != nil) }
        }
    }
}

/// A generator that repeats itself.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}

extension SignedAttachment {
    /// Some bytes changed, cut off or doubled.
    func damaged(_ random: inout Seeded) -> SignedAttachment {
        func damage(_ data: Data) -> Data {
            var bytes = [UInt8](data)
            switch Int.random(in: 0..<3, using: &random) {
            case 0: bytes = Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
            case 1:
                let place = Int.random(in: 0..<bytes.count, using: &random)
                bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
            default: for _ in 0..<3 { bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            }
            return Data(bytes)
        }
        let changed: Form =
            switch form {
            case .simpleSigning(let data): .simpleSigning(damage(data))
            case .envelope(let data): .envelope(damage(data))
            case .bundle(let data): .bundle(damage(data))
            case .notation(let data): .notation(damage(data))
            }
        return SignedAttachment(changed, annotations: annotations.mapValues { String(decoding: damage(Data($0.utf8)), as: UTF8.self) })
    }
}

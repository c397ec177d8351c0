import Foundation
import OCI
import Testing

@testable import Trust

@Suite("What is signed as it should be")
struct GenuineTests {
    @Test(
        "image signatures verify, each for its signer alone",
        arguments: [
            ("simple-p256", "p256"), ("simple-p384", "p384"), ("simple-p384-sha384", "p384"), ("simple-p521", "p521"), ("simple-ed25519", "ed25519"),
            ("simple-rsa2048", "rsa2048"), ("simple-rsa2048-pss", "rsa2048"), ("simple-rsa4096", "rsa4096"), ("key-bundle", "p256"), ("key-logged", "p256"),
            ("keyless-sign", "ci"), ("keyless-intoto-entry", "ci"), ("keyless-v02-chain", "ci"), ("keyless-old-issuer-only", "ci"),
            ("keyless-new-issuer-only", "ci"), ("keyless-tag", "ci"), ("keyless-aia", "ci"), ("keyless-rsa", "ci"), ("notation-es256", "notary"),
            ("notation-es384", "notary"), ("notation-ps256", "notary"), ("notation-ps512", "notary"), ("notation-expiry", "notary"),
        ])
    func signature(_ name: String, _ signer: String) async throws {
        let samples = try Samples.shared.get()
        let found = try await samples.verify(name)
        #expect(found.map(\.signer) == [signer] && found.first?.failure == nil, "\(found.first?.failure?.description ?? "")")
        #expect(found.first?.content == .signature)
    }

    @Test(
        "statements verify and say what they are",
        arguments: [
            ("dsse-slsa02", PredicateType.provenance), ("dsse-slsa1", .provenance), ("dsse-spdx", .spdx), ("dsse-cyclonedx", .cyclonedx),
            ("dsse-vuln", .vulnerabilities), ("dsse-many-subjects", .provenance), ("dsse-urlsafe", .provenance), ("dsse-slsa1-ed25519", .provenance),
            ("keyless-provenance", .provenance),
        ])
    func statement(_ name: String, _ kind: PredicateType) async throws {
        let found = try await Samples.shared.get().verify(name)
        guard case .statement(let statement) = found.first?.content else {
            Issue.record("\(name): \(found.first?.failure?.description ?? "nothing")")
            return
        }
        #expect(statement.kind == kind)
    }

    @Test("provenance of both versions says builder, source, ref and workflow", arguments: ["dsse-slsa02", "dsse-slsa1", "keyless-provenance"])
    func provenance(_ name: String) async throws {
        let found = try await Samples.shared.get().verify(name)
        guard case .statement(let statement) = found.first?.content else {
            Issue.record("\(found)")
            return
        }
        let provenance = try statement.provenance()
        #expect(provenance.builder == "https://github.com/actions/runner/github-hosted")
        #expect(provenance.source == "https://github.com/shop/api" && provenance.ref == "refs/heads/main")
        #expect(provenance.workflow == "shop/api/.github/workflows/build.yml@refs/heads/main")
    }

    @Test("the predicate is kept byte for byte")
    func predicate() async throws {
        let found = try await Samples.shared.get().verify("dsse-spdx")
        guard case .statement(let statement) = found.first?.content else {
            Issue.record("\(found)")
            return
        }
        #expect(String(decoding: statement.predicate, as: UTF8.self) == #"{"spdxVersion":"SPDX-2.3"}"#)
    }

    @Test("the log's promise says when it was signed")
    func time() async throws {
        let found = try await Samples.shared.get().verify("keyless-sign")
        #expect(found.first?.signedAt == Date(timeIntervalSince1970: 1_777_636_860))
    }

    @Test("a key's life counts at the time that a pinned log promises, else now")
    func rotation() async throws {
        let samples = try Samples.shared.get()
        let key = try Samples.key("p256")
        let end = Date(timeIntervalSince1970: 1_777_700_000)
        let retired = Signer(name: "old", method: .key(key), root: samples.root, validUntil: end)
        #expect(try await samples.verify("key-logged", by: [retired]).first?.failure == nil)
        #expect(try await samples.verify("simple-p256", by: [retired]).first?.failure == .outsideValidity("a signature of old", at: samples.now))
        let unpinned = Signer(name: "old", method: .key(key), validUntil: end)
        #expect(try await samples.verify("key-logged", by: [unpinned]).first?.failure == .outsideValidity("a signature of old", at: samples.now))
        let future = Signer(name: "new", method: .key(key), validFrom: samples.now.addingTimeInterval(1))
        #expect(try await samples.verify("simple-p256", by: [future]).first?.failure == .outsideValidity("a signature of new", at: samples.now))
    }

    @Test("one key under two names has one identity")
    func sameKey() async throws {
        let key = try Samples.key("p256")
        let signers = ["one", "two"].map { Signer(name: $0, method: .key(key)) }
        let found = try await Samples.shared.get().verify("simple-p256", by: signers)
        #expect(found.map(\.signer) == ["one", "two"] && Set(found.map(\.identity)).count == 1)
    }
}

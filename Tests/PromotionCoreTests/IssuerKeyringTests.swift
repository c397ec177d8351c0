import AuditLog
import Foundation
import PolicyEngine
import Synchronization
import TestSupport
import Testing
import Trust

@testable import PromotionCore

/// An issuer whose answers a test sets, and a clock that it moves.
private final class Issuer: IssuerDocuments {
    struct State {
        var keys: [IssuerKey]
        var isDown = false
        var asked: [String] = []
        var metadata: String?
        var time = Date(timeIntervalSince1970: 1_800_000_000)
    }

    let state: Mutex<State>

    init(_ keys: [IssuerKey]) { state = Mutex(State(keys: keys)) }

    func document(at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data {
        let now = state.withLock { state in
            state.asked.append(url)
            return state
        }
        if now.isDown { throw IssuerDocumentError("it is down") }
        do {
            if url.hasSuffix("openid-configuration") {
                return Data((now.metadata ?? #"{"issuer":"\#(issuer.issuer)","jwks_uri":"\#(issuer.issuer)/jwks"}"#).utf8)
            }
            return Data(#"{"keys":[\#(try now.keys.map { try $0.jwk() }.joined(separator: ","))]}"#.utf8)
        } catch { throw IssuerDocumentError("\(error)") }
    }

    func exchange(_ form: [(name: String, value: String)], at url: String, of issuer: TrustedIssuer, limit: Int) async throws(IssuerDocumentError) -> Data { Data() }

    var looks: Int { state.withLock { $0.asked.count { $0.hasSuffix("/jwks") } } }
    func wait(_ seconds: Double) { state.withLock { $0.time += seconds } }
}

@Suite("Keys of issuers")
struct IssuerKeyringTests {
    private static func policies(_ issuer: String = "issuer: \"https://idp.example.test\", audience: shiplift", _ more: [PolicyFile] = []) throws -> PolicySet {
        try PolicySet(
            files: [
                PolicyFile(
                    path: "environments.yaml",
                    text: "version: 1\nkind: Environments\nenvironments:\n  - { name: dev, registries: [{ url: \"https://dev.example.test\" }] }\n"),
                PolicyFile(path: "identities.yaml", text: "version: 1\nkind: Identities\nissuers: { idp: { \(issuer) } }\n"),
            ] + more, commit: nil)
    }

    private static func token(_ key: IssuerKey) throws -> WebToken {
        try WebToken(parsing: key.token(claims: #"{"iss":"https://idp.example.test","aud":"shiplift","sub":"s","iat":1800000000,"exp":1800000600}"#))
    }

    private struct Bench {
        let issuer: Issuer
        let keyring: IssuerKeyring
        let policies: PolicySet
        let trusted: TrustedIssuer

        init(_ keys: [IssuerKey], _ policies: PolicySet) throws {
            let issuer = Issuer(keys)
            self.issuer = issuer
            self.policies = policies
            keyring = IssuerKeyring(documents: issuer) { issuer.state.withLock { $0.time } }
            trusted = try #require(policies.identities.issuers.first)
        }

        func has(_ token: WebToken) async throws -> Bool { try await keyring.keys(for: token, of: trusted, in: policies).hasKey(for: token) }
    }

    @Test func algorithmsOfTheFileAreThoseThatAreVerified() { #expect(TrustedIssuer.algorithms == WebTokenAlgorithm.allCases.map(\.rawValue)) }

    /// Attack: the issuer has taken a key back; its tokens stop to count, and a new key's begin to, by themselves.
    @Test func attackKeyTakenBack() async throws {
        let (old, new) = (try IssuerKey("old", .p256), try IssuerKey("new", .p256))
        let bench = try Bench([old], Self.policies())
        #expect(try await bench.has(Self.token(old)))
        bench.issuer.state.withLock { $0.keys = [new] }
        bench.issuer.wait(IssuerKeyring.freshness - 1)
        #expect(try await bench.has(Self.token(old)) && bench.issuer.looks == 1, "nobody looks for what is known and fresh")
        #expect(try await bench.has(Self.token(new)), "a name that is not known makes it look")
        #expect(try await !bench.has(Self.token(old)) && bench.issuer.looks == 2)
    }

    @Test func aKeyThatIsTakenBackEndsWithinMinutesWithoutANewOne() async throws {
        let (old, new) = (try IssuerKey("old", .p256), try IssuerKey("new", .p256))
        let bench = try Bench([old], Self.policies())
        #expect(try await bench.has(Self.token(old)))
        bench.issuer.state.withLock { $0.keys = [new] }
        bench.issuer.wait(IssuerKeyring.freshness)
        #expect(try await !bench.has(Self.token(old)))
    }

    /// Attack: tokens with names of keys that don't exist make us ask the issuer once, and not for each.
    @Test func attackFloodOfUnknownKeys() async throws {
        let bench = try Bench([try IssuerKey("known", .p256)], Self.policies())
        for index in 0..<50 { #expect(try await !bench.has(Self.token(IssuerKey("made up \(index)", .p256)))) }
        #expect(bench.issuer.looks == 1)
        bench.issuer.wait(IssuerKeyring.pause)
        for index in 0..<50 { #expect(try await !bench.has(Self.token(IssuerKey("made up \(index)", .p256)))) }
        #expect(bench.issuer.looks == 2)
    }

    @Test func manyAtOnceAskOnce() async throws {
        let key = try IssuerKey("known", .p256)
        let bench = try Bench([key], Self.policies())
        let token = try Self.token(key)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 { group.addTask { try await bench.has(token) } }
            for try await has in group { #expect(has) }
        }
        #expect(bench.issuer.looks == 1)
    }

    @Test func anIssuerThatIsDownIsSurvivedForADay() async throws {
        let key = try IssuerKey("known", .p256)
        let bench = try Bench([key], Self.policies())
        #expect(try await bench.has(Self.token(key)))
        bench.issuer.state.withLock { $0.isDown = true }
        bench.issuer.wait(3_600)
        #expect(try await bench.has(Self.token(key)))
        let asked = bench.issuer.state.withLock { $0.asked.count }
        #expect(try await bench.has(Self.token(key)) && bench.issuer.state.withLock { $0.asked.count } == asked, "it is not asked again at once")
        bench.issuer.wait(IssuerKeyring.staleness)
        let token = try Self.token(key)
        let error = await #expect(throws: WebTokenRefusal.self) { _ = try await bench.has(token) }
        #expect(error?.kind == "keys-unavailable")
        bench.issuer.state.withLock { $0.isDown = false }
        bench.issuer.wait(IssuerKeyring.pauseAfterFailure)
        #expect(try await bench.has(token))
    }

    /// Attack: the issuer's metadata leads elsewhere. Nothing is asked of what the file does not name.
    @Test(arguments: [
        "https://evil.test/jwks", "https://idp.example.test.evil.test/jwks", "https://idp.example.test@evil.test/jwks", "http://idp.example.test/jwks",
        "https://169.254.169.254/latest/meta-data", "https://idp.example.test:8443/jwks", "file:///etc/passwd", "https://evil.test/#idp.example.test", "//evil.test/jwks",
    ])
    func attackMetadataLeadsElsewhere(_ address: String) async throws {
        let key = try IssuerKey("known", .p256)
        let bench = try Bench([key], Self.policies())
        bench.issuer.state.withLock { $0.metadata = #"{"issuer":"https://idp.example.test","jwks_uri":"\#(address)"}"# }
        let token = try Self.token(key)
        let error = await #expect(throws: WebTokenRefusal.self) { _ = try await bench.has(token) }
        #expect(error?.kind == "keys-unavailable")
        #expect(bench.issuer.state.withLock { $0.asked } == ["https://idp.example.test/.well-known/openid-configuration"])
    }

    @Test(arguments: [
        (#"{"issuer":"https://evil.test","jwks_uri":"https://idp.example.test/jwks"}"#, "it is about 'https://evil.test'"), ("{}", "it is about ''"),
        (#"{"issuer":"https://idp.example.test"}"#, "it names no keys"), ("not json", "is malformed"),
    ])
    func attackMetadataOfAnother(_ metadata: String, _ reason: String) async throws {
        let key = try IssuerKey("known", .p256)
        let bench = try Bench([key], Self.policies())
        bench.issuer.state.withLock { $0.metadata = metadata }
        let token = try Self.token(key)
        let error = await #expect(throws: WebTokenRefusal.self) { _ = try await bench.has(token) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test func hostsThatTheFileAddsAreAskedEncrypted() throws {
        let policies = try Self.policies("issuer: \"https://idp.example.test\", audience: a, additionalHosts: [keys.example.test, \"*.cdn.test\", \"x.test:8443\"]")
        let issuer = try #require(policies.identities.issuers.first)
        for good in ["https://keys.example.test/k", "https://a.cdn.test/k", "https://x.test:8443/k", "https://idp.example.test/k"] { #expect(issuer.mayLead(to: good), "\(good)") }
        for bad in ["http://keys.example.test/k", "https://keys.example.test:8443/k", "https://cdn.test/k", "https://x.test/k", "https://evilcdn.test/k"] {
            #expect(!issuer.mayLead(to: bad), "\(bad)")
        }
    }

    @Test func keysInAFileNeedNobodyAndAreCheckedBefore() async throws {
        let key = try IssuerKey("known", .p256)
        let text = "issuer: \"https://idp.example.test\", audience: a, keys: { file: keys/idp.json }"
        let bench = try Bench([], Self.policies(text, [PolicyFile(path: "keys/idp.json", text: #"{"keys":[\#(try key.jwk())]}"#)]))
        #expect(try await bench.has(Self.token(key)) && bench.issuer.state.withLock { $0.asked.isEmpty })
        let (missing, damaged) = (try Self.policies(text), try Self.policies(text, [PolicyFile(path: "keys/idp.json", text: "{}")]))
        for policies in [missing, damaged] {
            let error = #expect(throws: PolicyLoadError.self) { try IssuerKeyring.check(policies) }
            #expect(error?.diagnostics.first?.file == "identities.yaml" && error?.diagnostics.first?.line == 3)
        }
    }
}

import Crypto
import Foundation
import TestSupport
import Testing

@testable import Trust

/// JSON Web Tokens that must not count. Each is refused for its own reason: one that is refused for another shows that its check is gone.
@Suite("Forged web tokens")
struct WebTokenTests {
    private static let now = Date(timeIntervalSince1970: 1_800_000_000)
    private static let issuer = "https://idp.example.test"
    private static let (rsa, second, curve) = (key("rsa"), key("second"), key("curve", .p256))

    private static func key(_ id: String, _ kind: IssuerKey.Kind = .rsa) -> IssuerKey {
        do { return try IssuerKey(id, kind) } catch { fatalError("no key: \(error)") }
    }

    private static func keys(_ jwks: [String]) throws -> WebKeySet { try WebKeySet(parsing: Data(#"{"keys":[\#(jwks.joined(separator: ","))]}"#.utf8)) }
    private static func usual() throws -> WebKeySet { try keys([rsa.jwk(), curve.jwk()]) }
    private static let terms = WebToken.Terms(issuer: issuer, audiences: ["shiplift"], algorithms: [.rs256, .es256])

    /// The claims of a good token, some of them changed; `nil` leaves one out.
    private static func claims(_ changes: [String: String?] = [:], more: String = "") -> String {
        let time = Int(now.timeIntervalSince1970)
        var members: [String: String] = [
            "iss": "\"\(issuer)\"", "aud": "\"shiplift\"", "sub": "\"repo:acme/shop\"", "iat": "\(time - 10)", "nbf": "\(time - 10)", "exp": "\(time + 300)",
        ]
        for (name, value) in changes { members[name] = value }
        return "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + more + "}"
    }

    private static func refusal(_ text: String, _ keys: WebKeySet? = nil, _ terms: WebToken.Terms = terms) throws -> WebTokenRefusal? {
        let keys = try keys ?? usual()
        do throws(WebTokenRefusal) {
            _ = try WebToken(parsing: text).verified(by: keys, as: terms, at: now)
            return nil
        } catch { return error }
    }

    private func expect(_ text: String, _ kind: String, _ part: String, _ keys: WebKeySet? = nil, location: SourceLocation = #_sourceLocation) throws {
        let refusal = try Self.refusal(text, keys)
        #expect(refusal?.kind == kind && refusal?.description.contains(part) == true, "\(refusal.map { "\($0)" } ?? "it counts")", sourceLocation: location)
    }

    @Test func whatIsGoodCounts() throws {
        for key in [Self.rsa, Self.curve] { #expect(try Self.refusal(key.token(claims: Self.claims())) == nil) }
        #expect(try Self.refusal(Self.rsa.token(claims: Self.claims(["aud": #"["other","shiplift"]"#]))) == nil)
        // No name is needed where there is one key.
        #expect(try Self.refusal(Self.rsa.token(header: #"{"alg":"RS256"}"#, claims: Self.claims()), Self.keys([Self.rsa.jwk()])) == nil)
    }

    @Test func attackExpired() throws {
        try expect(Self.rsa.token(claims: Self.claims(["exp": "1799999939"])), "expired", "expired at 2027-01-15T07:58:59Z")
        #expect(try Self.refusal(Self.rsa.token(claims: Self.claims(["exp": "1799999941"]))) == nil, "within the skew")
        try expect(Self.rsa.token(claims: Self.claims(["exp": nil])), "missing-claim", "'exp'")
        for text in ["\"1900000000\"", "1e999", "-1", "null", "[1900000000]", "true"] {
            let refusal = try Self.refusal(Self.rsa.token(claims: Self.claims(["exp": text])))
            #expect(refusal?.kind == "missing-claim" || refusal?.kind == "malformed", "\(text)")
        }
        try expect(Self.rsa.token(claims: Self.claims(["exp": "1900000000"])), "expired", "lives 100000010 s")
    }

    @Test func attackNotYetValid() throws {
        try expect(Self.rsa.token(claims: Self.claims(["nbf": "1800000061"])), "not-yet-valid", "not valid before")
        try expect(Self.rsa.token(claims: Self.claims(["iat": "1800000061"])), "not-yet-valid", "not valid before")
        try expect(Self.rsa.token(claims: Self.claims(["iat": nil])), "missing-claim", "'iat'")
        #expect(try Self.refusal(Self.rsa.token(claims: Self.claims(["nbf": "1800000059"]))) == nil, "within the skew")
    }

    @Test(arguments: ["\"other\"", "\"Shiplift\"", "\"shiplift2\"", "\"ship\"", "[\"other\"]", "[]", "\"shiplift/\"", "\" shiplift\""])
    func attackWrongAudience(_ audience: String) throws {
        try expect(Self.rsa.token(claims: Self.claims(["aud": audience])), "audience", "and not for 'shiplift'")
    }

    @Test func attackNoAudience() throws {
        for audience in [nil, "null", "7", "{\"shiplift\":1}", "[\"shiplift\",7]"] as [String?] {
            try expect(Self.rsa.token(claims: Self.claims(["aud": audience])), "missing-claim", "'aud'")
        }
    }

    @Test(arguments: ["https://idp.example.test/", "https://IDP.example.test", "https://idp.example.test.evil.test", "http://idp.example.test", ""])
    func attackWrongIssuer(_ issuer: String) throws {
        try expect(Self.rsa.token(claims: Self.claims(["iss": "\"\(issuer)\""])), "unknown-issuer", "is not trusted here")
    }

    @Test(arguments: ["none", "None", "NONE", "nOnE", ""])
    func attackNoAlgorithm(_ name: String) throws {
        for signature in ["", "AA"] {
            let text = Data(#"{"alg":"\#(name)","kid":"rsa"}"#.utf8).base64URL + "." + Data(Self.claims().utf8).base64URL + "." + signature
            let refusal = try Self.refusal(text)
            #expect(refusal?.kind == (signature.isEmpty ? "malformed" : "algorithm"), "\(refusal.map { "\($0)" } ?? "it counts")")
        }
    }

    /// The public key, which everybody has, as if it were a shared secret.
    @Test func attackPublicKeyAsSharedSecret() throws {
        for secret in [Self.rsa.publicPEM, Self.rsa.publicPEM + "\n", try Self.rsa.jwk()] {
            let head = Data(#"{"alg":"HS256","kid":"rsa"}"#.utf8).base64URL + "." + Data(Self.claims().utf8).base64URL
            let code = HMAC<SHA256>.authenticationCode(for: Data(head.utf8), using: SymmetricKey(data: Data(secret.utf8)))
            try expect(head + "." + Data(code).base64URL, "algorithm", "'HS256' is not allowed")
        }
    }

    @Test func attackAlgorithmOfAnotherKey() throws {
        try expect(Self.rsa.token(header: #"{"alg":"ES256","kid":"rsa"}"#, claims: Self.claims()), "algorithm", "the key that the token names is not for ES256")
        try expect(Self.rsa.token(header: #"{"alg":"RS512","kid":"rsa"}"#, claims: Self.claims()), "algorithm", "'RS512' is not allowed")
        // What the issuer says that the key is for counts as well.
        let keys = try Self.keys([Self.rsa.jwk(#","alg":"RS512""#)])
        try expect(Self.rsa.token(claims: Self.claims()), "algorithm", "not for RS256", keys)
        let encrypting = try Self.keys([Self.rsa.jwk(#","key_ops":["encrypt"]"#), Self.curve.jwk()])
        try expect(Self.rsa.token(claims: Self.claims()), "unknown-key", "no key 'rsa'", encrypting)
    }

    @Test func attackUnknownKey() throws {
        try expect(Self.second.token(claims: Self.claims()), "unknown-key", "no key 'second'")
        try expect(Self.rsa.token(header: #"{"alg":"RS256"}"#, claims: Self.claims()), "unknown-key", "names no key")
        // The right name, and another's key.
        try expect(Self.second.token(header: #"{"alg":"RS256","kid":"rsa"}"#, claims: Self.claims()), "signature", "does not verify")
        try expect(Self.rsa.token(header: #"{"alg":"RS256","kid":7}"#, claims: Self.claims()), "malformed", "'kid' is no text")
    }

    @Test(arguments: ["jku", "jwk", "x5u"])
    func attackKeyBroughtAlong(_ name: String) throws {
        let value = name == "jwk" ? try Self.second.jwk() : "\"https://evil.test/jwks\""
        try expect(Self.second.token(header: #"{"alg":"RS256","kid":"second","\#(name)":\#(value)}"#, claims: Self.claims()), "malformed", "brings its own key")
    }

    @Test func attackCriticalExtensionsAndOtherTypes() throws {
        try expect(Self.rsa.token(header: #"{"alg":"RS256","kid":"rsa","crit":["exp"]}"#, claims: Self.claims()), "type", "as critical")
        try expect(Self.rsa.token(header: #"{"alg":"RS256","kid":"rsa","b64":false}"#, claims: Self.claims()), "malformed", "b64")
        for type in ["logout+jwt", "dpop+jwt", "JWE", "secevent+jwt"] {
            try expect(Self.rsa.token(header: #"{"alg":"RS256","kid":"rsa","typ":"\#(type)"}"#, claims: Self.claims()), "type", "'\(type)'")
        }
    }

    @Test func attackKeysThatStandTwice() throws {
        try expect(Self.rsa.token(claims: Self.claims(more: #","sub":"repo:evil/shop""#)), "malformed", "'sub' stands twice")
        try expect(Self.rsa.token(claims: Self.claims(more: #","s\u0075b":"repo:evil/shop""#)), "malformed", "'sub' stands twice")
        try expect(Self.rsa.token(header: #"{"alg":"RS256","kid":"rsa","alg":"none"}"#, claims: Self.claims()), "malformed", "'alg' stands twice")
        try expect(Self.rsa.token(claims: Self.claims(more: #","a/b":"1","a":{"b":"2"}"#)), "malformed", "can be read in two ways")
    }

    @Test func attackChangedAfterSigning() throws {
        let parts = try Self.rsa.token(claims: Self.claims()).split(separator: ".").map(String.init)
        let other = Data(Self.claims(["sub": "\"repo:evil/shop\""]).utf8).base64URL
        try expect([parts[0], other, parts[2]].joined(separator: "."), "signature", "does not verify")
        for broken in ["\(parts[0]).\(parts[1])", parts.joined(separator: ".") + ".x", parts.joined(separator: ".") + "=", parts[0] + "\n." + parts[1] + "." + parts[2], "..", ""] {
            #expect(try Self.refusal(broken)?.kind == "malformed", "\(broken.prefix(20))")
        }
        // The last digit of base64 holds bits that say nothing: another text for the same bytes is another token.
        let last = try #require(parts[2].last)
        let twin = try #require(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".first { letter in
                letter != last
                    && Data(
                        base64Encoded: parts[2].dropLast().replacing("-", with: "+").replacing("_", with: "/") + "\(letter)==".replacing("-", with: "+").replacing("_", with: "/"))
                        == Data(base64Encoded: parts[2].replacing("-", with: "+").replacing("_", with: "/") + "==")
            })
        try expect("\(parts[0]).\(parts[1]).\(parts[2].dropLast())\(twin)", "malformed", "the signature is no base64url")
    }

    @Test func attackTooLarge() throws {
        try expect(Self.rsa.token(claims: Self.claims(more: ",\"x\":\"\(String(repeating: "a", count: 1 << 20))\"")), "malformed", "larger than 16384 bytes")
        let flood = (0..<600).map { "\"c\($0)\":1" }.joined(separator: ",")
        try expect(Self.rsa.token(claims: Self.claims(more: "," + flood)), "malformed", "more than 500 claims")
        try expect(Self.rsa.token(claims: Self.claims(more: ",\"x\":" + String(repeating: "[", count: 200) + String(repeating: "]", count: 200))), "malformed", "too deeply")
    }

    @Test func attackSubjectsThatAreNone() throws {
        for subject in [nil, "\"\"", "7", "\"\(String(repeating: "a", count: 501))\"", #""a\u0000b""#] as [String?] {
            try expect(Self.rsa.token(claims: Self.claims(["sub": subject])), "missing-claim", "'sub'")
        }
    }

    /// A sign-in takes no other sign-in's answer.
    @Test func attackAnotherNonce() throws {
        let terms = WebToken.Terms(issuer: Self.issuer, audiences: ["shiplift"], algorithms: [.rs256], nonce: "n-1")
        #expect(try Self.refusal(Self.rsa.token(claims: Self.claims(["nonce": "\"n-1\""])), nil, terms) == nil)
        for nonce in ["\"n-2\"", nil] as [String?] { #expect(try Self.refusal(Self.rsa.token(claims: Self.claims(["nonce": nonce])), nil, terms) == .otherNonce) }
    }

    /// What an issuer's key endpoint may answer, and what comes of it.
    @Test(arguments: [
        ("", "malformed"), ("{}", "no list 'keys'"), (#"{"keys":[]}"#, "no key to verify with"), (#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, "no key to verify with"),
        (#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, "can't be used"), (#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQ"}]}"#, "an exponent that is not used"),
        (#"{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}"#, "it is damaged"), (#"{"keys":[7]}"#, "it is no object"), (#"{"keys":[],"keys":[]}"#, "stands twice"),
        (#"{"keys":[{"kty":"RSA","e":"AQAB"}]}"#, "'n' is no base64url"),
    ])
    func attackHostileKeySet(_ text: String, _ reason: String) {
        let error = #expect(throws: TrustError.self) { _ = try WebKeySet(parsing: Data(text.utf8)) }
        #expect(error?.description.contains(reason) == true, "\(error?.description ?? "")")
    }

    @Test func attackHugeKeySet() throws {
        #expect(throws: TrustError.tooLarge("the issuer's key set", limit: 262_144)) { _ = try WebKeySet(parsing: Data(repeating: 0x20, count: 262_145)) }
        let many = (0..<101).map { #"{"kty":"x","kid":"\#($0)"}"# }
        #expect(throws: TrustError.tooLarge("the number of the issuer's keys", limit: 100)) { _ = try Self.keys(many) }
        #expect(throws: TrustError.malformed("the issuer's key set", reason: "two keys have one 'kid'")) { _ = try Self.keys([Self.rsa.jwk(), Self.rsa.jwk()]) }
    }

    @Test func claimsAreTextsByTheirPaths() throws {
        let text = try Self.rsa.token(
            claims: Self.claims(more: #","repository_id":"7","run":12,"ok":true,"none":null,"groups":["a",1,{"x":1}],"kubernetes.io":{"pod":{"uid":"u"},"namespace":"n"}"#))
        let values = try WebToken(parsing: text).verified(by: Self.usual(), as: Self.terms, at: Self.now).values
        #expect(values["repository_id"] == ["7"] && values["run"] == ["12"] && values["ok"] == ["true"] && values["none"] == [] && values["groups"] == ["a", "1"])
        #expect(values["kubernetes.io/pod/uid"] == ["u"] && values["kubernetes.io/namespace"] == ["n"])
    }
}

public import Foundation

/// A JSON Web Token in compact form (RFC 7515 §7.1), read and not believed: what is in it counts once ``verified(by:as:at:)`` has said so.
public struct WebToken: Sendable {
    /// Largest token, in bytes.
    public static let maximumBytes = 16_384

    let keyID: String?
    let algorithmName: String
    /// Who says to have made it: good for finding the issuer in a list, and for nothing else.
    public let claimedIssuer: String
    private let signedBytes: Data
    private let signature: Data
    private let claims: [String: JSON]

    /// Whether a text has the form of such a token, and not of one of ours.
    public static func looksLikeOne(_ text: String) -> Bool { text.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2 }

    public init(parsing text: String) throws(WebTokenRefusal) {
        guard text.utf8.count <= Self.maximumBytes else { throw .tooLarge(limit: Self.maximumBytes) }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw .malformed("it has not three parts") }
        let header = try Self.object(String(parts[0]), "the header")
        claims = try Self.object(String(parts[1]), "the claims")
        guard let signature = Self.base64URL(String(parts[2])), !signature.isEmpty else { throw .malformed("the signature is no base64url") }
        self.signature = signature
        signedBytes = Data((parts[0] + "." + parts[1]).utf8)
        // RFC 8725 §3.10: nothing in the header leads to a key. What tries to is refused and not overlooked.
        for name in ["jku", "jwk", "x5u"] where header[name] != nil { throw .malformed("the header brings its own key in '\(name)'") }
        guard header["crit"] == nil else { throw .criticalExtension }
        guard header["b64"] == nil else { throw .malformed("the header has 'b64'") }
        if let type = header["typ"] {
            guard let name = type.text else { throw .malformed("'typ' is no text") }
            guard ["jwt", "at+jwt", "application/at+jwt"].contains(name.lowercased()) else { throw .otherType(name) }
        }
        guard let algorithm = header["alg"]?.text else { throw .malformed("the header names no algorithm") }
        algorithmName = algorithm
        if let id = header["kid"] {
            guard let text = id.text, (1...1_000).contains(text.utf8.count) else { throw .malformed("'kid' is no text") }
            keyID = text
        } else {
            keyID = nil
        }
        guard let issuer = claims["iss"]?.text else { throw .missing(claim: "iss") }
        claimedIssuer = issuer
    }

    /// What an issuer's tokens must be like.
    public struct Terms: Sendable, Hashable {
        public let issuer: String
        /// One of them must be named by the token.
        public let audiences: [String]
        public let algorithms: [WebTokenAlgorithm]
        /// By how much clocks may differ, in seconds.
        public let skew: Int
        /// The longest life, from `iat` to `exp`, in seconds.
        public let maximumLife: Int
        /// What a sign-in's token must repeat; `nil` for tokens that answer none.
        public let nonce: String?

        public init(issuer: String, audiences: [String], algorithms: [WebTokenAlgorithm], skew: Int = 60, maximumLife: Int = 86_400, nonce: String? = nil) {
            self.issuer = issuer
            self.audiences = audiences
            self.algorithms = algorithms
            self.skew = skew
            self.maximumLife = maximumLife
            self.nonce = nonce
        }
    }

    /// The claims, if the token is by the issuer, for us, and valid at this time.
    public func verified(by keys: WebKeySet, as terms: Terms, at now: Date) throws(WebTokenRefusal) -> WebTokenClaims {
        guard claimedIssuer == terms.issuer else { throw .unknownIssuer(claimedIssuer) }
        guard let algorithm = WebTokenAlgorithm(rawValue: algorithmName), terms.algorithms.contains(algorithm) else {
            throw .algorithmNotAllowed(algorithmName, allowed: terms.algorithms)
        }
        guard let key = keys.key(keyID) else { throw .unknownKey(keyID) }
        guard key.serves(algorithm) else { throw .keyIsForOtherAlgorithm(algorithmName) }
        guard key.isValid(signature, of: signedBytes, algorithm) else { throw .badSignature }
        try checkAudience(terms)
        try checkTimes(terms, now)
        if let nonce = terms.nonce { guard claims["nonce"]?.text == nonce else { throw .otherNonce } }
        guard let subject = claims["sub"]?.text, (1...500).contains(subject.utf8.count), !subject.contains("\u{0}") else { throw .missing(claim: "sub") }
        return try WebTokenClaims(subject: subject, expires: time("exp"), claims)
    }

    private func checkAudience(_ terms: Terms) throws(WebTokenRefusal) {
        let found: [String]
        switch claims["aud"] {
        case .string(let one): found = [one]
        case .array(let items) where items.allSatisfy({ $0.text != nil }): found = items.compactMap(\.text)
        default: throw .missing(claim: "aud")
        }
        guard found.contains(where: terms.audiences.contains) else { throw .wrongAudience(found: found, expected: terms.audiences) }
    }

    private func checkTimes(_ terms: Terms, _ now: Date) throws(WebTokenRefusal) {
        let skew = Double(terms.skew)
        let expires = try time("exp")
        guard now < expires.addingTimeInterval(skew) else { throw .expired(at: expires) }
        if claims["nbf"] != nil {
            let start = try time("nbf")
            guard now.addingTimeInterval(skew) >= start else { throw .notYetValid(until: start) }
        }
        let issued = try time("iat")
        guard now.addingTimeInterval(skew) >= issued else { throw .notYetValid(until: issued) }
        let life = Int(expires.timeIntervalSince(issued))
        guard life <= terms.maximumLife else { throw .livesTooLong(seconds: life, limit: terms.maximumLife) }
    }

    /// A NumericDate (RFC 7519 §2): seconds, which may have a fraction.
    private func time(_ claim: String) throws(WebTokenRefusal) -> Date {
        guard case .number(let text)? = claims[claim], let seconds = Double(text), (0...253_402_300_799).contains(seconds) else { throw .missing(claim: claim) }
        return Date(timeIntervalSince1970: seconds)
    }

    private static func object(_ part: String, _ what: String) throws(WebTokenRefusal) -> [String: JSON] {
        guard let data = base64URL(part) else { throw .malformed("\(what) is no base64url") }
        let value: JSON
        do { value = try JSON.parse(data, as: what) } catch { throw .malformed(error.description) }
        guard let members = value.members else { throw .malformed("\(what) is no object") }
        return members
    }

    /// Base64 in the alphabet of RFC 4648 §5, without padding, as RFC 7515 §2 has it; `nil` for anything else, also for bits that say nothing.
    static func base64URL(_ text: String) -> Data? {
        guard text.utf8.allSatisfy({ isOfAlphabet($0) }), text.utf8.count % 4 != 1 else { return nil }
        var standard = text.replacing("-", with: "+").replacing("_", with: "/")
        standard += String(repeating: "=", count: (4 - standard.utf8.count % 4) % 4)
        guard let data = Data(base64Encoded: standard), data.base64EncodedString() == standard else { return nil }
        return data
    }

    private static func isOfAlphabet(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"): true
        default: false
        }
    }
}

public import Foundation

/// Why a bearer's JSON Web Token does not count. Descriptions are for its bearer: they hold nothing of the token that is secret.
public enum WebTokenRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// It is not a token in compact form, or what is in it is not as RFC 7515 and RFC 7519 have it.
    case malformed(String)
    case tooLarge(limit: Int)
    /// It is by an issuer that nobody trusts.
    case unknownIssuer(String)
    case algorithmNotAllowed(String, allowed: [WebTokenAlgorithm])
    /// RFC 7515 §4.1.11: what must be understood is not understood.
    case criticalExtension
    /// It is another kind of token, such as a logout token.
    case otherType(String)
    case unknownKey(String?)
    /// The key is not for the algorithm that the header names.
    case keyIsForOtherAlgorithm(String)
    case badSignature
    case wrongAudience(found: [String], expected: [String])
    case expired(at: Date)
    case notYetValid(until: Date)
    case missing(claim: String)
    /// Its life is longer than the issuer's tokens may live.
    case livesTooLong(seconds: Int, limit: Int)
    /// A sign-in's token is an answer to another question.
    case otherNonce
    /// The issuer's keys can't be had.
    case keysUnavailable(String)
    /// It counts, and no rule gives its bearer a right.
    case noRule(subject: String)

    /// A word for counting: there are few of them, whatever callers send.
    public var kind: String {
        switch self {
        case .malformed, .tooLarge: "malformed"
        case .unknownIssuer: "unknown-issuer"
        case .algorithmNotAllowed, .keyIsForOtherAlgorithm: "algorithm"
        case .criticalExtension, .otherType: "type"
        case .unknownKey: "unknown-key"
        case .badSignature: "signature"
        case .wrongAudience: "audience"
        case .expired, .livesTooLong: "expired"
        case .notYetValid: "not-yet-valid"
        case .missing: "missing-claim"
        case .otherNonce: "nonce"
        case .keysUnavailable: "keys-unavailable"
        case .noRule: "no-rule"
        }
    }

    public var description: String {
        switch self {
        case .malformed(let reason): "the token is malformed: \(reason)"
        case .tooLarge(let limit): "the token is larger than \(limit) bytes"
        case .unknownIssuer(let issuer): "the token's issuer '\(issuer.excerpt)' is not trusted here"
        case .algorithmNotAllowed(let name, let allowed):
            "the token's algorithm '\(name.excerpt)' is not allowed for its issuer; allowed: \(allowed.map(\.rawValue).joined(separator: ", "))"
        case .criticalExtension: "the token's header names extensions as critical, and none is understood"
        case .otherType(let type): "the token's type is '\(type.excerpt)', and not JWT"
        case .unknownKey(let id): id.map { "the token's issuer has no key '\($0.excerpt)'" } ?? "the token names no key, and its issuer has more than one"
        case .keyIsForOtherAlgorithm(let name): "the key that the token names is not for \(name.excerpt)"
        case .badSignature: "the token's signature does not verify"
        case .wrongAudience(let found, let expected):
            "the token is for \(found.isEmpty ? "nobody" : found.prefix(5).map { "'\($0.excerpt)'" }.joined(separator: ", ")), and not for '\(expected.joined(separator: "' or '"))'"
        case .expired(let time): "the token expired at \(time.ISO8601Format())"
        case .notYetValid(let time): "the token is not valid before \(time.ISO8601Format())"
        case .missing(let claim): "the token has no claim '\(claim)' of the right form"
        case .livesTooLong(let seconds, let limit): "the token lives \(seconds) s, and its issuer's may live \(limit) s"
        case .otherNonce: "the token answers another sign-in"
        case .keysUnavailable(let reason): "the issuer's keys can't be had: \(reason)"
        case .noRule(let subject): "the token counts, and no rule gives \(subject.excerpt) a right"
        }
    }
}

public import Foundation
public import OCI

/// Why something that claims to be signed does not count. Its description is for people and holds nothing secret.
public enum TrustError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It is not in the form that its format prescribes.
    case malformed(_ what: String, reason: String)
    /// It is larger, longer or deeper than anything honest.
    case tooLarge(_ what: String, limit: Int)
    /// A key that we don't verify with: unknown kind, or too short.
    case unusableKey(reason: String)
    /// The signature is not by the key that it should be by.
    case badSignature(_ what: String)
    /// It was signed, but about something else.
    case otherArtifact(signed: String, expected: Digest)
    /// It was signed for another repository.
    case otherRepository(signed: String)
    /// It was signed as something else.
    case otherType(signed: String, expected: String)
    /// A key or certificate was used outside the time in which it counts.
    case outsideValidity(_ what: String, at: Date)
    /// It is by nobody who is trusted.
    case untrusted(reason: String)
    /// The certificate, or the chain to a pinned root, is not as it must be.
    case certificate(reason: String)
    /// The transparency log's part is missing, or is not what the pinned log signed.
    case log(reason: String)

    public var description: String {
        switch self {
        case .malformed(let what, let reason): "\(what) is malformed: \(reason)"
        case .tooLarge(let what, let limit): "\(what) is larger than the limit of \(limit)"
        case .unusableKey(let reason): "the key can't be used: \(reason)"
        case .badSignature(let what): "\(what) does not verify"
        case .otherArtifact(let signed, let expected): "it was signed for \(signed.excerpt), not for \(expected)"
        case .otherRepository(let signed): "it was signed for the repository '\(signed.excerpt)'"
        case .otherType(let signed, let expected): "it was signed as '\(signed.excerpt)', not as '\(expected)'"
        case .outsideValidity(let what, let time): "\(what) does not count at \(time.ISO8601Format())"
        case .untrusted(let reason): reason
        case .certificate(let reason): "the certificate does not count: \(reason)"
        case .log(let reason): "the transparency log: \(reason)"
        }
    }
}

extension String {
    /// So much of a text from outside as a message shows, without control characters.
    var excerpt: String {
        let shown = String(String.UnicodeScalarView(unicodeScalars.prefix(160).map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
        return unicodeScalars.count > 160 ? shown + "…" : shown
    }
}

public import Foundation
import X509

/// A pattern over a whole text; the language of patterns is the caller's.
public struct NamePattern: Sendable, CustomStringConvertible {
    public let description: String
    let matches: @Sendable (String) -> Bool

    public init(_ description: String, matches: @escaping @Sendable (String) -> Bool) {
        self.description = description
        self.matches = matches
    }

    /// Matches this text and nothing else.
    public init(exactly text: String) { self.init(text) { $0 == text } }
}

/// Root certificates that somebody trusts for Notation signatures.
public struct TrustStore: Sendable {
    static let maximumRoots = 64
    let roots: [Certificate]

    /// Reads PEM texts, each of one or more certificates.
    public init(pem texts: [String]) throws(TrustError) {
        var roots: [Certificate] = []
        for text in texts { roots += try Encodings.certificates(pem: text) }
        guard !roots.isEmpty else { throw .malformed("the trust store", reason: "it holds no certificate") }
        guard roots.count <= Self.maximumRoots else { throw .tooLarge("the trust store", limit: Self.maximumRoots) }
        self.roots = roots
    }
}

/// Somebody whose signatures count, and how they are known to be theirs.
public struct Signer: Sendable {
    public enum Method: Sendable {
        case key(PublicKey)
        /// Certificates of a sigstore authority for a subject at an issuer of identities. Both are needed: a subject is worth what its issuer is worth.
        case keyless(issuer: String, subject: NamePattern, root: TrustedRoot)
        /// Notation, by certificates whose subject (RFC 4514) matches.
        case notation(subject: NamePattern, store: TrustStore)
    }

    public let name: String
    public let method: Method
    /// What the signed text must name as the image's repository; `nil` where it does not matter.
    public var repository: NamePattern?
    /// The log that says when a key's signature was made; without one a signature counts as made now.
    public var root: TrustedRoot?
    /// Signatures made before do not count.
    public var validFrom: Date?
    /// Signatures made from here on do not count.
    public var validUntil: Date?

    public init(name: String, method: Method, repository: NamePattern? = nil, root: TrustedRoot? = nil, validFrom: Date? = nil, validUntil: Date? = nil) {
        self.name = name
        self.method = method
        self.repository = repository
        self.root = root
        self.validFrom = validFrom
        self.validUntil = validUntil
    }

    func check(time: Date) throws(TrustError) {
        guard validFrom.map({ $0 <= time }) ?? true, validUntil.map({ time < $0 }) ?? true else {
            throw .outsideValidity("a signature of \(name)", at: time)
        }
    }

    func check(repositories: [String]) throws(TrustError) {
        guard let repository else { return }
        guard repositories.contains(where: { repository.matches($0.withoutTagAndDigest) }) else {
            throw .otherRepository(signed: repositories.first ?? "")
        }
    }
}

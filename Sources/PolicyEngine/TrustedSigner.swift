public import Foundation

/// Somebody whose signatures count, under a name that policies use. Verification itself is somebody else's work.
public struct TrustedSigner: Sendable, Hashable {
    /// How a signature is known to be theirs.
    public enum Verification: Sendable, Hashable {
        /// A public key in PEM.
        case key(String)
        /// A file that holds one.
        case keyFile(String)
        /// A certificate of this issuer of identities, for a subject that matches the whole pattern.
        case keyless(issuer: String, subject: TextPattern)
        /// Notation: a certificate whose subject (RFC 4514) matches the whole pattern, below a root of these files.
        case notation(trustStore: [String], subject: TextPattern)
    }

    /// Where the trust root stands that signers without a certificate chain of their own are checked with.
    public static let usualRoot = "trusted_root.json"

    public let name: String
    public let source: SourceLocation
    public let verification: Verification
    /// What the signed text must name as the image's repository; `nil` where it does not matter.
    public let repository: TextPattern?
    /// A sigstore trust root file: for keyless the authorities and logs, for a key the log that says when it signed.
    public let root: String?
    /// Signatures made before do not count; `nil` where there is no such day.
    public let validFrom: Date?
    /// Signatures made from here on do not count.
    public let validUntil: Date?

    /// The files of the policy folder that say what its signatures are checked with.
    public var files: [String] {
        switch verification {
        case .key: [root].compactMap(\.self)
        case .keyFile(let file): [file] + [root].compactMap(\.self)
        case .keyless: [root ?? Self.usualRoot]
        case .notation(let trustStore, _): trustStore
        }
    }
}

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
    }

    public let name: String
    public let source: SourceLocation
    public let verification: Verification
    /// Signatures made before do not count; `nil` where there is no such day.
    public let validFrom: Date?
    /// Signatures made from here on do not count.
    public let validUntil: Date?
}

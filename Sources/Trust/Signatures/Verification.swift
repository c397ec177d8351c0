public import Foundation
public import OCI

/// What became of one attachment in the eyes of one signer.
public struct Verification: Sendable, Hashable {
    /// What was signed.
    public enum Content: Sendable, Hashable {
        /// The image itself.
        case signature
        /// Something about it.
        case statement(Statement)
        /// It failed; what it would have been is not known for sure, at most claimed.
        case unverified(claim: PredicateType?)
    }

    /// The signer whose key or identity it bears; `nil` where it is by nobody who is trusted.
    public let signer: String?
    /// The key's fingerprint, or subject and issuer of the certificate.
    public let identity: String
    public let content: Content
    /// Why it does not count; `nil` where it does.
    public let failure: TrustError?
    /// When it was made, where a log says so that is trusted.
    public let signedAt: Date?
    public let evidence: Digest?
}

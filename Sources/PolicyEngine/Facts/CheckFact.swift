public import Foundation
public import OCI

/// What a service outside answered about a promotion, or why it did not.
public struct CheckFact: Sendable, Hashable, Codable {
    public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable {
        case allow, deny, wait
        /// Not reached, too late, or with an answer that can't be believed.
        case failed
    }

    /// The check's name in the environments file.
    public let endpoint: String
    /// What was asked about.
    public let digest: Digest
    public let outcome: Outcome
    /// In the service's words, or ours where it failed; bounded.
    public let reason: String
    public let askedAt: Date
    /// When asking again makes sense, where a wait says so.
    public let retryAt: Date?

    public init(endpoint: String, digest: Digest, outcome: Outcome, reason: String, askedAt: Date, retryAt: Date? = nil) {
        self.endpoint = endpoint
        self.digest = digest
        self.outcome = outcome
        self.reason = reason
        self.askedAt = askedAt
        self.retryAt = retryAt
    }
}

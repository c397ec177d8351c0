public import Foundation
public import OCI
public import PolicyEngine

/// What somebody says to a promotion. Kept for ever; each one's last word counts.
public struct PromotionVerdict: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case approve, reject
        /// Open the gates that policy lets this person open, whatever they say.
        case override
    }

    public let id: UUID
    public let promotion: PromotionID
    public let kind: Kind
    /// With the claims that the giver had at that time.
    public let by: Identity
    public let at: Date
    public let digest: Digest
    /// The policy version that was in force.
    public let policyVersion: String
    public let comment: String?

    public init(id: UUID, promotion: PromotionID, kind: Kind, by: Identity, at: Date, digest: Digest, policyVersion: String, comment: String?) {
        self.id = id
        self.promotion = promotion
        self.kind = kind
        self.by = by
        self.at = at
        self.digest = digest
        self.policyVersion = policyVersion
        self.comment = comment
    }

    /// As policy sees it; `nil` for an order to override.
    public var approval: ApprovalFact? {
        let verdict: ApprovalFact.Verdict
        switch kind {
        case .approve: verdict = .approve
        case .reject: verdict = .reject
        case .override: return nil
        }
        return ApprovalFact(by: by, verdict: verdict, at: at, digest: digest, policyVersion: policyVersion, comment: comment)
    }
}

/// What a pipeline says about a digest, as it is kept.
public struct PostedEvidence: Sendable, Hashable {
    public let id: UUID
    public let fact: EvidenceFact
    /// The image that it is about; `nil` where it is about the digest wherever it is.
    public let image: ImageName?
    /// A JSON object of at most 64 KiB.
    public let details: String?
    public let url: String?

    public init(id: UUID, fact: EvidenceFact, image: ImageName?, details: String?, url: String?) {
        self.id = id
        self.fact = fact
        self.image = image
        self.details = details
        self.url = url
    }
}

/// A scanner's report about a digest, as it is kept.
public struct PostedScan: Sendable, Hashable {
    public let id: UUID
    public let fact: ScanFact
    public let image: ImageName?
    public let format: ScanReport.Format
    public let recordedAt: Date

    public init(id: UUID, fact: ScanFact, image: ImageName?, format: ScanReport.Format, recordedAt: Date) {
        self.id = id
        self.fact = fact
        self.image = image
        self.format = format
        self.recordedAt = recordedAt
    }
}

/// Something that was posted about a digest.
public enum PostedFact: Sendable, Hashable {
    case evidence(PostedEvidence)
    case scan(PostedScan)

    public var id: UUID {
        switch self {
        case .evidence(let posted): posted.id
        case .scan(let posted): posted.id
        }
    }
}

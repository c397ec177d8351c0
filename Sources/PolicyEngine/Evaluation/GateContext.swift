import Foundation
import OCI

/// What a gate may look at. Made once for a decision: what many gates ask for is computed here, and not by each.
struct GateContext {
    let facts: PromotionFacts
    let now: Date
    let policies: PolicySet
    /// The manifests that stand for the artifact: itself, or all of its platforms together.
    let subject: EvidenceSubject
    /// The digest for people.
    let artifact: String
    let requester: Identity
    /// The policy version that approvals must have been given under.
    let policyVersion: String
    /// The source tag as a version; `nil` where it is none.
    let sourceVersion: SemanticVersion?
    /// When the image says that it was built; `nil` where it says nothing, or no time.
    let created: Date?
    /// The platforms for people.
    let platforms: String
    /// What each has said last, in the order of time; `nil` where nobody looked.
    let approvals: [ApprovalFact]?
    /// The newest first; `nil` where nobody looked.
    let scans: [ScanFact]?

    init(facts: PromotionFacts, now: Date, policies: PolicySet) {
        self.facts = facts
        self.now = now
        self.policies = policies
        subject = EvidenceSubject(facts)
        artifact = facts.digest.label
        requester = facts.askedBy
        policyVersion = policies.version.description
        sourceVersion = facts.tag.flatMap { SemanticVersion(parsing: $0.description) }
        created = facts.created.flatMap { Timestamp.date($0) }
        platforms = facts.platforms.isEmpty ? "none" : facts.platforms.map(\.platform.description).joined(separator: ", ")
        approvals = facts.approvals.map(Self.lastWords)
        scans = facts.scans.map { scans in
            let subject = EvidenceSubject(facts)
            return scans.filter { subject.contains($0.digest) }.sorted { ($0.completedAt, $0.scanner) > ($1.completedAt, $1.scanner) }
        }
    }

    /// Whether somebody is named by a list of groups and ids.
    func names(_ names: [String], include identity: Identity) -> Bool {
        policies.names(names, include: identity)
    }

    /// Whether evidence counts for a gate that names whose does: signers, groups and ids, or anybody where it names nobody.
    func counts(_ by: [String], signer: String?, postedBy: Identity?) -> Bool {
        by.isEmpty || signer.map { by.contains($0) } == true || postedBy.map { names(by, include: $0) } == true
    }

    private static func lastWords(_ approvals: [ApprovalFact]) -> [ApprovalFact] {
        Dictionary(grouping: approvals, by: \.by.person).compactMap { $0.value.max { $0.at < $1.at } }.sorted { ($0.at, $0.by.id) < ($1.at, $1.by.id) }
    }
}

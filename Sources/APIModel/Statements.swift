public import Foundation

/// `POST /v1/promotions/{id}/approve`, `/reject`, `/override`.
public struct VerdictBody: Codable, Sendable, Hashable {
    public var comment: String?
    public var reason: String?

    public init(comment: String? = nil, reason: String? = nil) {
        self.comment = comment
        self.reason = reason
    }
}

/// What somebody said to a promotion.
public struct VerdictResource: Codable, Sendable, Hashable {
    public var id: String
    /// approve, reject, override
    public var verdict: String
    public var by: String
    public var name: String?
    public var at: Date
    public var digest: String
    public var policyVersion: String
    public var comment: String?

    public init(id: String, verdict: String, by: String, name: String?, at: Date, digest: String, policyVersion: String, comment: String?) {
        self.id = id
        self.verdict = verdict
        self.by = by
        self.name = name
        self.at = at
        self.digest = digest
        self.policyVersion = policyVersion
        self.comment = comment
    }
}

/// `POST /v1/evidence`
public struct EvidenceBody: Codable, Sendable, Hashable {
    public var digest: String
    public var kind: String
    public var result: String
    public var image: String?
    public var details: JSONNode?
    public var url: String?

    public init(digest: String, kind: String, result: String, image: String? = nil, details: JSONNode? = nil, url: String? = nil) {
        self.digest = digest
        self.kind = kind
        self.result = result
        self.image = image
        self.details = details
        self.url = url
    }
}

/// Something that was posted about a digest: evidence, or a scanner's report.
public struct StatementResource: Codable, Sendable, Hashable {
    public var id: String
    /// evidence, scan
    public var type: String
    public var digest: String
    public var image: String?
    public var kind: String?
    public var result: String?
    public var details: JSONNode?
    public var url: String?
    public var scanner: String?
    public var format: String?
    public var completedAt: Date?
    /// Findings by severity.
    public var findings: [String: Int]?
    /// The digest of what was posted.
    public var content: String?
    public var postedBy: String
    public var postedByName: String?
    public var recordedAt: Date

    public init(id: String, type: String, digest: String, image: String?, postedBy: String, postedByName: String?, recordedAt: Date, content: String?) {
        self.id = id
        self.type = type
        self.digest = digest
        self.image = image
        self.postedBy = postedBy
        self.postedByName = postedByName
        self.recordedAt = recordedAt
        self.content = content
    }
}

/// A gate that looks at a statement.
public struct StatementGateResource: Codable, Sendable, Hashable {
    public var policy: String
    public var gate: String
    public var source: String
    /// Whether this poster's statements count for it.
    public var counts: Bool

    public init(policy: String, gate: String, source: String, counts: Bool) {
        self.policy = policy
        self.gate = gate
        self.source = source
        self.counts = counts
    }
}

/// The answer to a statement: what was kept, and what it moves.
public struct PostedResource: Codable, Sendable, Hashable {
    public var statement: StatementResource
    /// The gates that look at it.
    public var gates: [StatementGateResource]
    /// The promotions that are looked at again.
    public var promotions: [String]

    public init(statement: StatementResource, gates: [StatementGateResource], promotions: [String]) {
        self.statement = statement
        self.gates = gates
        self.promotions = promotions
    }
}

/// Whether one artifact may go on now, and what is missing.
public struct EligibilityItem: Codable, Sendable, Hashable {
    public var tag: String?
    public var digest: String
    public var since: Date?
    /// eligible, waiting, denied, present (already at the target), unknown (a registry did not answer)
    public var state: String
    public var decision: DecisionResource?
    public var failure: FailureResource?

    public init(tag: String?, digest: String, since: Date?, state: String, decision: DecisionResource?, failure: FailureResource?) {
        self.tag = tag
        self.digest = digest
        self.since = since
        self.state = state
        self.decision = decision
        self.failure = failure
    }
}

/// `GET /v1/eligibility`
public struct EligibilityResource: Codable, Sendable, Hashable {
    public var image: String
    public var from: String
    public var to: String
    public var policyVersion: String
    public var items: [EligibilityItem]
    public var next: String?

    public init(image: String, from: String, to: String, policyVersion: String, items: [EligibilityItem], next: String?) {
        self.image = image
        self.from = from
        self.to = to
        self.policyVersion = policyVersion
        self.items = items
        self.next = next
    }
}

/// A decision as it was made, with the facts that it was made on: what a replay needs. Times in both are seconds since 1970.
public struct RecordedDecisionResource: Codable, Sendable, Hashable {
    public var promotion: String
    /// Seconds since 1970.
    public var at: Double
    public var outcome: String
    public var policyVersion: String
    public var decision: JSONNode
    public var facts: JSONNode

    public init(promotion: String, at: Double, outcome: String, policyVersion: String, decision: JSONNode, facts: JSONNode) {
        self.promotion = promotion
        self.at = at
        self.outcome = outcome
        self.policyVersion = policyVersion
        self.decision = decision
        self.facts = facts
    }
}

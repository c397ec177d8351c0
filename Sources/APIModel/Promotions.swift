public import Foundation

/// `POST /v1/promotions`: what is asked for. Exactly one of `tag` and `digest`.
public struct PromotionRequestBody: Codable, Sendable, Hashable {
    public var image: String
    public var from: String
    public var to: String
    public var tag: String?
    public var digest: String?
    public var targetTags: [String]?
    public var reason: String?
    public var dryRun: Bool?

    public init(
        image: String, from: String, to: String, tag: String? = nil, digest: String? = nil, targetTags: [String]? = nil, reason: String? = nil,
        dryRun: Bool? = nil
    ) {
        self.image = image
        self.from = from
        self.to = to
        self.tag = tag
        self.digest = digest
        self.targetTags = targetTags
        self.reason = reason
        self.dryRun = dryRun
    }
}

/// `POST /v1/promotions/batch`: several promotions in one call; each succeeds or fails for itself.
public struct PromotionBatchBody: Codable, Sendable, Hashable {
    public var items: [PromotionRequestBody]

    public init(items: [PromotionRequestBody]) { self.items = items }
}

/// What became of one item of a batch: the promotion, or why there is none.
public struct PromotionBatchItem: Codable, Sendable, Hashable {
    /// The status that the item alone would have been answered with.
    public var status: Int
    public var promotion: PromotionResource?
    public var problem: ProblemResource?

    public init(status: Int, promotion: PromotionResource? = nil, problem: ProblemResource? = nil) {
        self.status = status
        self.promotion = promotion
        self.problem = problem
    }
}

/// The answer to a batch, in the order of its items.
public struct PromotionBatchResource: Codable, Sendable, Hashable {
    public var items: [PromotionBatchItem]

    public init(items: [PromotionBatchItem]) { self.items = items }
}

/// One gate's answer.
public struct GateResource: Codable, Sendable, Hashable {
    public var gate: String
    public var policy: String
    public var outcome: String
    public var reason: String
    public var source: String
    public var warning: Bool
    /// The earliest time at which a wait can end, where it is known.
    public var retryAt: Date?
    /// The digests of what it looked at: signatures, reports, posted evidence.
    public var evidence: [String]?
    /// Whether it is open only because somebody ordered it.
    public var overridden: Bool?

    public init(
        gate: String, policy: String, outcome: String, reason: String, source: String, warning: Bool, retryAt: Date? = nil, evidence: [String] = [],
        overridden: Bool = false
    ) {
        self.gate = gate
        self.policy = policy
        self.outcome = outcome
        self.reason = reason
        self.source = source
        self.warning = warning
        self.retryAt = retryAt
        self.evidence = evidence.isEmpty ? nil : evidence
        self.overridden = overridden ? true : nil
    }
}

/// What somebody can do about a gate that is not open.
public struct GateRequestResource: Codable, Sendable, Hashable {
    /// One thing that it looks at.
    public struct Wish: Codable, Sendable, Hashable {
        /// approval, evidence, scan
        public var give: String
        /// Groups and ids that count; empty where anybody does.
        public var by: [String]
        public var count: Int?
        public var kind: String?
        public var result: String?

        public init(give: String, by: [String], count: Int? = nil, kind: String? = nil, result: String? = nil) {
            self.give = give
            self.by = by
            self.count = count
            self.kind = kind
            self.result = result
        }
    }

    public var gate: String
    public var policy: String
    public var source: String
    public var wishes: [Wish]
    /// Who may open it by order; empty where nobody may.
    public var overridableBy: [String]

    public init(gate: String, policy: String, source: String, wishes: [Wish], overridableBy: [String]) {
        self.gate = gate
        self.policy = policy
        self.source = source
        self.wishes = wishes
        self.overridableBy = overridableBy
    }
}

/// What policy decided, and why.
public struct DecisionResource: Codable, Sendable, Hashable {
    public var outcome: String
    public var summary: String
    public var gates: [GateResource]
    public var targetTags: [String]
    public var policyVersion: String
    public var retryAt: Date?

    public init(outcome: String, summary: String, gates: [GateResource], targetTags: [String], policyVersion: String, retryAt: Date?) {
        self.outcome = outcome
        self.summary = summary
        self.gates = gates
        self.targetTags = targetTags
        self.policyVersion = policyVersion
        self.retryAt = retryAt
    }
}

/// A number of blobs and their bytes.
public struct TallyResource: Codable, Sendable, Hashable {
    public var blobs: Int
    public var bytes: Int64

    public init(blobs: Int, bytes: Int64) {
        self.blobs = blobs
        self.bytes = bytes
    }
}

/// What one registry of the target environment got.
public struct TargetReportResource: Codable, Sendable, Hashable {
    public var registry: String
    public var repository: String
    public var present: TallyResource
    public var mounted: TallyResource
    public var copied: TallyResource
    public var manifests: Int
    public var requests: [String: Int]

    public init(
        registry: String, repository: String, present: TallyResource, mounted: TallyResource, copied: TallyResource, manifests: Int,
        requests: [String: Int]
    ) {
        self.registry = registry
        self.repository = repository
        self.present = present
        self.mounted = mounted
        self.copied = copied
        self.manifests = manifests
        self.requests = requests
    }
}

/// What a promotion did and what it cost.
public struct ReportResource: Codable, Sendable, Hashable {
    public var targets: [TargetReportResource]
    public var decisionRequests: [String: Int]
    public var sourceRequests: [String: Int]
    public var sourceBytes: Int64
    public var totalRequests: Int
    public var seconds: Double
    /// Signatures, SBOMs and attestations that went with the image.
    public var referrers: Int?
    /// What was odd about them at the source.
    public var remarks: [String]?

    public init(
        targets: [TargetReportResource], decisionRequests: [String: Int], sourceRequests: [String: Int], sourceBytes: Int64, totalRequests: Int,
        seconds: Double, referrers: Int?, remarks: [String]?
    ) {
        self.targets = targets
        self.decisionRequests = decisionRequests
        self.sourceRequests = sourceRequests
        self.sourceBytes = sourceBytes
        self.totalRequests = totalRequests
        self.seconds = seconds
        self.referrers = referrers
        self.remarks = remarks
    }
}

/// A tag's move as it was done and read back.
public struct TagMoveResource: Codable, Sendable, Hashable {
    public var registry: String
    public var repository: String
    public var tag: String
    public var previous: String?
    public var digest: String
    public var written: Bool

    public init(registry: String, repository: String, tag: String, previous: String?, digest: String, written: Bool) {
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.previous = previous
        self.digest = digest
        self.written = written
    }
}

/// Why a promotion failed.
public struct FailureResource: Codable, Sendable, Hashable {
    public var kind: String
    public var message: String
    public var registry: String?
    public var repository: String?
    public var reference: String?
    public var status: Int?
    public var registryMessage: String?
    public var transient: Bool

    public init(
        kind: String, message: String, registry: String?, repository: String?, reference: String?, status: Int?, registryMessage: String?, transient: Bool
    ) {
        self.kind = kind
        self.message = message
        self.registry = registry
        self.repository = repository
        self.reference = reference
        self.status = status
        self.registryMessage = registryMessage
        self.transient = transient
    }
}

/// How far a running promotion is.
public struct ProgressResource: Codable, Sendable, Hashable {
    public var blobsDone: Int
    public var blobsTotal: Int
    public var bytesDone: Int64
    public var bytesTotal: Int64

    public init(blobsDone: Int, blobsTotal: Int, bytesDone: Int64, bytesTotal: Int64) {
        self.blobsDone = blobsDone
        self.blobsTotal = blobsTotal
        self.bytesDone = bytesDone
        self.bytesTotal = bytesTotal
    }
}

/// A promotion.
public struct PromotionResource: Codable, Sendable, Hashable {
    public var id: String
    public var state: String
    public var version: Int
    public var image: String
    public var from: String
    public var to: String
    public var digest: String
    public var tag: String?
    public var targetTags: [String]
    public var reason: String?
    public var requestedBy: String
    public var createdAt: Date
    public var updatedAt: Date
    public var finishedAt: Date?
    public var policyVersion: String?
    public var decision: DecisionResource?
    public var report: ReportResource?
    public var tagMoves: [TagMoveResource]
    public var failure: FailureResource?
    public var attempts: Int
    public var progress: ProgressResource?
    /// What people and pipelines can do about its closed gates.
    public var requests: [GateRequestResource]?
    /// Set where it is a rollback.
    public var rollback: RollbackOriginResource?

    public init(
        id: String, state: String, version: Int, image: String, from: String, to: String, digest: String, tag: String?, targetTags: [String],
        reason: String?, requestedBy: String, createdAt: Date, updatedAt: Date, finishedAt: Date?, policyVersion: String?,
        decision: DecisionResource?, report: ReportResource?, tagMoves: [TagMoveResource], failure: FailureResource?, attempts: Int,
        progress: ProgressResource?
    ) {
        self.id = id
        self.state = state
        self.version = version
        self.image = image
        self.from = from
        self.to = to
        self.digest = digest
        self.tag = tag
        self.targetTags = targetTags
        self.reason = reason
        self.requestedBy = requestedBy
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.finishedAt = finishedAt
        self.policyVersion = policyVersion
        self.decision = decision
        self.report = report
        self.tagMoves = tagMoves
        self.failure = failure
        self.attempts = attempts
        self.progress = progress
    }

    /// Whether nothing more happens unless somebody asks.
    public var isFinal: Bool { ["denied", "succeeded", "failed", "cancelled"].contains(state) }
}

/// One step of a plan.
public struct PlanStepResource: Codable, Sendable, Hashable {
    public var registry: String
    public var digest: String
    public var mediaType: String
    public var size: Int64
    public var action: String
    public var detail: String?

    public init(registry: String, digest: String, mediaType: String, size: Int64, action: String, detail: String?) {
        self.registry = registry
        self.digest = digest
        self.mediaType = mediaType
        self.size = size
        self.action = action
        self.detail = detail
    }
}

/// The answer to a dry run: nothing was done.
public struct DryRunResource: Codable, Sendable, Hashable {
    public var image: String
    public var from: String
    public var to: String
    public var digest: String
    public var decision: DecisionResource
    public var targets: [TargetReportResource]?
    public var steps: [PlanStepResource]?

    public init(
        image: String, from: String, to: String, digest: String, decision: DecisionResource, targets: [TargetReportResource]?, steps: [PlanStepResource]?
    ) {
        self.image = image
        self.from = from
        self.to = to
        self.digest = digest
        self.decision = decision
        self.targets = targets
        self.steps = steps
    }
}

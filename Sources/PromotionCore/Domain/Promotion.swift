public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// What a caller asks for, parsed and valid in form; whether it exists and is allowed is decided later.
public struct PromotionRequest: Sendable, Hashable {
    public let image: ImageName
    public let from: EnvironmentName
    public let to: EnvironmentName
    /// The source tag or digest. A tag is resolved once; everything after is by digest.
    public let reference: ManifestReference
    /// Tags asked for at the target; empty leaves them to policy.
    public let targetTags: [Tag]
    public let reason: String?

    public init(
        image: ImageName, from: EnvironmentName, to: EnvironmentName, reference: ManifestReference, targetTags: [Tag] = [], reason: String? = nil
    ) {
        self.image = image
        self.from = from
        self.to = to
        self.reference = reference
        self.targetTags = targetTags
        self.reason = reason
    }
}

/// What makes a promotion a rollback: it brings an image back to a state that it had in the environment.
public struct Rollback: Sendable, Hashable, Codable {
    /// The environment from which what is brought back once came: that step's rules decide.
    public let step: EnvironmentName
    /// The time whose state it is; `nil` where it was asked for by digest.
    public let state: Date?
    /// Whether it puts back what Shiplift itself had written last, and others have moved.
    public let restores: Bool

    public init(step: EnvironmentName, state: Date?, restores: Bool = false) {
        self.step = step
        self.state = state
        self.restores = restores
    }
}

/// The request to make artifact `digest` of an image present in an environment, coming from another one.
public struct Promotion: Sendable, Hashable {
    public let id: PromotionID
    public let image: ImageName
    public let from: EnvironmentName
    public let to: EnvironmentName
    /// What moves. Fixed from the moment of the request, wherever the source tag goes afterwards.
    public let digest: Digest
    /// The tag it was asked for by, if any.
    public let sourceTag: Tag?
    public let requestedTags: [Tag]
    public let reason: String?
    public let requestedBy: SubjectID
    public let requestID: RequestID?
    public let createdAt: Date
    /// The requester with the claims that they had then; `nil` where it was not recorded.
    public let requestedAs: Identity?
    /// Set where it is a rollback: `from` is then the environment itself, or another one that still has the artifact.
    public let rollback: Rollback?

    public var state: PromotionState
    /// Counts the state's changes; the `ETag`.
    public var version: Int
    public var updatedAt: Date
    public var finishedAt: Date?
    /// The version of the policy that decided.
    public var policyVersion: String?
    public var decision: Decision?
    public var report: CopyReport?
    public var tagMoves: [TagMove]
    public var failure: PromotionFailure?
    /// Failed attempts so far of the current round.
    public var attempts: Int
    public var progress: CopyProgress?
    public var cancelRequested: Bool

    public init(
        id: PromotionID, image: ImageName, from: EnvironmentName, to: EnvironmentName, digest: Digest, sourceTag: Tag?, requestedTags: [Tag],
        reason: String?, requestedBy: SubjectID, requestID: RequestID?, createdAt: Date, state: PromotionState = .requested, version: Int = 0,
        updatedAt: Date? = nil, finishedAt: Date? = nil, policyVersion: String? = nil, decision: Decision? = nil, report: CopyReport? = nil,
        tagMoves: [TagMove] = [], failure: PromotionFailure? = nil, attempts: Int = 0, progress: CopyProgress? = nil, cancelRequested: Bool = false,
        requestedAs: Identity? = nil, rollback: Rollback? = nil
    ) {
        self.id = id
        self.image = image
        self.from = from
        self.to = to
        self.digest = digest
        self.sourceTag = sourceTag
        self.requestedTags = requestedTags
        self.reason = reason
        self.requestedBy = requestedBy
        self.requestID = requestID
        self.createdAt = createdAt
        self.state = state
        self.version = version
        self.updatedAt = updatedAt ?? createdAt
        self.finishedAt = finishedAt
        self.policyVersion = policyVersion
        self.decision = decision
        self.report = report
        self.tagMoves = tagMoves
        self.failure = failure
        self.attempts = attempts
        self.progress = progress
        self.cancelRequested = cancelRequested
        self.requestedAs = requestedAs
        self.rollback = rollback
    }

    /// The environment by whose step into `to` policy decides.
    public var step: EnvironmentName { rollback?.step ?? from }
}

/// One change of a promotion's state with everything that is recorded in the same transaction.
public struct StateChange: Sendable {
    public let promotion: PromotionID
    /// The states it may come from; another one is `StoreError.stale`.
    public let from: Set<PromotionState>
    public let to: PromotionState
    public let audit: AuditEntry
    /// Set where the policy has decided.
    public var decision: Decision?
    public var facts: PromotionFacts?
    /// Where and under which tags it will be written; set together with the decision to go on.
    public var targets: [TargetRepository]
    public var tags: [Tag]
    public var report: CopyReport?
    public var tagMoves: [TagMove]
    public var failure: PromotionFailure?

    public init(
        promotion: PromotionID, from: Set<PromotionState>, to: PromotionState, audit: AuditEntry, decision: Decision? = nil,
        facts: PromotionFacts? = nil, targets: [TargetRepository] = [], tags: [Tag] = [], report: CopyReport? = nil, tagMoves: [TagMove] = [],
        failure: PromotionFailure? = nil
    ) {
        self.promotion = promotion
        self.from = from
        self.to = to
        self.audit = audit
        self.decision = decision
        self.facts = facts
        self.targets = targets
        self.tags = tags
        self.report = report
        self.tagMoves = tagMoves
        self.failure = failure
    }
}

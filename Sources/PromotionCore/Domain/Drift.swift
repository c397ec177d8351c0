public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// A tag that no longer names what Shiplift made it name last.
public struct Drift: Sendable, Hashable {
    /// How a drift came to its end.
    public enum Resolution: String, Sendable, Hashable, CaseIterable {
        /// Others put it back.
        case returned
        /// A promotion, or a rollback, has moved the tag since.
        case promoted
        case rolledBack = "rolled-back"
        /// Shiplift put it back, since the environment says so.
        case restored
    }

    public let id: UUID
    public let image: ImageName
    public let environment: EnvironmentName
    public let target: TargetRepository
    public let tag: Tag
    public let expected: Digest
    /// `nil`: the tag is gone.
    public let found: Digest?
    /// The promotion that wrote the tag last.
    public let promotion: PromotionID
    public let detectedAt: Date
    public let seenBy: String
    public var resolvedAt: Date?
    public var resolution: Resolution?
    /// The promotion that is to put it back.
    public var restoring: PromotionID?

    public init(
        id: UUID, image: ImageName, environment: EnvironmentName, target: TargetRepository, tag: Tag, expected: Digest, found: Digest?,
        promotion: PromotionID, detectedAt: Date, seenBy: String, resolvedAt: Date? = nil, resolution: Resolution? = nil,
        restoring: PromotionID? = nil
    ) {
        self.id = id
        self.image = image
        self.environment = environment
        self.target = target
        self.tag = tag
        self.expected = expected
        self.found = found
        self.promotion = promotion
        self.detectedAt = detectedAt
        self.seenBy = seenBy
        self.resolvedAt = resolvedAt
        self.resolution = resolution
        self.restoring = restoring
    }
}

/// Writes the audit entries of what is seen in registries.
public struct InventoryActs: Sendable {
    private let environs: Environs

    public init(_ environs: Environs) { self.environs = environs }

    public func drifted(_ drift: Drift) throws(AuditEntryError) -> AuditEntry {
        try entry("drift.detected", drift, outcome: .failure, details: ["seenBy": .string(drift.seenBy)], promotion: drift.promotion)
    }

    public func settled(_ drift: Drift, _ resolution: Drift.Resolution, by promotion: PromotionID?) throws(AuditEntryError) -> AuditEntry {
        try entry("drift.resolved", drift, outcome: .success, details: ["resolution": .string(resolution.rawValue)], promotion: promotion ?? drift.promotion)
    }

    private func entry(
        _ action: String, _ drift: Drift, outcome: AuditOutcome, details: [String: JSONValue], promotion: PromotionID
    ) throws(AuditEntryError) -> AuditEntry {
        let place: [String: JSONValue] = [
            "registry": .string(drift.target.registry), "repository": .string(drift.target.repository.description),
        ]
        return try AuditEntry(
            id: environs.newID(), time: environs.now(), actor: AuditActor(id: SubjectID.service.description, authentication: .service), action: action,
            outcome: outcome,
            subject: AuditEntry.Subject(
                image: drift.image.description, digest: drift.expected.description, environment: drift.environment.description, tags: [drift.tag.description],
                promotionID: promotion.description),
            before: .string(drift.expected.description), after: .string(drift.found?.description ?? "absent"), details: details.merging(place) { $1 })
    }

    /// Somebody asks for a look at an environment's registries.
    public func scanRequested(
        _ environment: EnvironmentName, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) throws(AuditEntryError) -> AuditEntry {
        try AuditEntry(
            id: environs.newID(), time: environs.now(), actor: AuditActor(id: actor.description, authentication: authentication),
            action: "scan.requested", outcome: .success, subject: AuditEntry.Subject(environment: environment.description),
            requestID: requestID?.description)
    }
}

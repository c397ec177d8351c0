public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// Which audit entries a query shows. Empty fields don't filter.
public struct AuditFilter: Sendable, Hashable {
    public var actor: SubjectID?
    public var actorAuthentication: AuditActor.Authentication?
    /// Any of these.
    public var actions: [String] = []
    public var outcome: AuditOutcome?
    public var image: ImageName?
    public var digest: Digest?
    public var environment: EnvironmentName?
    public var fromEnvironment: EnvironmentName?
    public var tag: Tag?
    public var promotion: PromotionID?
    public var requestID: String?
    public var policyVersion: String?
    /// Stands somewhere in the entry; the case of letters doesn't count.
    public var text: String?
    public var since: Date?
    public var until: Date?

    public init() {}

    /// Whether what an index finds bounds the question; one for a text in a log of years would read all of it.
    public var isBounded: Bool {
        let isServed = actor != nil || !actions.isEmpty || image != nil || digest != nil || environment != nil || promotion != nil || since != nil
        let isPlain = actorAuthentication == nil && fromEnvironment == nil && tag == nil && requestID == nil && policyVersion == nil && text == nil
        return isServed || isPlain
    }
}

/// By the time of the act.
public enum AuditOrder: String, Sendable, Hashable, CaseIterable {
    case newest, oldest

    public var reversed: AuditOrder { self == .newest ? .oldest : .newest }
}

/// An entry as it is stored, not taken apart.
public struct ListedAct: Sendable, Hashable {
    /// Its place; none until the sequencer has come by (within a second).
    public let index: Int64?
    public let leafHash: MerkleHash
    public let canonicalText: String

    public init(index: Int64?, leafHash: MerkleHash, canonicalText: String) {
        self.index = index
        self.leafHash = leafHash
        self.canonicalText = canonicalText
    }
}

/// A page of a query.
public struct AuditPage: Sendable, Hashable {
    public let items: [ListedAct]
    /// Leads to what follows this page.
    public let next: String?
    /// Leads to what comes before this page, if anything ever does.
    public let previous: String?
    /// Where a reader that follows the log goes on: all up to this place was looked at.
    public let position: Int64?

    public init(items: [ListedAct], next: String?, previous: String?, position: Int64?) {
        self.items = items
        self.next = next
        self.previous = previous
        self.position = position
    }
}

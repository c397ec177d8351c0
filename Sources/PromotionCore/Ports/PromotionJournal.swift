public import Foundation
public import PolicyEngine

/// Where a promotion stands, in as few words as a look at many of them allows.
public struct PromotionStanding: Sendable, Hashable {
    public let id: PromotionID
    public let version: Int
    /// What the worker wrote down at its last heartbeat.
    public let progress: CopyProgress?

    public init(id: PromotionID, version: Int, progress: CopyProgress?) {
        self.id = id
        self.version = version
        self.progress = progress
    }
}

/// One change of a promotion's state as it was recorded. The first, of version 0, is the request.
public struct PromotionMove: Sendable, Hashable {
    public let version: Int
    public let from: PromotionState?
    public let to: PromotionState
    public let at: Date
    public let actor: SubjectID
    /// Where the move came of one.
    public let decision: Decision?

    public init(version: Int, from: PromotionState?, to: PromotionState, at: Date, actor: SubjectID, decision: Decision?) {
        self.version = version
        self.from = from
        self.to = to
        self.at = at
        self.actor = actor
        self.decision = decision
    }
}

/// What has happened to promotions, for those who follow them.
public protocol PromotionJournal: Sendable {
    /// Those of `ids` that exist, in any order.
    func standings(of ids: [PromotionID]) async throws(StoreError) -> [PromotionStanding]

    /// The moves with a version above `version` (−1: all), in order. Versions have no gaps: a later move is never there before an earlier one.
    func moves(of id: PromotionID, after version: Int, limit: Int) async throws(StoreError) -> [PromotionMove]
}

public import Foundation

/// A promotion's new state, as listeners hear it.
public struct StateEventResource: Codable, Sendable, Hashable {
    public var promotion: String
    public var version: Int
    public var state: String
    /// None for the request itself.
    public var previous: String?
    public var at: Date
    /// Who or what moved it.
    public var by: String

    public init(promotion: String, version: Int, state: String, previous: String?, at: Date, by: String) {
        self.promotion = promotion
        self.version = version
        self.state = state
        self.previous = previous
        self.at = at
        self.by = by
    }
}

/// What policy has just decided, gate by gate; the new state follows.
public struct DecisionEventResource: Codable, Sendable, Hashable {
    public var promotion: String
    public var version: Int
    public var at: Date
    public var decision: DecisionResource

    public init(promotion: String, version: Int, at: Date, decision: DecisionResource) {
        self.promotion = promotion
        self.version = version
        self.at = at
        self.decision = decision
    }
}

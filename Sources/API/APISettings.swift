/// What operators decide about the API.
public struct APISettings: Sendable {
    /// Origins whose pages may read answers in browsers; none by default.
    public var origins: Set<String> = []
    /// What each authenticated caller may ask; `nil` lets them ask without end.
    public var callerLimit = RateLimit(requests: 60_000, seconds: 60)
    /// How many requests of one address may be refused for want of valid credentials; `nil` counts none.
    public var guessLimit = RateLimit(requests: 300, seconds: 60)
    /// Environments by the names that other tools' repositories or feeds had.
    public var foreignNames: [String: String] = [:]
    /// Whether Artifactory's call without `copy`, a move, is taken as a copy.
    public var takesMovesAsCopies = false

    public init() {}
}

/// Whose token counts for what: all claims must match, one pattern each suffices.
public struct IdentityRule: Sendable, Hashable {
    public let name: String
    public let source: SourceLocation
    /// By its name in the file.
    public let issuer: String
    let claims: [String: [TextPattern]]
    public let permissions: [Permission]

    /// Whether the claims of a verified token are those that the rule asks for.
    func matches(_ values: [String: [String]]) -> Bool {
        claims.allSatisfy { name, patterns in values[name, default: []].contains { value in patterns.contains { $0.matches(value) } } }
    }
}

/// What a file of kind Identities says: whose tokens count, and for what.
public struct Identities: Sendable, Hashable {
    public var issuers: [TrustedIssuer] = []
    public var rules: [IdentityRule] = []

    public init() {}

    /// The issuer of this `iss`, letter by letter: no other text means the same issuer, however much alike it looks.
    public func issuer(of claim: String) -> TrustedIssuer? { issuers.first { $0.issuer.utf8.elementsEqual(claim.utf8) } }

    public func issuer(named name: String) -> TrustedIssuer? { issuers.first { $0.name == name } }
}

extension PolicySet {
    /// What the bearer of an issuer's verified token may do, and which rules say so.
    public func permissions(of issuer: TrustedIssuer, claims: [String: [String]]) -> (rules: [String], permissions: [Permission]) {
        let rules = identities.rules.filter { $0.issuer == issuer.name && $0.matches(claims) }
        return (rules.map(\.name), rules.flatMap(\.permissions))
    }

    /// The claims of an issuer's tokens that anything here looks at: no others are kept.
    public func claimNames(of issuer: TrustedIssuer) -> Set<String> {
        var names = Set(issuer.preset.keptClaims)
        for rule in identities.rules where rule.issuer == issuer.name { names.formUnion(rule.claims.keys) }
        for group in groups.values { names.formUnion(group.claimNames(of: issuer.issuer)) }
        for policy in policies { for rule in policy.gates + policy.defaults { names.formUnion(rule.condition.requesterClaims) } }
        return names
    }
}

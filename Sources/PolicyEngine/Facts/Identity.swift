/// Somebody who acts: a stable id, and what the issuer of the token says of the bearer.
public struct Identity: Sendable, Hashable, Codable {
    /// `token:…`, `oidc:…`: never a name that can change hands.
    public let id: String
    /// Who vouches for the claims; `nil` where there are none.
    public let issuer: String?
    /// Each claim with its values.
    public let claims: [String: [String]]
    /// For people; says nothing about rights.
    public let name: String?
    /// The id of whom it belongs to, where somebody was declared to own it: a person's API token.
    public let owner: String?

    public init(id: String, issuer: String? = nil, claims: [String: [String]] = [:], name: String? = nil, owner: String? = nil) {
        self.id = id
        self.issuer = issuer
        self.claims = claims
        self.name = name
        self.owner = owner
    }

    /// Who stands behind it: whatever somebody comes with, they count once.
    public var person: String { owner ?? id }

    /// What a reason calls them.
    var label: String { name.map { "\($0) (\(id))" } ?? id }
}

/// Who belongs to a group: all that is said must hold.
public struct GroupMember: Sendable, Hashable {
    /// A pattern over the id.
    let subject: TextPattern?
    let issuer: String?
    let claims: [String: TextPattern]

    func matches(_ identity: Identity) -> Bool {
        if let subject, !subject.matches(identity.id) { return false }
        if let issuer, issuer != identity.issuer { return false }
        // A claim is worth what its issuer is worth: none is looked at without one.
        guard claims.isEmpty || issuer != nil else { return false }
        return claims.allSatisfy { name, pattern in identity.claims[name, default: []].contains(where: pattern.matches) }
    }
}

/// People and machines under one name.
public struct Group: Sendable, Hashable {
    public let name: String
    public let source: SourceLocation
    /// One of them suffices.
    let members: [GroupMember]

    public func contains(_ identity: Identity) -> Bool { members.contains { $0.matches(identity) } }

    /// The claims of an issuer that decide about membership.
    func claimNames(of issuer: String) -> Set<String> { Set(members.filter { $0.issuer == issuer }.flatMap(\.claims.keys)) }
}

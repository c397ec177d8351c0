public import Foundation

/// Verbs, on images that match one of the patterns, in some environments. An empty list means all.
public struct GrantResource: Codable, Sendable, Hashable {
    /// read, promote, approve, override, report, administer.
    public var verbs: [String]
    public var images: [String]?
    public var environments: [String]?

    public init(verbs: [String], images: [String]? = nil, environments: [String]? = nil) {
        self.verbs = verbs
        self.images = images
        self.environments = environments
    }
}

/// Who the caller is, and what they may do.
public struct WhoamiResource: Codable, Sendable, Hashable {
    /// A stable id: what audit entries name, and what policies may name.
    public var subject: String
    public var name: String
    /// token, oidc or session.
    public var authentication: String
    public var issuer: String?
    /// Whom the credential belongs to, where that was declared.
    public var owner: String?
    public var role: String
    public var grants: [GrantResource]
    /// The rules of the identities file that gave the rights.
    public var rules: [String]
    public var claims: [String: [String]]
    public var expiresAt: Date?
    /// For pages: what `X-CSRF-Token` must say with requests that change something.
    public var csrfToken: String?

    public init(
        subject: String, name: String, authentication: String, issuer: String?, owner: String?, role: String, grants: [GrantResource], rules: [String],
        claims: [String: [String]], expiresAt: Date?, csrfToken: String?
    ) {
        self.subject = subject
        self.name = name
        self.authentication = authentication
        self.issuer = issuer
        self.owner = owner
        self.role = role
        self.grants = grants
        self.rules = rules
        self.claims = claims
        self.expiresAt = expiresAt
        self.csrfToken = csrfToken
    }
}

/// How people may log in here.
public struct LoginMethodResource: Codable, Sendable, Hashable {
    /// The issuer's name in the identities file.
    public var name: String
    public var issuer: String
    public var clientID: String
    public var scopes: [String]
    /// Where a command line asks for a code (RFC 8628), and then for the token; absent where the issuer has no such way.
    public var deviceEndpoint: String?
    public var tokenEndpoint: String?

    public init(name: String, issuer: String, clientID: String, scopes: [String], deviceEndpoint: String?, tokenEndpoint: String?) {
        self.name = name
        self.issuer = issuer
        self.clientID = clientID
        self.scopes = scopes
        self.deviceEndpoint = deviceEndpoint
        self.tokenEndpoint = tokenEndpoint
    }
}

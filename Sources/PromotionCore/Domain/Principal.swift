public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// Who acts: a stable id such as `token:0192…` or `system:worker`, never a name that can change hands.
public struct SubjectID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let description: String

    /// A subject by its stored form.
    public init(stored: String) { description = stored }

    public static func token(_ id: UUID) -> SubjectID { SubjectID(stored: "token:\(id.uuidString.lowercased())") }
    /// The bearer of an issuer's tokens. By the issuer's URL and not by its name in a file, which can be given to another one.
    public static func oidc(issuer: String, subject: String) -> SubjectID { SubjectID(stored: "oidc:\(issuer)#\(subject)") }
    public static let worker = SubjectID(stored: "system:worker")
    public static let service = SubjectID(stored: "system:service")
    public static let anonymous = SubjectID(stored: "anonymous")

    /// How such a subject shows who they are, where nothing more is known.
    var usualAuthentication: AuditActor.Authentication {
        if self == .service || self == .worker { return .service }
        return description.hasPrefix("oidc:") ? .oidc : .token
    }

    public init(from decoder: any Decoder) throws { description = try decoder.singleValueContainer().decode(String.self) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// What a token's bearer may do.
public enum Grant: Sendable, Hashable, Codable {
    /// Read everything except tokens.
    case reader
    /// Read, and promote images that match one of the patterns (all where empty) into one of the environments (all where empty).
    case promoter(images: [String], environments: [EnvironmentName])
    /// Read, and give verdicts on promotions of images that match one of the patterns (all where empty) into one of the environments (all where
    /// empty). Whose verdict counts is for the policy to say.
    case approver(images: [String], environments: [EnvironmentName])
    /// Read, and post evidence about images that match one of the patterns (all where empty).
    case reporter(images: [String])
    /// Everything.
    case admin
    /// What some permissions say together.
    case scoped([Permission])

    /// The role's name as the API and the CLI spell it.
    public var role: String {
        switch self {
        case .reader: "reader"
        case .promoter: "promoter"
        case .approver: "approver"
        case .reporter: "reporter"
        case .admin: "admin"
        case .scoped: "scoped"
        }
    }

    /// Whether it allows a verb on an image in an environment; `nil` where the act is not about one.
    func allows(_ verb: Verb, _ image: ImageName?, in environment: EnvironmentName?) -> Bool {
        permissions.contains { $0.allows(verb, image, in: environment) }
    }

    /// Each role is a permission.
    public var permissions: [Permission] {
        switch self {
        case .reader: [Permission(verbs: [.read])]
        case .promoter(let images, let environments):
            [Permission(verbs: [.read, .promote], images: images, environments: environments), Permission(verbs: [.report], images: images)]
        case .approver(let images, let environments): [Permission(verbs: [.read, .approve, .override], images: images, environments: environments)]
        case .reporter(let images): [Permission(verbs: [.read, .report], images: images)]
        case .admin: [Permission(verbs: [.administer])]
        case .scoped(let permissions): permissions
        }
    }
}

/// An authenticated caller.
public struct Principal: Sendable, Hashable {
    public let subject: SubjectID
    public let name: String
    public let grant: Grant
    /// Who vouches for the claims; `nil` where there are none.
    public let issuer: String?
    /// By which policy recognises groups: each claim with its values.
    public let claims: [String: [String]]
    /// How they showed who they are.
    public let authentication: AuditActor.Authentication
    /// Whom their credential belongs to, where somebody was declared to own it.
    public let owner: SubjectID?
    /// The rules that give the rights; none where the rights are the credential's own.
    public let rules: [String]
    /// When the credential ends; `nil` where that is not known.
    public let expiresAt: Date?

    public init(
        subject: SubjectID, name: String, grant: Grant, issuer: String? = nil, claims: [String: [String]] = [:],
        authentication: AuditActor.Authentication = .token, owner: SubjectID? = nil, rules: [String] = [], expiresAt: Date? = nil
    ) {
        self.subject = subject
        self.name = name
        self.grant = grant
        self.issuer = issuer
        self.claims = claims
        self.authentication = authentication
        self.owner = owner
        self.rules = rules
        self.expiresAt = expiresAt
    }

    /// The caller as policy knows them.
    public var identity: Identity { Identity(id: subject.description, issuer: issuer, claims: claims, name: name, owner: owner?.description) }

    /// Whether this caller may bring `image` into `environment`.
    public func mayPromote(_ image: ImageName, to environment: EnvironmentName) -> Bool { grant.allows(.promote, image, in: environment) }

    /// Whether this caller may give verdicts on promotions of `image` into `environment`.
    public func mayJudge(_ image: ImageName, to environment: EnvironmentName) -> Bool { grant.allows(.approve, image, in: environment) }

    /// Whether this caller may order that gates be opened for `image` into `environment`, as far as policy lets them.
    public func mayOverride(_ image: ImageName, to environment: EnvironmentName) -> Bool { grant.allows(.override, image, in: environment) }

    /// Whether this caller may post evidence about `image`, or about a digest of whatever image where it is `nil`.
    public func mayReport(_ image: ImageName?) -> Bool { grant.allows(.report, image, in: nil) }

    public var isAdmin: Bool { grant.allows(.administer, nil, in: nil) }
}

/// A token's record. The secret itself is shown once, when it is made, and never stored.
public struct TokenRecord: Sendable, Hashable {
    public let id: UUID
    public let name: String
    public let grant: Grant
    /// The groups that its bearer belongs to, as policy knows them under the issuer `shiplift`.
    public let groups: [String]
    /// The secret's last characters, to tell tokens apart.
    public let hint: String
    public let createdAt: Date
    public let expiresAt: Date
    public let revokedAt: Date?
    public let lastUsedOn: Date?
    /// The person to whom it belongs: what is done with it counts as done by them.
    public let owner: SubjectID?
    /// Until when the secret before this one counts too; `nil` where there is none.
    public let previousUntil: Date?

    public init(
        id: UUID, name: String, grant: Grant, groups: [String] = [], hint: String, createdAt: Date, expiresAt: Date, revokedAt: Date? = nil,
        lastUsedOn: Date? = nil, owner: SubjectID? = nil, previousUntil: Date? = nil
    ) {
        self.id = id
        self.name = name
        self.grant = grant
        self.groups = groups
        self.hint = hint
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.lastUsedOn = lastUsedOn
        self.owner = owner
        self.previousUntil = previousUntil
    }

    public func isUsable(at date: Date) -> Bool { revokedAt == nil && date < expiresAt }

    /// Who vouches for the groups of tokens: the administrator who made them.
    public static let issuer = "shiplift"

    /// The bearer.
    public var principal: Principal {
        Principal(subject: .token(id), name: name, grant: grant, issuer: Self.issuer, claims: groups.isEmpty ? [:] : ["groups": groups], owner: owner, expiresAt: expiresAt)
    }
}

extension Principal {
    /// Whether this caller may have an environment's registries looked at.
    public func mayScan(_ environment: EnvironmentName) -> Bool {
        grant.permissions.contains { permission in
            permission.verbs.contains(.administer)
                || permission.verbs.contains(.promote) && (permission.environments.isEmpty || permission.environments.contains(environment))
        }
    }
}

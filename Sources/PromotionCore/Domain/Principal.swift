public import Foundation
public import OCI
public import PolicyEngine

/// Who acts: a stable id such as `token:0192…` or `system:worker`, never a name that can change hands.
public struct SubjectID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let description: String

    /// A subject by its stored form.
    public init(stored: String) { description = stored }

    public static func token(_ id: UUID) -> SubjectID { SubjectID(stored: "token:\(id.uuidString.lowercased())") }
    public static let worker = SubjectID(stored: "system:worker")
    public static let service = SubjectID(stored: "system:service")
    public static let anonymous = SubjectID(stored: "anonymous")

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

    /// The role's name as the API and the CLI spell it.
    public var role: String {
        switch self {
        case .reader: "reader"
        case .promoter: "promoter"
        case .approver: "approver"
        case .reporter: "reporter"
        case .admin: "admin"
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

    public init(subject: SubjectID, name: String, grant: Grant, issuer: String? = nil, claims: [String: [String]] = [:]) {
        self.subject = subject
        self.name = name
        self.grant = grant
        self.issuer = issuer
        self.claims = claims
    }

    /// The caller as policy knows them.
    public var identity: Identity { Identity(id: subject.description, issuer: issuer, claims: claims, name: name) }

    /// Whether this caller may bring `image` into `environment`.
    public func mayPromote(_ image: ImageName, to environment: EnvironmentName) -> Bool {
        switch grant {
        case .reader, .approver, .reporter: false
        case .admin: true
        case .promoter(let images, let environments): Self.covers(images, environments, image, environment)
        }
    }

    /// Whether this caller may give verdicts on promotions of `image` into `environment`.
    public func mayJudge(_ image: ImageName, to environment: EnvironmentName) -> Bool {
        switch grant {
        case .reader, .promoter, .reporter: false
        case .admin: true
        case .approver(let images, let environments): Self.covers(images, environments, image, environment)
        }
    }

    /// Whether this caller may post evidence about `image`, or about a digest of whatever image where it is `nil`.
    public func mayReport(_ image: ImageName?) -> Bool {
        switch grant {
        case .reader, .approver: false
        case .admin: true
        case .promoter(let images, _), .reporter(let images):
            images.isEmpty || image.map { image in images.contains { Self.pattern($0, matches: image) } } ?? false
        }
    }

    public var isAdmin: Bool { grant == .admin }

    private static func covers(_ images: [String], _ environments: [EnvironmentName], _ image: ImageName, _ environment: EnvironmentName) -> Bool {
        (environments.isEmpty || environments.contains(environment)) && (images.isEmpty || images.contains { pattern($0, matches: image) })
    }

    /// A pattern that no longer parses matches nothing: closed, not open.
    private static func pattern(_ text: String, matches image: ImageName) -> Bool {
        do { return try ImagePattern(parsing: text).matches(image) } catch { return false }
    }
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

    public init(
        id: UUID, name: String, grant: Grant, groups: [String] = [], hint: String, createdAt: Date, expiresAt: Date, revokedAt: Date? = nil,
        lastUsedOn: Date? = nil
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
    }

    public func isUsable(at date: Date) -> Bool { revokedAt == nil && date < expiresAt }

    /// Who vouches for the groups of tokens: the administrator who made them.
    public static let issuer = "shiplift"

    /// The bearer.
    public var principal: Principal {
        Principal(subject: .token(id), name: name, grant: grant, issuer: Self.issuer, claims: groups.isEmpty ? [:] : ["groups": groups])
    }
}

extension Principal {
    /// Whether this caller may have an environment's registries looked at.
    public func mayScan(_ environment: EnvironmentName) -> Bool {
        if case .promoter(_, let environments) = grant { return environments.isEmpty || environments.contains(environment) }
        return isAdmin
    }
}

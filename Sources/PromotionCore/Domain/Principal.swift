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
    /// Everything.
    case admin

    /// The role's name as the API and the CLI spell it.
    public var role: String {
        switch self {
        case .reader: "reader"
        case .promoter: "promoter"
        case .admin: "admin"
        }
    }
}

/// An authenticated caller.
public struct Principal: Sendable, Hashable {
    public let subject: SubjectID
    public let name: String
    public let grant: Grant

    public init(subject: SubjectID, name: String, grant: Grant) {
        self.subject = subject
        self.name = name
        self.grant = grant
    }

    /// Whether this caller may bring `image` into `environment`.
    public func mayPromote(_ image: ImageName, to environment: EnvironmentName) -> Bool {
        switch grant {
        case .reader: false
        case .admin: true
        case .promoter(let images, let environments):
            (environments.isEmpty || environments.contains(environment))
                && (images.isEmpty || images.contains { Self.pattern($0, matches: image) })
        }
    }

    public var isAdmin: Bool { grant == .admin }

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
    /// The secret's last characters, to tell tokens apart.
    public let hint: String
    public let createdAt: Date
    public let expiresAt: Date
    public let revokedAt: Date?
    public let lastUsedOn: Date?

    public init(
        id: UUID, name: String, grant: Grant, hint: String, createdAt: Date, expiresAt: Date, revokedAt: Date? = nil, lastUsedOn: Date? = nil
    ) {
        self.id = id
        self.name = name
        self.grant = grant
        self.hint = hint
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.lastUsedOn = lastUsedOn
    }

    public func isUsable(at date: Date) -> Bool { revokedAt == nil && date < expiresAt }
}

public import Foundation

/// A part of a list.
public struct PageResource<Item: Codable & Sendable>: Codable, Sendable {
    public var items: [Item]
    /// Pass as `cursor` to go on; absent on the last page.
    public var next: String?

    public init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}

/// An error (RFC 9457).
public struct ProblemResource: Codable, Sendable, Hashable, Error {
    public var type: String
    public var title: String
    public var status: Int
    public var detail: String
    public var instance: String?
    public var requestId: String?
    /// The field at fault.
    public var field: String?
    public var retryable: Bool
    public var failure: FailureResource?

    public init(
        type: String, title: String, status: Int, detail: String, instance: String? = nil, requestId: String? = nil, field: String? = nil,
        retryable: Bool = false, failure: FailureResource? = nil
    ) {
        self.type = type
        self.title = title
        self.status = status
        self.detail = detail
        self.instance = instance
        self.requestId = requestId
        self.field = field
        self.retryable = retryable
        self.failure = failure
    }
}

public struct ImageResource: Codable, Sendable, Hashable {
    public var image: String
    public var environments: [String]
    public var lastPromotedAt: Date?
    public var description: String?
    /// Tags for which it was found, the newest first, at most five.
    public var matches: [ImageMatchResource]

    public init(image: String, environments: [String], lastPromotedAt: Date?, description: String? = nil, matches: [ImageMatchResource] = []) {
        self.image = image
        self.environments = environments
        self.lastPromotedAt = lastPromotedAt
        self.description = description
        self.matches = matches
    }
}

public struct TagResource: Codable, Sendable, Hashable {
    public var environment: String
    public var registry: String
    public var repository: String
    public var tag: String
    /// Absent: the tag did not exist in that time.
    public var digest: String?
    public var since: Date
    public var until: Date?
    public var promotion: String?

    public init(environment: String, registry: String, repository: String, tag: String, digest: String?, since: Date, until: Date?, promotion: String?) {
        self.environment = environment
        self.registry = registry
        self.repository = repository
        self.tag = tag
        self.digest = digest
        self.since = since
        self.until = until
        self.promotion = promotion
    }
}

public struct ArtifactLocationResource: Codable, Sendable, Hashable {
    public var environment: String
    public var registry: String
    public var image: String
    public var repository: String
    public var tags: [String]
    public var seenAt: Date

    public init(environment: String, registry: String, image: String, repository: String, tags: [String], seenAt: Date) {
        self.environment = environment
        self.registry = registry
        self.image = image
        self.repository = repository
        self.tags = tags
        self.seenAt = seenAt
    }
}

public struct ArtifactResource: Codable, Sendable, Hashable {
    public var digest: String
    public var mediaType: String?
    public var size: Int?
    public var locations: [ArtifactLocationResource]

    public init(digest: String, mediaType: String?, size: Int?, locations: [ArtifactLocationResource]) {
        self.digest = digest
        self.mediaType = mediaType
        self.size = size
        self.locations = locations
    }
}

public struct EnvironmentResource: Codable, Sendable, Hashable {
    public struct Registry: Codable, Sendable, Hashable {
        public var name: String
        public var url: String
        public var repository: String

        public init(name: String, url: String, repository: String) {
            self.name = name
            self.url = url
            self.repository = repository
        }
    }

    public var name: String
    public var position: Int
    public var registries: [Registry]
    public var immutableTags: [String]

    public init(name: String, position: Int, registries: [Registry], immutableTags: [String]) {
        self.name = name
        self.position = position
        self.registries = registries
        self.immutableTags = immutableTags
    }
}

/// The environments in force, with the version of the policy that names them.
public struct EnvironmentsResource: Codable, Sendable, Hashable {
    public var policyVersion: String
    public var items: [EnvironmentResource]
    /// Why a newer version of the files is not in force, if so.
    public var refused: [String]

    public init(policyVersion: String, items: [EnvironmentResource], refused: [String]) {
        self.policyVersion = policyVersion
        self.items = items
        self.refused = refused
    }
}

public struct TokenRequestBody: Codable, Sendable, Hashable {
    public var name: String
    public var role: String
    public var images: [String]?
    public var environments: [String]?
    public var groups: [String]?
    public var expiresInDays: Int?
    /// What it may do, for the role 'scoped'.
    public var grants: [GrantResource]?
    /// The id of the person to whom it belongs.
    public var owner: String?

    public init(
        name: String, role: String, images: [String]? = nil, environments: [String]? = nil, groups: [String]? = nil, expiresInDays: Int? = nil,
        grants: [GrantResource]? = nil, owner: String? = nil
    ) {
        self.name = name
        self.role = role
        self.images = images
        self.environments = environments
        self.groups = groups
        self.expiresInDays = expiresInDays
        self.grants = grants
        self.owner = owner
    }
}

/// How a token gets a new secret.
public struct TokenRotationBody: Codable, Sendable, Hashable {
    /// How long the secret before counts yet, in seconds; an hour where it is left out, at most seven days.
    public var overlapSeconds: Int?
    /// How long the token lives from now on; as before where it is left out.
    public var expiresInDays: Int?

    public init(overlapSeconds: Int? = nil, expiresInDays: Int? = nil) {
        self.overlapSeconds = overlapSeconds
        self.expiresInDays = expiresInDays
    }
}

public struct TokenResource: Codable, Sendable, Hashable {
    public var id: String
    public var name: String
    public var role: String
    public var images: [String]
    public var environments: [String]
    public var groups: [String]
    public var hint: String
    public var createdAt: Date
    public var expiresAt: Date
    public var revokedAt: Date?
    public var lastUsedOn: Date?
    /// Only in the answer that made it.
    public var secret: String?
    /// What it may do, where its role is 'scoped'.
    public var grants: [GrantResource]?
    /// Whose acts the token's are.
    public var owner: String?
    /// Until when the secret before the last rotation counts too.
    public var previousValidUntil: Date?

    public init(
        id: String, name: String, role: String, images: [String], environments: [String], groups: [String], hint: String, createdAt: Date, expiresAt: Date,
        revokedAt: Date?, lastUsedOn: Date?, secret: String?, grants: [GrantResource]? = nil, owner: String? = nil, previousValidUntil: Date? = nil
    ) {
        self.id = id
        self.name = name
        self.role = role
        self.images = images
        self.environments = environments
        self.groups = groups
        self.hint = hint
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.lastUsedOn = lastUsedOn
        self.secret = secret
        self.grants = grants
        self.owner = owner
        self.previousValidUntil = previousValidUntil
    }
}

/// The keys that promotions are signed for with.
public struct KeysResource: Codable, Sendable, Hashable {
    /// A public key that Shiplift signs statements with.
    public struct Key: Codable, Sendable, Hashable {
        /// SHA-256 of the SubjectPublicKeyInfo.
        public var id: String
        /// `ed25519` or `ecdsa-p256-sha256`.
        public var algorithm: String
        /// In PEM.
        public var publicKey: String

        public init(id: String, algorithm: String, publicKey: String) {
            self.id = id
            self.algorithm = algorithm
            self.publicKey = publicKey
        }
    }

    public var keys: [Key]

    public init(keys: [Key]) { self.keys = keys }
}

public struct HealthResource: Codable, Sendable, Hashable {
    public var status: String
    public var checks: [String: String]

    public init(status: String, checks: [String: String]) {
        self.status = status
        self.checks = checks
    }
}

/// JSON as the API speaks it: RFC 3339 dates with fractional seconds, sorted keys.
public enum APIJSON {
    public static func encoder(pretty: Bool = false) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }
        return encoder
    }

    public static func decoder() -> JSONDecoder {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            let text = try container.decode(String.self)
            guard let date = date(text) else { throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is no RFC 3339 time") }
            return date
        }
        return decoder
    }

    /// An RFC 3339 time, with or without fractions of a second; those beyond nanoseconds are cut off.
    public static func date(_ text: String) -> Date? {
        var rest = Substring(text).utf8
        func number(_ digits: Int, _ range: ClosedRange<Int>) -> Int? {
            let part = rest.prefix(digits)
            guard part.count == digits, part.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            rest = rest.dropFirst(digits)
            let value = part.reduce(0) { $0 * 10 + Int($1 - 0x30) }
            return range.contains(value) ? value : nil
        }
        func skip(_ characters: String) -> UInt8? {
            guard let first = rest.first, characters.utf8.contains(first) else { return nil }
            rest = rest.dropFirst()
            return first
        }
        guard let year = number(4, 0...9999), skip("-") != nil, let month = number(2, 1...12), skip("-") != nil, let day = number(2, 1...31),
            skip("Tt ") != nil, let hour = number(2, 0...23), skip(":") != nil, let minute = number(2, 0...59), skip(":") != nil,
            let second = number(2, 0...60), day <= length(of: month, year)
        else { return nil }
        var fraction = 0.0
        if skip(".") != nil {
            let digits = rest.prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            fraction = Double(digits.prefix(9).reduce(0) { $0 * 10 + Int($1 - 0x30) }) / [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9][min(9, digits.count)]
            rest = rest.dropFirst(digits.count)
        }
        var offset = 0
        guard let zone = skip("Zz+-") else { return nil }
        if zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-") {
            guard let hours = number(2, 0...23), skip(":") != nil, let minutes = number(2, 0...59) else { return nil }
            offset = (zone == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes)
        }
        guard rest.isEmpty else { return nil }
        return Date(timeIntervalSince1970: Double(((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second) + fraction)
    }

    private static func length(of month: Int, _ year: Int) -> Int {
        if month == 2 { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28 }
        return [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// Days since 1970 in the Gregorian calendar: years begin in March, so that the leap day is the last.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

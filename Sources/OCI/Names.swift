/// Why a text is no name of the kind that was asked for.
public enum NameError: Error, Hashable, Sendable, CustomStringConvertible {
    case repository(String)
    case tag(String)
    case tooLong(kind: String, limit: Int, found: Int)

    public var description: String {
        switch self {
        case .repository(let text):
            "'\(text)' is no repository name: lowercase letters, digits, and single '.', '_', '__' or '-' between them, parts separated by '/'"
        case .tag(let text):
            "'\(text)' is no tag: letters, digits, '_', '.', '-'; it starts with a letter, digit or '_' and has at most 128 characters"
        case .tooLong(let kind, let limit, let found): "a \(kind) has at most \(limit) characters, this one has \(found)"
        }
    }
}

/// A repository's name inside one registry: `<name>` of distribution-spec ("Pulling manifests").
///
/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`
public struct RepositoryName: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    /// Longest name accepted, in characters (registries commonly limit host and name to 255 together).
    public static let maximumLength = 255

    public let description: String

    public init(parsing text: String) throws(NameError) {
        guard text.utf8.count <= Self.maximumLength else {
            throw .tooLong(kind: "repository name", limit: Self.maximumLength, found: text.utf8.count)
        }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard !text.isEmpty, parts.allSatisfy({ Self.isComponent($0.utf8) }) else { throw .repository(text) }
        description = text
    }

    /// This name with further path components behind it.
    public func appending(_ other: RepositoryName) throws(NameError) -> RepositoryName {
        try RepositoryName(parsing: description + "/" + other.description)
    }

    /// How many leading path components both names share: mount sources near the target come first.
    public func commonComponents(with other: RepositoryName) -> Int {
        zip(description.split(separator: "/"), other.description.split(separator: "/")).prefix { $0 == $1 }.count
    }

    public static func < (lhs: RepositoryName, rhs: RepositoryName) -> Bool { lhs.description < rhs.description }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(NameError) { self = try RepositoryName(parsing: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static func isComponent(_ text: Substring.UTF8View) -> Bool {
        var separator: [UInt8] = []
        var previousWasAlphanumeric = false
        for byte in text {
            if isAlphanumeric(byte) {
                guard separator.isEmpty || isSeparator(separator) else { return false }
                separator = []
                previousWasAlphanumeric = true
            } else {
                guard previousWasAlphanumeric, separator.count < maximumLength else { return false }
                separator.append(byte)
            }
        }
        return previousWasAlphanumeric && separator.isEmpty
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isSeparator(_ bytes: [UInt8]) -> Bool {
        bytes == [UInt8(ascii: ".")] || bytes == [UInt8(ascii: "_")] || bytes == [UInt8(ascii: "_"), UInt8(ascii: "_")]
            || bytes.allSatisfy { $0 == UInt8(ascii: "-") }
    }
}

/// A tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (distribution-spec, "Pulling manifests").
public struct Tag: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    public let description: String

    public init(parsing text: String) throws(NameError) {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 128, Self.isWord(first),
            bytes.allSatisfy({ Self.isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else { throw .tag(String(text.prefix(160))) }
        description = text
    }

    /// Takes a text that is a tag by the way it was made.
    init(unchecked text: String) { description = text }

    public static func < (lhs: Tag, rhs: Tag) -> Bool { lhs.description < rhs.description }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(NameError) { self = try Tag(parsing: text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || byte == UInt8(ascii: "_")
    }
}

/// What a manifest is asked for by: `<reference>` of distribution-spec.
public enum ManifestReference: Sendable, Hashable, CustomStringConvertible {
    case tag(Tag)
    case digest(Digest)

    public var description: String {
        switch self {
        case .tag(let tag): tag.description
        case .digest(let digest): digest.description
        }
    }
}

/// The logical name of an image, the same in every environment: `shop/api`.
public struct ImageName: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    /// The name as a path below an environment's repository prefix.
    public let repository: RepositoryName

    public init(parsing text: String) throws(NameError) { repository = try RepositoryName(parsing: text) }

    public var description: String { repository.description }

    public static func < (lhs: ImageName, rhs: ImageName) -> Bool { lhs.repository < rhs.repository }

    public init(from decoder: any Decoder) throws {
        repository = try decoder.singleValueContainer().decode(RepositoryName.self)
    }

    public func encode(to encoder: any Encoder) throws { try repository.encode(to: encoder) }
}

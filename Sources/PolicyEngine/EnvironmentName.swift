/// An environment's name: `dev`, `test`, `staging`, `production`.
public struct EnvironmentName: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    public let description: String

    /// Parses a lowercase letter followed by up to 62 of `[a-z0-9-]`; `nil` for anything else.
    public init?(parsing text: String) {
        let bytes = text.utf8
        guard let first = bytes.first, bytes.count <= 63, Self.isLetter(first),
            bytes.allSatisfy({ Self.isLetter($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        description = text
    }

    public static func < (lhs: EnvironmentName, rhs: EnvironmentName) -> Bool { lhs.description < rhs.description }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let name = EnvironmentName(parsing: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text.prefix(80))' is no environment name")
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
}

/// The header fields of a message: ordered, several values a name allowed, names compared without regard to case.
///
/// Nothing that could end a line early gets in, so a value taken from a peer can't add a field of its own (RFC 9110
/// §5.5).
public struct HTTPFields: Hashable, Sendable {
    /// One field line.
    public struct Field: Hashable, Sendable {
        /// The name as it was written.
        public let name: String
        /// The value without white space around it.
        public let value: String
    }

    /// The field lines in order.
    public private(set) var lines: [Field] = []

    /// No fields.
    public init() {}

    /// The fields given, in order; throws at the first invalid name or value.
    public init(_ fields: KeyValuePairs<String, String>) throws(HTTPFieldError) {
        for (name, value) in fields { try append(name, value) }
    }

    /// Adds a field line after those there are.
    public mutating func append(_ name: String, _ value: String) throws(HTTPFieldError) {
        guard Self.isName(name) else { throw .invalidName }
        guard Self.isValue(value) else { throw .invalidValue(name: name) }
        lines.append(Field(name: name, value: value))
    }

    /// Puts one field line in place of all that have this name.
    public mutating func set(_ name: String, _ value: String) throws(HTTPFieldError) {
        guard Self.isName(name) else { throw .invalidName }
        guard Self.isValue(value) else { throw .invalidValue(name: name) }
        remove(name)
        lines.append(Field(name: name, value: value))
    }

    /// Takes out every field line of this name.
    public mutating func remove(_ name: String) {
        lines.removeAll { Self.same($0.name, name) }
    }

    /// The first value of this name, nil when there is none.
    public subscript(name: String) -> String? {
        lines.first { Self.same($0.name, name) }?.value
    }

    /// Every value of this name, in order.
    public func all(_ name: String) -> [String] {
        lines.filter { Self.same($0.name, name) }.map(\.value)
    }

    private static func same(_ a: String, _ b: String) -> Bool {
        guard a.utf8.count == b.utf8.count else { return false }
        return zip(a.utf8, b.utf8).allSatisfy { lower($0) == lower($1) }
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    private static func isName(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default:
                    "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isValue(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
    }
}

extension HTTPFields: CustomStringConvertible, CustomReflectable {
    /// The names only: a value may be a credential.
    public var description: String { "[" + lines.map(\.name).joined(separator: ", ") + "]" }

    /// Shows a debugger and `dump` no values either.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

extension HTTPFields.Field: CustomStringConvertible, CustomReflectable {
    /// The name only: a value may be a credential.
    public var description: String { name }

    /// Shows a debugger and `dump` no value either.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

/// Why a field was refused; the value is not repeated.
public enum HTTPFieldError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name is empty or has a character that is no token character.
    case invalidName
    /// The value holds a control character such as CR, LF or NUL.
    case invalidValue(name: String)

    /// What is wrong.
    public var description: String {
        switch self {
        case .invalidName: "a header field's name is not a token"
        case .invalidValue(let name): "the value of header field \(name) holds a control character"
        }
    }
}

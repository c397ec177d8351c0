import Foundation

/// A JSON value, read so that no two readers can understand it differently: a key that stands twice is refused (RFC 8259 §4 leaves it open).
enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    /// As it is spelt.
    case number(String)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    /// Reads one value that takes all the bytes.
    static func parse(_ data: Data, as what: String) throws(TrustError) -> JSON { try JSONReader(data, what).document().value }

    var text: String? { if case .string(let text) = self { text } else { nil } }
    var items: [JSON]? { if case .array(let items) = self { items } else { nil } }
    var members: [String: JSON]? { if case .object(let members) = self { members } else { nil } }

    /// A whole number; proto3's JSON spells 64-bit ones as strings.
    var integer: Int64? {
        switch self {
        case .number(let text), .string(let text): text.utf8.count <= 20 ? Int64(text) : nil
        default: nil
        }
    }

    subscript(_ key: String) -> JSON? { members?[key] }
}

/// Reads JSON from bytes. Depth and number of values are bounded; nothing recurses deeper than `maximumDepth`.
struct JSONReader {
    private static let maximumDepth = 64
    private static let maximumValues = 2_000_000
    private let bytes: [UInt8]
    private let what: String
    private var place = 0
    private var values = 0

    init(_ data: Data, _ what: String) {
        bytes = Array(data)
        self.what = what
    }

    /// The value, and where the members of the outermost object stand in the bytes.
    func document() throws(TrustError) -> (value: JSON, ranges: [String: Range<Int>]) {
        var reader = self
        var ranges: [String: Range<Int>] = [:]
        reader.skipSpace()
        let value: JSON
        if reader.peek == UInt8(ascii: "{") { value = try reader.object(depth: 0, ranges: &ranges) } else { value = try reader.value(depth: 0) }
        reader.skipSpace()
        guard reader.place == bytes.count else { throw reader.wrong("something follows its end") }
        return (value, ranges)
    }

    private func wrong(_ reason: String) -> TrustError { .malformed(what, reason: "\(reason) (byte \(place))") }

    private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { place += 1 }
    }

    private mutating func take(_ byte: Character) -> Bool {
        guard peek == byte.asciiValue else { return false }
        place += 1
        return true
    }

    private mutating func value(depth: Int) throws(TrustError) -> JSON {
        guard depth < Self.maximumDepth else { throw wrong("it is nested too deeply") }
        values += 1
        guard values <= Self.maximumValues else { throw .tooLarge(what, limit: Self.maximumValues) }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"):
            var ignored: [String: Range<Int>] = [:]
            return try object(depth: depth, ranges: &ignored)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: String, _ value: JSON) throws(TrustError) -> JSON {
        guard bytes[place...].starts(with: text.utf8) else { throw wrong("it is no JSON") }
        place += text.utf8.count
        return value
    }

    private mutating func object(depth: Int, ranges: inout [String: Range<Int>]) throws(TrustError) -> JSON {
        place += 1
        var members: [String: JSON] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw wrong("a key is expected") }
            let key = try string()
            skipSpace()
            guard take(":") else { throw wrong("a colon is expected") }
            skipSpace()
            let start = place
            guard members.updateValue(try value(depth: depth + 1), forKey: key) == nil else { throw wrong("the key '\(key.excerpt)' stands twice") }
            if depth == 0 { ranges[key] = start..<place }
            skipSpace()
        } while take(",")
        guard take("}") else { throw wrong("an object does not end") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(TrustError) -> JSON {
        place += 1
        var items: [JSON] = []
        skipSpace()
        if take("]") { return .array(items) }
        repeat {
            items.append(try value(depth: depth + 1))
            skipSpace()
        } while take(",")
        guard take("]") else { throw wrong("a list does not end") }
        return .array(items)
    }

    private mutating func number() throws(TrustError) -> JSON {
        let start = place
        while let byte = peek, byte == 0x2B || byte == 0x2D || byte == 0x2E || byte == 0x45 || byte == 0x65 || (0x30...0x39).contains(byte) { place += 1 }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        guard place > start, place - start <= 400, Double(text)?.isFinite == true, !text.hasPrefix("+"), !text.hasPrefix(".") else {
            throw wrong("it is no JSON")
        }
        return .number(text)
    }

    private mutating func string() throws(TrustError) -> String {
        place += 1
        var units: [UInt8] = []
        while let byte = peek {
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else { throw wrong("a text is not UTF-8") }
                return text
            case UInt8(ascii: "\\"): units += try escape()
            case 0..<0x20: throw wrong("a text holds a control character")
            default: units.append(byte)
            }
        }
        throw wrong("a text does not end")
    }

    private mutating func escape() throws(TrustError) -> [UInt8] {
        guard let byte = peek else { throw wrong("a text does not end") }
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            var code = try unit()
            if (0xD800..<0xDC00).contains(code) {
                guard take("\\"), take("u") else { throw wrong("half a character stands alone") }
                let low = try unit()
                guard (0xDC00..<0xE000).contains(low) else { throw wrong("half a character stands alone") }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw wrong("half a character stands alone") }
            return Array(String(Character(scalar)).utf8)
        default: throw wrong("a text has an unknown escape")
        }
    }

    private mutating func unit() throws(TrustError) -> UInt32 {
        guard place + 4 <= bytes.count, bytes[place..<place + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let code = UInt32(String(decoding: bytes[place..<place + 4], as: UTF8.self), radix: 16)
        else { throw wrong("a text has an unknown escape") }
        place += 4
        return code
    }
}

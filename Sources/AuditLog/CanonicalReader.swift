/// Reads canonical JSON (RFC 8785) and nothing else: a text that passes is the very text that writing its value gives.
///
/// One pass over the bytes, so that a verification doesn't have to build values it only compares.
struct CanonicalReader {
    /// A string's place between its quotes.
    struct Token: Sendable, Hashable {
        let range: Range<Int>
        let isEscaped: Bool
        let isASCII: Bool
    }

    let bytes: [UInt8]
    private(set) var position: Int

    init(_ bytes: [UInt8], at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var isAtEnd: Bool { position == bytes.count }

    /// The next byte; 0, which no JSON holds, at the end.
    var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

    mutating func expect(_ byte: UInt8) throws(AuditEntryError) {
        guard next == byte, position < bytes.count else { throw .notCanonical }
        position += 1
    }

    mutating func expect(_ word: String) throws(AuditEntryError) {
        for byte in word.utf8 { try expect(byte) }
    }

    /// Steps over a string.
    mutating func token() throws(AuditEntryError) -> Token {
        try expect(UInt8(ascii: "\""))
        let start = position
        var isEscaped = false
        var all: UInt8 = 0
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return Token(range: start..<position - 1, isEscaped: isEscaped, isASCII: all < 0x80)
            case UInt8(ascii: "\\"):
                isEscaped = true
                try skipEscape()
            case 0..<0x20: throw .notCanonical
            default:
                all |= byte
                position += 1
            }
        }
        throw .notCanonical
    }

    /// RFC 8785 §3.2.2.2: the short form where there is one, four lower-case digits else, and nothing escaped without need.
    private mutating func skipEscape() throws(AuditEntryError) {
        position += 1
        let kind = next
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return
        case UInt8(ascii: "u"):
            try expect("00")
            guard position + 2 <= bytes.count, let high = Self.digit(bytes[position]),
                let low = Self.digit(bytes[position + 1])
            else {
                throw .notCanonical
            }
            position += 2
            switch high << 4 | low {
            case 0: throw .forbiddenCharacter(field: "a text")
            case 8, 9, 10, 12, 13, 0x20...: throw .notCanonical
            default: return
            }
        default: throw .notCanonical
        }
    }

    /// The value of a lower-case hexadecimal digit.
    static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        default: nil
        }
    }

    /// A string's text, escapes resolved.
    func text(_ token: Token) -> String {
        guard token.isEscaped else { return String(decoding: bytes[token.range], as: UTF8.self) }
        var plain: [UInt8] = []
        var at = token.range.lowerBound
        while at < token.range.upperBound {
            guard bytes[at] == UInt8(ascii: "\\") else {
                plain.append(bytes[at])
                at += 1
                continue
            }
            switch bytes[at + 1] {
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0C)
            case UInt8(ascii: "n"): plain.append(0x0A)
            case UInt8(ascii: "r"): plain.append(0x0D)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "u"):
                plain.append((Self.digit(bytes[at + 4]) ?? 0) << 4 | (Self.digit(bytes[at + 5]) ?? 0))
                at += 4
            case let same: plain.append(same)
            }
            at += 2
        }
        return String(decoding: plain, as: UTF8.self)
    }

    /// Whether a string is this text, byte for byte (Swift's `==` takes composed and decomposed letters for the same).
    func equals(_ token: Token, _ text: String) -> Bool {
        token.isEscaped ? self.text(token).utf8.elementsEqual(text.utf8) : bytes[token.range].elementsEqual(text.utf8)
    }

    mutating func integer() throws(AuditEntryError) -> Int64 {
        let isNegative = next == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let start = position
        var value: Int64 = 0
        while case UInt8(ascii: "0")...UInt8(ascii: "9") = next {
            value = value * 10 + Int64(next - UInt8(ascii: "0"))
            guard value <= JSONValue.largestInteger else { throw .integerOutOfRange(isNegative ? -value : value) }
            position += 1
        }
        let leadingZero = position > start && bytes[start] == UInt8(ascii: "0") && (position > start + 1 || isNegative)
        guard position > start, !leadingZero else { throw .notCanonical }
        return isNegative ? -value : value
    }

    /// Steps through an object's members; `body` reads each value. Keys ascend strictly (RFC 8785 §3.2.3).
    mutating func members(
        _ body: (inout CanonicalReader, Token) throws(AuditEntryError) -> Void
    ) throws(AuditEntryError) {
        try expect(UInt8(ascii: "{"))
        var previous: Token?
        while next != UInt8(ascii: "}") {
            if previous != nil { try expect(UInt8(ascii: ",")) }
            let key = try token()
            if let previous, !precedes(previous, key) { throw .notCanonical }
            previous = key
            try expect(UInt8(ascii: ":"))
            try body(&self, key)
        }
        position += 1
    }

    /// Steps through an array's elements; `body` reads each.
    mutating func elements(_ body: (inout CanonicalReader) throws(AuditEntryError) -> Void) throws(AuditEntryError) {
        try expect(UInt8(ascii: "["))
        var isFirst = true
        while next != UInt8(ascii: "]") {
            if !isFirst { try expect(UInt8(ascii: ",")) }
            isFirst = false
            try body(&self)
        }
        position += 1
    }

    private func precedes(_ lhs: Token, _ rhs: Token) -> Bool {
        // In ASCII, bytes sort as UTF-16 does.
        guard lhs.isEscaped || rhs.isEscaped || !lhs.isASCII || !rhs.isASCII else {
            return bytes[lhs.range].lexicographicallyPrecedes(bytes[rhs.range])
        }
        return JSONValue.precedes(text(lhs), text(rhs))
    }
}

extension CanonicalReader {
    /// Steps over any value.
    mutating func skip(depth: Int) throws(AuditEntryError) {
        guard depth <= JSONValue.maximumDepth else { throw .tooDeep(limit: JSONValue.maximumDepth) }
        switch next {
        case UInt8(ascii: "n"): try expect("null")
        case UInt8(ascii: "t"): try expect("true")
        case UInt8(ascii: "f"): try expect("false")
        case UInt8(ascii: "\""): _ = try token()
        case UInt8(ascii: "["): try elements { (reader) throws(AuditEntryError) in try reader.skip(depth: depth + 1) }
        case UInt8(ascii: "{"): try members { (reader, _) throws(AuditEntryError) in try reader.skip(depth: depth + 1) }
        default: _ = try integer()
        }
    }

    /// Reads any value.
    mutating func value(depth: Int) throws(AuditEntryError) -> JSONValue {
        guard depth <= JSONValue.maximumDepth else { throw .tooDeep(limit: JSONValue.maximumDepth) }
        switch next {
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "\""): return .string(text(try token()))
        case UInt8(ascii: "["):
            var values: [JSONValue] = []
            try elements { (reader) throws(AuditEntryError) in values.append(try reader.value(depth: depth + 1)) }
            return .array(values)
        case UInt8(ascii: "{"):
            var found: [String: JSONValue] = [:]
            try members { (reader, key) throws(AuditEntryError) in
                let value = try reader.value(depth: depth + 1)
                // Swift takes composed and decomposed letters for one key: two such keys can't both be kept.
                guard found.updateValue(value, forKey: reader.text(key)) == nil else {
                    throw .malformed("two keys differ only in normalisation")
                }
            }
            return .object(found)
        default: return .integer(try integer())
        }
    }
}

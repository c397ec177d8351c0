/// JSON as the log holds it. Numbers are integers only: doubles would make the canonical form depend on their printing.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// Within ±(2^53 - 1), so that every reader gets the same number (RFC 8785 §3.2.2.3, RFC 7493 §2.2).
    case integer(Int64)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    static let largestInteger: Int64 = (1 << 53) - 1
}

/// Why a value can't be an audit entry.
public enum AuditEntryError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooLarge(bytes: Int, limit: Int)
    case integerOutOfRange(Int64)
    case timeOutOfRange
    case forbiddenCharacter(field: String)
    case tooDeep(limit: Int)
    case malformed(String)
    case notCanonical

    public var description: String {
        switch self {
        case .tooLarge(let bytes, let limit): "the entry has \(bytes) bytes, more than the limit of \(limit)"
        case .integerOutOfRange(let value): "\(value) is beyond the integers that every JSON reader keeps exactly"
        case .timeOutOfRange: "the time is beyond what microseconds since 1970 hold exactly"
        case .forbiddenCharacter(let field): "\(field) holds a NUL character"
        case .tooDeep(let limit): "details are nested deeper than \(limit)"
        case .malformed(let reason): "not an audit entry: \(reason)"
        case .notCanonical: "the text is not in canonical form (RFC 8785)"
        }
    }
}

extension JSONValue {
    /// Deepest nesting in an entry.
    static let maximumDepth = 16

    /// Appends the canonical form (RFC 8785): keys sorted by UTF-16 code units, shortest escapes, no white space.
    ///
    /// - Parameter field: what the value belongs to, for the error.
    func appendCanonical(to text: inout String, depth: Int = 0, field: String = "the entry") throws(AuditEntryError) {
        guard depth <= Self.maximumDepth else { throw .tooDeep(limit: Self.maximumDepth) }
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value):
            guard (-Self.largestInteger...Self.largestInteger).contains(value) else { throw .integerOutOfRange(value) }
            text += String(value)
        case .string(let value): try Self.appendQuoted(value, to: &text, field: field)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                try value.appendCanonical(to: &text, depth: depth + 1, field: field)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, key) in members.keys.sorted(by: Self.precedes).enumerated() {
                guard let value = members[key] else { continue }
                if index > 0 { text += "," }
                try Self.appendQuoted(key, to: &text, field: field)
                text += ":"
                try value.appendCanonical(to: &text, depth: depth + 1, field: depth == 0 ? key : field)
            }
            text += "}"
        }
    }

    /// The canonical form (RFC 8785).
    public func canonicalText() throws(AuditEntryError) -> String {
        var text = ""
        try appendCanonical(to: &text)
        return text
    }

    /// A text as it stands in canonical JSON, with its quotes; NUL, which no entry holds, becomes U+FFFD.
    public static func quoted(_ value: String) -> String {
        var text = ""
        do throws(AuditEntryError) { try appendQuoted(value.replacing("\u{0}", with: "\u{FFFD}"), to: &text, field: "") } catch { return "\"\"" }
        return text
    }

    static func precedes(_ lhs: String, _ rhs: String) -> Bool { lhs.utf16.lexicographicallyPrecedes(rhs.utf16) }

    private static func appendQuoted(_ value: String, to text: inout String, field: String) throws(AuditEntryError) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\u{08}": text += "\\b"
            case "\u{0C}": text += "\\f"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            // PostgreSQL's text and jsonb can't hold it.
            case "\u{00}": throw .forbiddenCharacter(field: field)
            case "\u{01}"..<"\u{20}":
                let hex = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

/// One parameter of a statement: its type's OID and its binary form; `nil` bytes are NULL.
public struct PostgresBind: Sendable, Hashable {
    let oid: UInt32
    let bytes: [UInt8]?
}

/// A statement's text with its parameters. Interpolation makes parameters, never text.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
    let text: String
    let binds: [PostgresBind]

    /// Text is what stands in the source: no string made at run time can become SQL.
    public init(stringLiteral value: StaticString) {
        text = value.description
        binds = []
    }

    public init(stringInterpolation: StringInterpolation) {
        text = stringInterpolation.text
        binds = stringInterpolation.binds
    }

    /// Two parts as one statement; the second part's parameters are numbered anew.
    public static func + (lhs: SQL, rhs: SQL) -> SQL {
        SQL(text: lhs.text + renumbered(rhs.text, from: lhs.binds.count), binds: lhs.binds + rhs.binds)
    }

    private init(text: String, binds: [PostgresBind]) {
        self.text = text
        self.binds = binds
    }

    private static func renumbered(_ text: String, from offset: Int) -> String {
        guard offset > 0 else { return text }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[...dollar]
            let digits = rest[rest.index(after: dollar)...].prefix { $0.isASCII && $0.isNumber }
            if let number = Int(digits) { result += String(number + offset) }
            rest = rest[digits.endIndex...]
        }
        return result + rest
    }

    public struct StringInterpolation: StringInterpolationProtocol {
        var text = ""
        var binds: [PostgresBind] = []

        public init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity + interpolationCount * 3) }

        public mutating func appendLiteral(_ literal: StaticString) { text += literal.description }

        public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value) {
            append(PostgresBind(oid: Value.postgresOID, bytes: value.postgresBytes))
        }

        public mutating func appendInterpolation<Value: PostgresEncodable>(_ value: Value?) {
            append(PostgresBind(oid: Value.postgresOID, bytes: value?.postgresBytes))
        }

        /// Another part with its own parameters.
        public mutating func appendInterpolation(part: SQL) {
            text += SQL.renumbered(part.text, from: binds.count)
            binds += part.binds
        }

        private mutating func append(_ bind: PostgresBind) {
            binds.append(bind)
            text += "$\(binds.count)"
        }
    }
}

/// One row of a result.
public struct PostgresRow: Sendable {
    struct Columns: Sendable {
        var index: [String: Int] = [:]
        var oids: [UInt32] = []
    }

    let columns: Columns
    let values: [[UInt8]?]

    /// Reads a column that is not NULL.
    ///
    /// - Throws: `PostgresError.decoding` where it is missing, NULL or of another type.
    public func decode<Value: PostgresDecodable>(_ name: String, as type: Value.Type = Value.self) throws(PostgresError) -> Value {
        guard let value = try decodeOptional(name, as: type) else {
            throw .decoding(column: name, expected: "\(type)", found: "NULL")
        }
        return value
    }

    /// Reads a column that may be NULL.
    public func decodeOptional<Value: PostgresDecodable>(_ name: String, as type: Value.Type = Value.self) throws(PostgresError) -> Value? {
        guard let index = columns.index[name] else { throw .decoding(column: name, expected: "\(type)", found: "no such column") }
        guard let bytes = values[index] else { return nil }
        guard Value.acceptedOIDs.contains(columns.oids[index]) else {
            throw .decoding(column: name, expected: "\(type)", found: "type \(columns.oids[index])")
        }
        guard let value = Value(postgresBytes: Self.body(of: bytes, type: columns.oids[index])) else {
            throw .decoding(column: name, expected: "\(type)", found: "\(bytes.count) bytes that are none")
        }
        return value
    }

    /// jsonb's binary form is the text behind a version byte, 1.
    private static func body(of bytes: [UInt8], type: UInt32) -> ArraySlice<UInt8> {
        type == OID.jsonb && bytes.first == 1 ? bytes.dropFirst() : bytes[...]
    }
}

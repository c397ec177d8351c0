import Foundation

/// An entry's text taken apart, every rule of its form checked, nothing copied.
struct EntryFields {
    /// The top-level keys in canonical order; the raw value is the place in it.
    enum Key: Int, CaseIterable {
        case action, actor, actorAuth, after, before, details, digest, environment, fromEnvironment, id, image, outcome
        case policyVersion, promotionId, reason, requestId, schema, tags, timeMicros

        static let names = allCases.map { Array("\($0)".utf8) }
        static let required: [Key] = [.action, .actor, .actorAuth, .id, .outcome, .schema, .timeMicros]
    }

    let reader: CanonicalReader
    private(set) var id = UUID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    private(set) var timeMicros: Int64 = 0
    private(set) var tags: [CanonicalReader.Token] = []
    /// The texts, by their key.
    private var texts = [CanonicalReader.Token?](repeating: nil, count: Key.allCases.count)
    /// Where the free values begin.
    private var values: [(key: Key, start: Int)] = []

    /// Reads an entry's text, which must be canonical to the byte.
    init(_ bytes: [UInt8]) throws(AuditEntryError) {
        guard bytes.count <= AuditEntry.maximumBytes else {
            throw .tooLarge(bytes: bytes.count, limit: AuditEntry.maximumBytes)
        }
        reader = CanonicalReader(bytes)
        var reader = reader
        var place = 0
        var seen = 0
        try reader.members { (reader, token) throws(AuditEntryError) in
            while place < Key.names.count, !bytes[token.range].elementsEqual(Key.names[place]) { place += 1 }
            guard let key = Key(rawValue: place) else { throw .malformed("key '\(reader.text(token))' is not known") }
            seen |= 1 << place
            place += 1
            try read(key, from: &reader)
        }
        guard reader.isAtEnd else { throw .notCanonical }
        for key in Key.required where seen & 1 << key.rawValue == 0 { throw .malformed("key '\(key)' is missing") }
    }

    private mutating func read(_ key: Key, from reader: inout CanonicalReader) throws(AuditEntryError) {
        switch key {
        case .schema:
            let schema = try reader.integer()
            guard schema == AuditEntry.schema else { throw .malformed("schema \(schema) is not known") }
        case .timeMicros: timeMicros = try reader.integer()
        case .before, .after, .details:
            let isMissing = reader.next == UInt8(ascii: "n") || (key == .details && reader.next != UInt8(ascii: "{"))
            guard !isMissing else { throw .malformed("\(key) has no value of its kind") }
            values.append((key, reader.position))
            try reader.skip(depth: 1)
            // Written out, an empty object is left away.
            if key == .details, reader.position == values[values.count - 1].start + 2 { throw .notCanonical }
        case .tags:
            try reader.elements { (reader) throws(AuditEntryError) in tags.append(try reader.token()) }
            guard !tags.isEmpty else { throw .notCanonical }
        case .id:
            let token = try reader.token()
            guard let read = UUID(lowercase: reader.bytes[token.range]) else {
                throw .malformed("id is no lower-case UUID")
            }
            id = read
        case .actorAuth:
            let token = try reader.token()
            guard AuditActor.Authentication(rawValue: reader.text(token)) != nil else {
                throw .malformed("actorAuth '\(reader.text(token))' is not known")
            }
            texts[key.rawValue] = token
        case .outcome:
            let token = try reader.token()
            guard AuditOutcome(rawValue: reader.text(token)) != nil else {
                throw .malformed("outcome '\(reader.text(token))' is not known")
            }
            texts[key.rawValue] = token
        default: texts[key.rawValue] = try reader.token()
        }
    }

    func text(_ key: Key) -> String? { texts[key.rawValue].map(reader.text) }

    func value(_ key: Key) throws(AuditEntryError) -> JSONValue? {
        guard let start = values.first(where: { $0.key == key })?.start else { return nil }
        var reader = CanonicalReader(reader.bytes, at: start)
        return try reader.value(depth: 1)
    }

    /// Whether a stored query column says what the text says; `nil` where there is no such column.
    func agrees(column: String, with stored: String?) -> Bool? {
        let key: Key
        switch column {
        case "action": key = .action
        case "actor": key = .actor
        case "outcome": key = .outcome
        case "image": key = .image
        case "digest": key = .digest
        case "environment": key = .environment
        case "promotion_id": key = .promotionId
        case "occurred_at": return stored == String(timeMicros)
        default: return nil
        }
        guard let token = texts[key.rawValue] else { return stored == nil }
        return stored.map { reader.equals(token, $0) } ?? false
    }
}

extension UUID {
    /// Reads a UUID whose digits are lower case.
    init?(lowercase bytes: ArraySlice<UInt8>) {
        guard bytes.count == 36 else { return nil }
        var value: (high: UInt64, low: UInt64) = (0, 0)
        for (offset, byte) in bytes.enumerated() {
            if offset == 8 || offset == 13 || offset == 18 || offset == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let digit = CanonicalReader.digit(byte) else { return nil }
            if offset < 18 {
                value.high = value.high << 4 | UInt64(digit)
            } else {
                value.low = value.low << 4 | UInt64(digit)
            }
        }
        self = withUnsafeBytes(of: (value.high.bigEndian, value.low.bigEndian)) {
            UUID(uuid: $0.loadUnaligned(as: uuid_t.self))
        }
    }
}

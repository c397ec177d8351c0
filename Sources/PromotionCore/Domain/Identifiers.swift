public import Foundation

/// A promotion's identity: a UUID of version 7 (RFC 9562), so that ids sort by the time they were made.
public struct PromotionID: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    public let uuid: UUID

    public init(_ uuid: UUID) { self.uuid = uuid }

    /// Parses the usual text form; `nil` for anything else.
    public init?(parsing text: String) {
        guard text.utf8.count == 36, let uuid = UUID(uuidString: text) else { return nil }
        self.uuid = uuid
    }

    public var description: String { uuid.uuidString.lowercased() }

    public static func < (lhs: PromotionID, rhs: PromotionID) -> Bool { lhs.description < rhs.description }

    public init(from decoder: any Decoder) throws { uuid = try decoder.singleValueContainer().decode(UUID.self) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// What a request is called in logs, errors and the audit log.
public struct RequestID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let description: String

    /// Takes 1 to 128 characters of `[A-Za-z0-9._-]`; `nil` for anything else, so that a caller's header can't forge a log line.
    public init?(parsing text: String) {
        guard (1...128).contains(text.utf8.count), text.utf8.allSatisfy(Self.isAllowed) else { return nil }
        description = text
    }

    public init(_ uuid: UUID) { description = uuid.uuidString.lowercased() }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
    }
}

/// Where the time and the new identities come from: handed in, so that tests decide.
public struct Environs: Sendable {
    /// The wall clock, for records only; leases use the database's clock.
    public let now: @Sendable () -> Date
    /// A new UUID of version 7.
    public let newID: @Sendable () -> UUID

    public init(now: @escaping @Sendable () -> Date, newID: @escaping @Sendable () -> UUID) {
        self.now = now
        self.newID = newID
    }
}

extension UUID {
    /// A UUID of version 7 (RFC 9562 §5.7): 48 bits of milliseconds since 1970, then random bits.
    public static func version7(at date: Date, random: inout some RandomNumberGenerator) -> UUID {
        let milliseconds = UInt64(max(0, date.timeIntervalSince1970 * 1000))
        let high = random.next()
        let low = random.next()
        func byte(_ value: UInt64, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
        return UUID(
            uuid: (
                byte(milliseconds, 5), byte(milliseconds, 4), byte(milliseconds, 3), byte(milliseconds, 2),
                byte(milliseconds, 1), byte(milliseconds, 0), byte(high, 7) & 0x0F | 0x70, byte(high, 6),
                byte(low, 7) & 0x3F | 0x80, byte(low, 6), byte(low, 5), byte(low, 4), byte(low, 3), byte(low, 2), byte(low, 1), byte(low, 0)
            ))
    }
}

public import Foundation

/// A Swift value that PostgreSQL takes in binary form.
public protocol PostgresEncodable: Sendable {
    static var postgresOID: UInt32 { get }
    var postgresBytes: [UInt8] { get }
}

/// A Swift value that PostgreSQL's binary form is read into.
public protocol PostgresDecodable: Sendable {
    /// The types' OIDs that can be read.
    static var acceptedOIDs: Set<UInt32> { get }
    /// `nil` where the bytes are not of this type's form.
    init?(postgresBytes: ArraySlice<UInt8>)
}

enum OID {
    static let bool: UInt32 = 16, bytea: UInt32 = 17, name: UInt32 = 19, int8: UInt32 = 20, int2: UInt32 = 21, int4: UInt32 = 23
    static let text: UInt32 = 25, json: UInt32 = 114, float8: UInt32 = 701, varchar: UInt32 = 1043, timestamptz: UInt32 = 1184
    static let uuid: UInt32 = 2950, jsonb: UInt32 = 3802
    static let byteaArray: UInt32 = 1001, textArray: UInt32 = 1009, int8Array: UInt32 = 1016, uuidArray: UInt32 = 2951
    static let timestamptzArray: UInt32 = 1185, boolArray: UInt32 = 1000
}

/// JSON text bound for a `jsonb` column.
public struct JSONB: Sendable, Hashable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

extension FixedWidthInteger {
    var bigEndianBytes: [UInt8] { unsafe withUnsafeBytes(of: bigEndian) { unsafe Array($0) } }

    init?(bigEndianBytes bytes: ArraySlice<UInt8>) {
        guard bytes.count == MemoryLayout<Self>.size else { return nil }
        self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
    }
}

extension Bool: PostgresEncodable, PostgresDecodable {
    public static var postgresOID: UInt32 { OID.bool }
    public static var acceptedOIDs: Set<UInt32> { [OID.bool] }
    public var postgresBytes: [UInt8] { [self ? 1 : 0] }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        guard postgresBytes.count == 1, let byte = postgresBytes.first else { return nil }
        self = byte != 0
    }
}

extension Int64: PostgresEncodable, PostgresDecodable {
    public static var postgresOID: UInt32 { OID.int8 }
    public static var acceptedOIDs: Set<UInt32> { [OID.int2, OID.int4, OID.int8] }
    public var postgresBytes: [UInt8] { bigEndianBytes }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        switch postgresBytes.count {
        case 2: self = Int64(Int16(bigEndianBytes: postgresBytes) ?? 0)
        case 4: self = Int64(Int32(bigEndianBytes: postgresBytes) ?? 0)
        case 8: self = Int64(bigEndianBytes: postgresBytes) ?? 0
        default: return nil
        }
    }
}

extension Int: PostgresEncodable, PostgresDecodable {
    public static var postgresOID: UInt32 { OID.int8 }
    public static var acceptedOIDs: Set<UInt32> { Int64.acceptedOIDs }
    public var postgresBytes: [UInt8] { Int64(self).postgresBytes }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        guard let value = Int64(postgresBytes: postgresBytes) else { return nil }
        self = Int(value)
    }
}

extension Double: PostgresEncodable, PostgresDecodable {
    public static var postgresOID: UInt32 { OID.float8 }
    public static var acceptedOIDs: Set<UInt32> { [OID.float8] }
    public var postgresBytes: [UInt8] { bitPattern.bigEndianBytes }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        guard let bits = UInt64(bigEndianBytes: postgresBytes) else { return nil }
        self.init(bitPattern: bits)
    }
}

extension String: PostgresEncodable, PostgresDecodable {
    public static var postgresOID: UInt32 { OID.text }
    public static var acceptedOIDs: Set<UInt32> { [OID.text, OID.varchar, OID.name, OID.json, OID.jsonb] }
    public var postgresBytes: [UInt8] { Array(utf8) }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        self.init(validating: postgresBytes, as: UTF8.self)
    }
}

extension JSONB: PostgresEncodable {
    public static var postgresOID: UInt32 { OID.jsonb }
    public var postgresBytes: [UInt8] { [1] + text.utf8 }
}

extension Array: PostgresEncodable where Element: PostgresArrayElement {
    public static var postgresOID: UInt32 { Element.arrayOID }
    /// One dimension, lower bound 1, no NULLs.
    public var postgresBytes: [UInt8] {
        // An empty array of anything casts to [UInt8]: the element's type decides.
        if Element.self == UInt8.self, let bytes = self as? [UInt8] { return bytes }
        var result = Int32(isEmpty ? 0 : 1).bigEndianBytes + Int32(0).bigEndianBytes + Element.postgresOID.bigEndianBytes
        guard !isEmpty else { return result }
        result += Int32(count).bigEndianBytes + Int32(1).bigEndianBytes
        for element in self {
            let bytes = element.postgresBytes
            result += Int32(bytes.count).bigEndianBytes + bytes
        }
        return result
    }
}

extension Array: PostgresDecodable where Element: PostgresArrayElement {
    public static var acceptedOIDs: Set<UInt32> { [Element.arrayOID] }
    public init?(postgresBytes bytes: ArraySlice<UInt8>) {
        if Element.self == UInt8.self {
            guard let whole = [UInt8](bytes) as? [Element] else { return nil }
            self = whole
            return
        }
        var rest = bytes
        func next() -> Int32? {
            defer { rest = rest.dropFirst(4) }
            return Int32(bigEndianBytes: rest.prefix(4))
        }
        guard let dimensions = next(), next() != nil, next() != nil else { return nil }
        self = []
        guard dimensions == 1 else { if dimensions == 0 { return } else { return nil } }
        guard let count = next(), count >= 0, next() != nil else { return nil }
        for _ in 0..<count {
            guard let length = next(), length >= 0, rest.count >= Int(length), let element = Element(postgresBytes: rest.prefix(Int(length))) else { return nil }
            append(element)
            rest = rest.dropFirst(Int(length))
        }
    }
}

/// What an array of PostgreSQL can hold. `UInt8` stands for the bytes of a `bytea`, which is no array there.
public protocol PostgresArrayElement: PostgresEncodable, PostgresDecodable {
    static var arrayOID: UInt32 { get }
}

extension UInt8: PostgresArrayElement {
    public static var postgresOID: UInt32 { OID.bytea }
    public static var arrayOID: UInt32 { OID.bytea }
    public static var acceptedOIDs: Set<UInt32> { [OID.bytea] }
    public var postgresBytes: [UInt8] { [self] }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        guard let byte = postgresBytes.first, postgresBytes.count == 1 else { return nil }
        self = byte
    }
}

extension Array: PostgresArrayElement where Element == UInt8 {
    public static var arrayOID: UInt32 { OID.byteaArray }
}

extension String: PostgresArrayElement { public static var arrayOID: UInt32 { OID.textArray } }
extension Int64: PostgresArrayElement { public static var arrayOID: UInt32 { OID.int8Array } }
extension Int: PostgresArrayElement { public static var arrayOID: UInt32 { OID.int8Array } }
extension Bool: PostgresArrayElement { public static var arrayOID: UInt32 { OID.boolArray } }

extension UUID: PostgresArrayElement {
    public static var postgresOID: UInt32 { OID.uuid }
    public static var arrayOID: UInt32 { OID.uuidArray }
    public static var acceptedOIDs: Set<UInt32> { [OID.uuid] }
    public var postgresBytes: [UInt8] { unsafe withUnsafeBytes(of: uuid) { unsafe Array($0) } }
    public init?(postgresBytes bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        let b = Array(bytes)
        self.init(uuid: (b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]))
    }
}

extension Date: PostgresArrayElement {
    /// Seconds from PostgreSQL's epoch, 2000-01-01, to that of `Date`, 2001-01-01.
    private static let epoch: Int64 = 366 * 86_400
    public static var postgresOID: UInt32 { OID.timestamptz }
    public static var arrayOID: UInt32 { OID.timestamptzArray }
    public static var acceptedOIDs: Set<UInt32> { [OID.timestamptz] }
    /// Microseconds, rounded; what PostgreSQL can't hold becomes its `infinity` or `-infinity`.
    public var postgresBytes: [UInt8] {
        let whole = timeIntervalSinceReferenceDate.rounded(.down)
        guard abs(whole) < 9_000_000_000_000 else { return (whole < 0 ? Int64.min : Int64.max).bigEndianBytes }
        // Whole and fraction apart: one product of both would lose the microseconds of far dates.
        let fraction = Int64(((timeIntervalSinceReferenceDate - whole) * 1_000_000).rounded())
        return ((Int64(whole) + Self.epoch) * 1_000_000 + fraction).bigEndianBytes
    }
    public init?(postgresBytes: ArraySlice<UInt8>) {
        guard let micros = Int64(bigEndianBytes: postgresBytes) else { return nil }
        guard micros != .max, micros != .min else {
            self.init(timeIntervalSinceReferenceDate: micros < 0 ? -.infinity : .infinity)
            return
        }
        let (seconds, fraction) = micros.quotientAndRemainder(dividingBy: 1_000_000)
        self.init(timeIntervalSinceReferenceDate: Double(seconds - Self.epoch) + Double(fraction) / 1_000_000)
    }
}

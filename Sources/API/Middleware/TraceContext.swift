import HTTPTypes

/// A request's place in a distributed trace (W3C Trace Context, level 1).
struct TraceContext: Sendable {
    /// 32 hexadecimal digits, the same for all that belongs together.
    let traceID: String
    /// 16 hexadecimal digits: this service's part of it.
    let spanID: String
    private let flags: String
    /// Other systems' words, handed on as they came.
    let state: String?
    /// Whether the caller named the trace.
    let isGiven: Bool

    static let parentField = HTTPField.Name("traceparent")
    static let stateField = HTTPField.Name("tracestate")

    /// Goes on with the caller's trace where the header is valid; else begins a new one, and what belongs to the other is dropped.
    init(_ headers: HTTPFields, random: inout some RandomNumberGenerator) {
        spanID = Self.hex(Self.nonZero(&random))
        if let text = Self.parentField.flatMap({ headers[$0] }), let given = Self.parse(text) {
            (traceID, flags, isGiven) = (given.trace, given.flags, true)
            state = Self.stateField.flatMap { headers[$0] }.flatMap(Self.validState)
        } else {
            traceID = Self.hex(Self.nonZero(&random)) + Self.hex(random.next())
            (flags, state, isGiven) = ("00", nil, false)
        }
    }

    /// What goes out: the same trace, this service's span.
    var parent: String { "00-\(traceID)-\(spanID)-\(flags)" }

    private static func parse(_ text: String) -> (trace: String, flags: String)? {
        let bytes = Array(text.utf8)
        // Later versions may be longer; this one may not.
        guard bytes.count >= 55, bytes[2] == dash, bytes[35] == dash, bytes[52] == dash else { return nil }
        let (version, trace, parent, flags) = (bytes[0..<2], bytes[3..<35], bytes[36..<52], bytes[53..<55])
        guard [version, trace, parent, flags].allSatisfy({ $0.allSatisfy(isHex) }) else { return nil }
        guard version.elementsEqual([zero, zero]) ? bytes.count == 55 : bytes.count == 55 || (bytes.count <= 512 && bytes[55] == dash) else { return nil }
        guard !version.allSatisfy({ $0 == 0x66 }), trace.contains(where: { $0 != zero }), parent.contains(where: { $0 != zero }) else { return nil }
        // Only the flag that says whether it is recorded is ours to know.
        return (String(decoding: trace, as: UTF8.self), (bytes[54] & 1) == 1 ? "01" : "00")
    }

    /// At most 512 visible characters, as the specification lets anybody cut there.
    private static func validState(_ text: String) -> String? {
        text.utf8.count <= 512 && text.utf8.allSatisfy { (0x20...0x7E).contains($0) } && text.contains("=") ? text : nil
    }

    private static let (dash, zero): (UInt8, UInt8) = (0x2D, 0x30)
    private static func isHex(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte) }

    private static func nonZero(_ random: inout some RandomNumberGenerator) -> UInt64 { max(1, random.next()) }

    private static func hex(_ value: UInt64) -> String {
        String(unsafeUninitializedCapacity: 16) { buffer in
            for index in 0..<16 {
                let digit = UInt8(value >> (60 - 4 * UInt64(index)) & 15)
                buffer[index] = digit < 10 ? zero + digit : 0x57 + digit
            }
            return 16
        }
    }
}

public import Foundation

/// Reads and writes RFC 3339 times.
public enum Timestamp {
    /// Parses `2026-11-25T13:10:42.5Z` or with an offset; `nil` for anything else. Fractions may have any length.
    public static func date(_ text: String) -> Date? {
        let bytes = Array(text.utf8.prefix(64))
        guard bytes.count >= 20, let day = CivilDate(parsing: text.prefix(10)), [UInt8(ascii: "T"), UInt8(ascii: "t")].contains(bytes[10]),
            let seconds = timeOfDay(bytes[11..<19])
        else { return nil }
        var rest = bytes[19...]
        var fraction = 0.0
        if rest.first == UInt8(ascii: ".") {
            let digits = rest.dropFirst().prefix { (48...57).contains($0) }
            guard !digits.isEmpty else { return nil }
            rest = rest.dropFirst(digits.count + 1)
            fraction = digits.reversed().reduce(0.0) { ($0 + Double($1 - 48)) / 10 }
        }
        guard let offset = offset(rest) else { return nil }
        return Date(timeIntervalSince1970: Double(day.daysSince1970 * 86_400 + seconds - offset) + fraction)
    }

    /// `2026-11-25T13:10:42Z`, whole seconds.
    static func text(_ date: Date) -> String {
        let bounded = min(max(date.timeIntervalSince1970, -62_135_596_800), 253_402_300_799)
        let seconds = Int(bounded.rounded(.down))
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let rest = seconds - days * 86_400
        let time = [rest / 3_600, rest / 60 % 60, rest % 60].map { CivilDate.padded($0, 2) }.joined(separator: ":")
        return "\(CivilDate(daysSince1970: days))T\(time)Z"
    }

    private static func timeOfDay(_ bytes: ArraySlice<UInt8>) -> Int? {
        let text = Array(bytes)
        guard text.count == 8, text[2] == UInt8(ascii: ":"), text[5] == UInt8(ascii: ":"), let hour = CivilDate.number(text[0..<2]),
            let minute = CivilDate.number(text[3..<5]), let second = CivilDate.number(text[6..<8]), hour < 24, minute < 60, second <= 60
        else { return nil }
        return hour * 3_600 + minute * 60 + second
    }

    private static func offset(_ bytes: ArraySlice<UInt8>) -> Int? {
        let text = Array(bytes)
        if text == [UInt8(ascii: "Z")] || text == [UInt8(ascii: "z")] { return 0 }
        guard text.count == 6, text[3] == UInt8(ascii: ":"), let hours = CivilDate.number(text[1..<3]), let minutes = CivilDate.number(text[4..<6]),
            hours < 24, minutes < 60
        else { return nil }
        switch text[0] {
        case UInt8(ascii: "+"): return hours * 3_600 + minutes * 60
        case UInt8(ascii: "-"): return -(hours * 3_600 + minutes * 60)
        default: return nil
        }
    }
}

/// A length of time as policy files write it: `90m`, `24h`, `7d`, `2w`.
public struct PolicyDuration: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Longest duration, in seconds: ten years.
    static let maximumSeconds = 3_650 * 86_400
    public let seconds: Int
    /// As it was written.
    public let description: String

    /// Parses a whole number with one of the units s, m, h, d, w; `nil` for anything else, for nothing and for more than ten years.
    public init?(parsing text: String) {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        let digits = Array(text.utf8.dropLast())
        guard digits.count <= 10, let unit = text.last.flatMap({ units[$0] }), let number = CivilDate.number(digits[...]),
            (1...Self.maximumSeconds / unit).contains(number)
        else { return nil }
        seconds = number * unit
        description = text
    }

    public static func < (lhs: PolicyDuration, rhs: PolicyDuration) -> Bool { lhs.seconds < rhs.seconds }

    /// A length of time for people, in at most two units: `3d 4h`.
    static func text(_ interval: TimeInterval) -> String {
        var rest = Int(min(max(interval, 0), 1e11).rounded(.down))
        var parts: [String] = []
        for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] where parts.count < 2 {
            let number = rest / length
            rest -= number * length
            if number > 0 { parts.append("\(number)\(unit)") } else if !parts.isEmpty { break }
        }
        return parts.isEmpty ? "0s" : parts.joined(separator: " ")
    }
}

extension Date {
    static func + (date: Date, duration: PolicyDuration) -> Date { date.addingTimeInterval(Double(duration.seconds)) }
    static func - (date: Date, duration: PolicyDuration) -> Date { date.addingTimeInterval(-Double(duration.seconds)) }
}

import Foundation
import Testing

@testable import AuditLog

@Suite("Canonical form (RFC 8785)")
struct CanonicalFormTests {
    private func canonical(_ value: JSONValue) throws -> String {
        var text = ""
        try value.appendCanonical(to: &text)
        return text
    }

    @Test("keys sort by UTF-16 code units: the example of RFC 8785 §3.2.3")
    func keysSortByUTF16() throws {
        let value = JSONValue.object([
            "\u{20ac}": .string("Euro Sign"), "\r": .string("Carriage Return"),
            "\u{fb33}": .string("Hebrew Letter Dalet With Dagesh"),
            "1": .string("One"), "\u{1f600}": .string("Emoji: Grinning Face"), "\u{80}": .string("Control"),
            "\u{f6}": .string("Latin Small Letter O With Diaeresis"),
        ])
        #expect(
            try canonical(value)
                == "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"\u{f6}\":\"Latin Small Letter O With Diaeresis\","
                + "\"\u{20ac}\":\"Euro Sign\",\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        )
    }

    @Test("strings are escaped as in RFC 8785 §3.2.2.2")
    func stringsAreEscaped() throws {
        #expect(
            try canonical(.string("\u{20ac}$\u{0F}\u{0a}A'\u{42}\u{22}\u{5c}\\\"/"))
                == "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"")
        #expect(
            try canonical(.string("\u{8}\u{9}\u{a}\u{b}\u{c}\u{d}\u{1f}\u{7f}\u{2028}"))
                == "\"\\b\\t\\n\\u000b\\f\\r\\u001f\u{7f}\u{2028}\"")
    }

    @Test(
        "literals and integers",
        arguments: [
            (JSONValue.null, "null"), (.bool(true), "true"), (.bool(false), "false"), (.integer(0), "0"),
            (.integer(-7), "-7"),
            (.integer(9_007_199_254_740_991), "9007199254740991"),
            (.integer(-9_007_199_254_740_991), "-9007199254740991"),
            (.array([]), "[]"), (.object([:]), "{}"), (.array([.integer(1), .array([.null])]), "[1,[null]]"),
        ])
    func literals(value: JSONValue, text: String) throws {
        #expect(try canonical(value) == text)
        var reader = CanonicalReader(Array(text.utf8))
        #expect(try reader.value(depth: 0) == value)
        #expect(reader.isAtEnd)
    }

    @Test(
        "integers that a reader would round are refused",
        arguments: [Int64.min, .max, 9_007_199_254_740_992, -9_007_199_254_740_992])
    func inexactIntegersAreRefused(value: Int64) {
        #expect(throws: AuditEntryError.integerOutOfRange(value)) { try canonical(.integer(value)) }
    }

    @Test("depth is bounded when written and when read")
    func depthIsBounded() throws {
        func nested(_ depth: Int) -> JSONValue { (0..<depth).reduce(.null) { value, _ in .array([value]) } }
        #expect(try canonical(nested(16)).count == 36)
        #expect(throws: AuditEntryError.tooDeep(limit: 16)) { try canonical(nested(17)) }
        var reader = CanonicalReader(Array(repeating: UInt8(ascii: "["), count: 100_000))
        #expect(throws: AuditEntryError.tooDeep(limit: 16)) { try reader.skip(depth: 0) }
    }

    @Test(
        "what is JSON but not canonical is refused",
        arguments: [
            "1.0", "1e3", "-0", "01", "+1", "-", " 1", "\"\\/\"", "\"\\u0041\"", "\"\\u000A\"", "\"\\u000a\"",
            "\"\\u001F\"", "\"\\ud83d\\ude00\"",
            "\"\\ud800\"", "\"\t\"", "\"", "\"\\", "\"\\u00", "tru", "nul", "[1, 2]", "[1,]", "[,1]", "[1",
            "{\"a\":1,}", "{\"b\":1,\"a\":2}",
            "{\"a\":1,\"a\":1}", "{\"a\" :1}", "{a:1}", "{\"a\"}", "{", "", "9007199254740992",
            "99999999999999999999999", "\"\\u0000\"",
            "{\"\u{fb33}\":1,\"\u{1f600}\":1}", "{\"\u{e9}\":1,\"e\u{301}\":2}",
        ])
    func otherSpellingsAreRefused(text: String) {
        #expect(throws: AuditEntryError.self) {
            var reader = CanonicalReader(Array(text.utf8))
            try reader.skip(depth: 0)
            guard reader.isAtEnd else { throw AuditEntryError.notCanonical }
        }
    }

    @Test("1,000 random values are read back as they were written, with and without building them")
    func randomValuesRoundTrip() throws {
        var random = SeededGenerator(seed: 8785)
        for _ in 0..<1000 {
            let value = Self.value(depth: 0, using: &random)
            let text = try canonical(value)
            var reader = CanonicalReader(Array(text.utf8))
            let read = try reader.value(depth: 0)
            #expect(read == value)
            #expect(Array(try canonical(read).utf8) == Array(text.utf8))
            var skipper = CanonicalReader(Array(text.utf8))
            try skipper.skip(depth: 0)
            #expect(skipper.isAtEnd)
            // An independent reader agrees.
            #expect(try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) == value)
        }
    }

    private static func value(depth: Int, using random: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth < 4 ? 6 : 4), using: &random) {
        case 0: .null
        case 1: .bool(.random(using: &random))
        case 2: .integer(.random(in: -9_007_199_254_740_991...9_007_199_254_740_991, using: &random))
        case 3: .string(text(using: &random))
        case 4: .array((0..<Int.random(in: 0...4, using: &random)).map { _ in value(depth: depth + 1, using: &random) })
        default:
            .object(
                Dictionary(
                    (0..<Int.random(in: 0...5, using: &random)).map { _ in
                        (text(using: &random), value(depth: depth + 1, using: &random))
                    },
                    uniquingKeysWith: { $1 }))
        }
    }

    private static func text(using random: inout SeededGenerator) -> String {
        let ranges: [ClosedRange<UInt32>] = [
            0x01...0x1F, 0x20...0x7F, 0x20...0x7F, 0x80...0x7FF, 0xE000...0xFFFF, 0x10000...0x10FFFF,
        ]
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let range = ranges[Int.random(in: 0..<ranges.count, using: &random)]
            if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)) { text.append(scalar) }
        }
        return String(text)
    }
}

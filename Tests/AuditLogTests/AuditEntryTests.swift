import Foundation
import Testing

@testable import AuditLog

@Suite("Audit entries")
struct AuditEntryTests {
    private let actor = AuditActor(id: "system:worker", authentication: .service)

    private func entry(
        time: Date = Date(timeIntervalSince1970: 1), reason: String? = nil, before: JSONValue? = nil,
        details: [String: JSONValue] = [:]
    ) throws -> AuditEntry {
        try AuditEntry(
            id: UUID(), time: time, actor: actor, action: "service.started", outcome: .success, reason: reason,
            before: before, details: details)
    }

    @Test("version 1 keeps its bytes and leaf hashes for ever")
    func goldenEntries() throws {
        let golden = try Data(
            contentsOf: URL(filePath: #filePath).deletingLastPathComponent().appending(path: "entries-v1.txt"))
        let lines = String(decoding: golden, as: UTF8.self).split(separator: "\n").filter { !$0.hasPrefix("#") }
        let entries = try goldenV1()
        #expect(lines.count == entries.count)
        for (line, entry) in zip(lines, entries) {
            #expect(Array("\(entry.leafHash) \(entry.canonicalText)".utf8) == Array(line.utf8))
            #expect(try AuditEntry(canonical: entry.canonicalText) == entry)
        }
    }

    private func goldenV1() throws -> [AuditEntry] {
        let id = try #require(UUID(uuidString: "01938E5A-7C00-7ABC-8DEF-0123456789AB"))
        let time = Date(timeIntervalSince1970: 1_795_528_496.123456)
        return [
            try AuditEntry(id: id, time: time, actor: actor, action: "service.started", outcome: .success),
            try AuditEntry(
                id: id, time: time, actor: AuditActor(id: "token:01938e5a", authentication: .token),
                action: "promotion.denied", outcome: .denied,
                subject: AuditEntry.Subject(
                    image: "payments/api", digest: "sha256:" + String(repeating: "0f", count: 32),
                    environment: "production",
                    fromEnvironment: "staging", tags: ["1.4.2", "latest"],
                    promotionID: "01938e5a-7c00-7abc-8def-0123456789ac"),
                requestID: "r-1", policyVersion: "sha256:ab", reason: "Grüße \"€\" \\ \u{1F600}\n\u{7f}\u{1}",
                before: .string("evaluating"),
                after: .object(["state": .string("denied"), "version": .integer(3)]),
                details: [
                    "\u{1F600}": .null, "\u{FB33}": .bool(true),
                    "list": .array([.integer(-9_007_199_254_740_991), .string("")]),
                ]),
        ]
    }

    @Test("an entry is read back from its text")
    func roundTrip() throws {
        for index in 0..<50 {
            let entry = try SampleLog.entry(index)
            let read = try AuditEntry(canonical: entry.canonicalText)
            #expect(read == entry)
            #expect(read.leafHash == entry.leafHash)
            #expect(read.time.timeIntervalSince1970 == entry.time.timeIntervalSince1970)
        }
    }

    @Test("a value that is null is left out, so that the text can be read back")
    func nullIsAbsent() throws {
        let entry = try entry(before: .null)
        #expect(entry.before == nil)
        #expect(try AuditEntry(canonical: entry.canonicalText) == entry)
    }

    @Test("time keeps its microseconds")
    func microseconds() throws {
        for micros in [Int64(1_795_528_496_123_457), 0, 1, -1, 4_102_444_800_999_999] {
            #expect(try entry(time: Date(timeIntervalSince1970: Double(micros) / 1e6)).timeMicros == micros)
        }
    }

    @Test(
        "a time that has no exact microseconds is an error, not a crash",
        arguments: [
            1e11, Double.infinity, .nan, -1e300,
        ])
    func impossibleTimes(seconds: Double) {
        #expect(throws: AuditEntryError.timeOutOfRange) { try entry(time: Date(timeIntervalSince1970: seconds)) }
    }

    @Test("NUL is refused, and the error says where")
    func nulIsRefused() {
        #expect(throws: AuditEntryError.forbiddenCharacter(field: "before")) { try entry(before: .string("a\u{0}b")) }
        #expect(throws: AuditEntryError.forbiddenCharacter(field: "details")) {
            try entry(details: ["a": .array([.string("\u{0}")])])
        }
        #expect(throws: AuditEntryError.forbiddenCharacter(field: "details")) { try entry(details: ["a\u{0}": .null]) }
    }

    @Test("an entry of 65,536 bytes is taken, one more is refused")
    func sizeIsBounded() throws {
        let bare = try entry(details: ["t": .string("")]).canonicalText.utf8.count
        let room = AuditEntry.maximumBytes - bare
        let full = try entry(details: ["t": .string(String(repeating: "x", count: room))])
        #expect(full.canonicalText.utf8.count == 65_536)
        #expect(try AuditEntry(canonical: full.canonicalText) == full)
        #expect(throws: AuditEntryError.tooLarge(bytes: 65_537, limit: 65_536)) {
            try entry(details: ["t": .string(String(repeating: "x", count: room + 1))])
        }
        #expect(throws: AuditEntryError.tooLarge(bytes: 100_000, limit: 65_536)) {
            try AuditEntry(canonical: String(repeating: "[", count: 100_000))
        }
    }

    @Test(
        "text from outside is cut by bytes and marked, whatever characters it has",
        arguments: [
            "x", "e\u{301}\u{301}\u{301}", "\u{1F469}\u{200D}\u{1F469}\u{200D}\u{1F467}", "NUL",
        ])
    func clipping(unit: String) throws {
        let text = String(repeating: unit, count: 10_000).replacing("NUL", with: "\u{0}")
        let cut = AuditEntry.clip(text, to: 4096)
        #expect(cut.utf8.count <= 4096 && cut.utf8.count > 4080)
        #expect(cut.hasSuffix("… [cut]"))
        #expect(!cut.unicodeScalars.contains("\u{0}"))
        #expect(AuditEntry.clip(cut, to: 4096) == cut)
        #expect(try entry(reason: text).reason == cut)
    }

    @Test("short text is not cut, and tiny limits hold")
    func clippingEdges() {
        #expect(AuditEntry.clip("déjà", to: 6) == "déjà")
        #expect(AuditEntry.clip("a\u{0}", to: 4) == "a\u{FFFD}")
        #expect(AuditEntry.clip("déjà", to: 5) == "déj")
        #expect(AuditEntry.clip("x", to: 0) == "")
        #expect(AuditEntry.clip("0123456789", to: 9) == "… [cut]")
    }

    @Test(
        "a text that is not an entry's is refused",
        arguments: [
            ("\"action\":\"service.started\"", "\"action\":\"a\",\"aktion\":\"b\""), ("\"outcome\":\"success\",", ""),
            ("\"success\"", "\"maybe\""),
            ("\"service\"", "\"magic\""), ("\"schema\":1", "\"schema\":2"), ("\"schema\":1", "\"schema\":\"1\""),
            ("\"actor\":", "\"before\":"),
            ("\"schema\"", "\"reason\":null,\"schema\""), ("\"id\"", "\"details\":{},\"id\""),
            ("\"id\"", "\"before\":null,\"id\""),
            ("\"timeMicros\"", "\"tags\":[],\"timeMicros\""), ("\"timeMicros\"", "\"tags\":[1],\"timeMicros\""),
            ("\"id\"", "\"details\":[1],\"id\""), ("\"id\"", "\"digest\":1,\"id\""), ("1000000}", "1000000.0}"),
            ("1000000}", "1e6}"),
            ("1000000}", "1000000} "), ("1000000}", "1000000,\"z\":1}"), ("1000000}", "-9223372036854775808}"),
            ("1000000}", "1000000"),
            ("{\"action\"", "{ \"action\""), ("\"actor\":\"s", "\"actor\":\"\\u0073"), ("0193", "0193-"),
            ("5a7c", "5A7C"),
        ])
    func otherTextsAreRefused(find: String, replace: String) throws {
        let good =
            #"{"action":"service.started","actor":"system:worker","actorAuth":"service","id":"01938e5a-7c00-7abc-8def-01235a7c89ab","#
            + #""outcome":"success","schema":1,"timeMicros":1000000}"#
        #expect(try AuditEntry(canonical: good).timeMicros == 1_000_000)
        let bad = good.replacing(find, with: replace)
        try #require(bad != good)
        #expect(throws: AuditEntryError.self) { try AuditEntry(canonical: bad) }
    }

    @Test("20,000 mutated texts: read or refused, never a crash, and what is read gives the same bytes")
    func mutations() throws {
        var random = SeededGenerator(seed: 20_000)
        for round in 0..<20_000 {
            var bytes = Array(try SampleLog.entry(round % 20).canonicalText.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(Array("{}[]\",:\\0189-aeu".utf8).randomElement(using: &random) ?? 0, at: at)
                default: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...40, using: &random)))
                }
            }
            guard let text = String(validating: bytes, as: UTF8.self) else { continue }
            do throws(AuditEntryError) {
                let read = try AuditEntry(canonical: text)
                #expect(Array(read.canonicalText.utf8) == bytes)
            } catch { #expect(!error.description.isEmpty) }
        }
    }
}

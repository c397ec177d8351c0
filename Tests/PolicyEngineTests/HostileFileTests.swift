import Foundation
import Testing

@testable import PolicyEngine

/// Files that were made to do harm: each is refused with a clear word, quickly.
@Suite("Hostile policy files", .timeLimit(.minutes(1)))
struct HostileFileTests {
    @Test(arguments: [
        ("a: &x 1", 1, 4), ("a: *x", 1, 4), ("- &x 1\n- *x", 1, 3), ("a: [&x 1, *x]", 1, 5), ("a: [1, *x]", 1, 8), ("{a: &x {b: c}, d: *x}", 1, 5),
        ("&x\na: b", 1, 1), ("a:   *x", 1, 6), ("? *x\n: b", 1, 3), ("a:\n  *x", 2, 3), ("a: !!str &x b", 1, 10), ("a: &x !!str b", 1, 4),
        ("a: [*x]", 1, 5),
        ("a: [b,*x]", 1, 7), ("\"a\": *x", 1, 6), ("{\"a\":*x}", 1, 6), ("# a\r\nb: *x", 2, 4), ("<<: *x", 1, 5), ("a: é\nü: &e-1 b\nc: *x", 2, 4),
        ("*x : a", 1, 1),
    ])
    func anchorsAndAliasesAreRefused(_ text: String, line: Int, column: Int) throws {
        let found = Samples.mistakes(text)
        let first = try #require(found.first)
        #expect("\(first.line):\(first.column)" == "\(line):\(column)" && found.count == 1)
        #expect(first.problem == "anchors, aliases and merge keys are not allowed")
    }

    @Test func aMergeKeyWithoutAliasIsAnUnknownKey() {
        #expect(Samples.mistakes(Samples.policy("p", "<<: { mode: warn }")).map(\.problem) == ["a policy has no key '<<'"])
    }

    /// Texts that look like anchors and are none.
    @Test(arguments: [
        "description: \"see *this* and &that: *x, - *y\"", "description: 'a: &b'", "description: R&D *and* more", "# a: *b, [*c]\nmode: warn",
        "description: |\n  * one: *two\n  - &three", "description: >-\n  a\n  *b", "tags: { exclude: [\"*-dirty\", '*_x', \"*\"] }",
        "description: a\n  *b", "description: &",
        "labels: { require: { a: \"https://x/?a=1&b=*\" } }",
    ])
    func starsAndAmpersandsInTextsAreTaken(_ lines: String) throws {
        #expect(Samples.mistakes(Samples.policy("p", lines)).filter { $0.problem.contains("anchor") } == [])
    }

    @Test func theTextIsNotChangedByTheSearchForAnchors() throws {
        let set = try Samples.set(Samples.policy("a *b", "tags: { patterns: [\"x *y\", \"*-z\"] } # *c"))
        #expect(set.policies[0].name == "a *b" && set.policies[0].tags?.patterns.map(\.description) == ["x *y", "*-z"])
    }

    /// Each level holds the one before twice.
    private static func laughs(_ name: String) -> [String] {
        ["&\(name)0 [x]"] + (1..<40).map { "&\(name)\($0) [*\(name)\($0 - 1), *\(name)\($0 - 1)]" }
    }

    private static let bombs: [String] = [
        laughs("a").enumerated().map { "a\($0.offset): \($0.element)" }.joined(separator: "\n"),
        "[" + laughs("a").joined(separator: ", ") + "]",
        "- &a [*a, *a]",
        // Keys that must be compared with each other.
        (laughs("a") + laughs("b") + ["{ ? *a39 : 1, ? *b39 : 2 }"]).map { "- \($0)" }.joined(separator: "\n"),
    ]

    @Test(arguments: bombs.indices)
    func bombsDoNotGoOff(_ index: Int) {
        #expect(Samples.mistakes(Self.bombs[index]).map(\.problem) == ["anchors, aliases and merge keys are not allowed"])
    }

    @Test(arguments: [21, 900, 5_000, 500_000])
    func deepNestingIsRefused(depth: Int) {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
            let text = String(repeating: open, count: depth) + "x" + String(repeating: close, count: depth)
            guard text.utf8.count <= YAMLReader.maximumBytes else { continue }
            let found = Samples.mistakes(text)
            #expect(found.count == 1 && found[0].problem.contains("nest"), "\(found)")
        }
        let keys = String(repeating: "? ", count: min(depth, 900)) + "x"
        #expect(Samples.mistakes(keys).first?.problem.contains("nest") == true)
    }

    @Test func aFileHasAtMostOneMebibyte() {
        let rest = 1 << 20
        let text = Samples.policy("p", "# ")
        let full = text + String(repeating: "x", count: rest - text.utf8.count)
        #expect(Samples.mistakes(full) == [])
        #expect(Samples.mistakes(full + "x").map(\.problem) == ["the file has 1048577 bytes"])
        // Bytes count, not characters.
        #expect(Samples.mistakes(text + String(repeating: "é", count: rest / 2)).count == 1)
    }

    @Test func hugeScalarsAreRefusedAndNotRepeated() throws {
        let huge = String(repeating: "x", count: 900_000)
        for lines in [
            "description: \(huge)", "mode: \(huge)", "\(huge): 1", "tags: { semver: \(huge) }", "labels: { require: { a: \(huge) } }",
            "\(huge): 1\n\(huge): 2",
        ] {
            let found = Samples.mistakes(Samples.policy("p", lines))
            #expect(found.count == 1)
            let text = try #require(found.first).description
            #expect(text.utf8.count < 400)
        }
        #expect(Samples.mistakes(Samples.policy("p", "description: " + String(repeating: "x", count: 1000))) == [])
        #expect(
            Samples.mistakes(Samples.policy("p", "description: " + String(repeating: "x", count: 1001))).map(\.problem) == [
                "description has 1001 bytes"
            ])
    }

    @Test func listsAndMistakesAreBounded() throws {
        let patterns = { (count: Int) in Samples.policy("p", "tags: { patterns: [\(Array(repeating: "a", count: count).joined(separator: ","))] }") }
        #expect(Samples.mistakes(patterns(1000)) == [])
        #expect(Samples.mistakes(patterns(1001)).map(\.problem) == ["patterns has 1001 values"])
        let many = Samples.mistakes(Samples.policy("p", (0..<50_000).map { "k\($0): 1" }.joined(separator: "\n")))
        #expect(many.count == YAMLReader.maximumDiagnostics)
        #expect(many.last?.problem == "there are more mistakes")
    }

    @Test func mutilatedFilesAreReadOrRefusedButNeverCrash() throws {
        let source = Array(
            Samples.policy("p", "mode: warn\ntags: { semver: '>=1', target: [\"{tag}\"] }\nlabels: { require: { a: \"regex:[a-z]{2,3}\" } }\n# &a *b")
                .unicodeScalars)
        let inserted: [Unicode.Scalar] = [
            "\u{0}", "\t", "\n", "[", "]", "{", "}", "&", "*", "!", "|", ">", "'", "\"", "%", "@", "`", "?", ":", "-", "#", ",", "\u{FEFF}",
            "\u{2028}",
        ]
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<1_500 {
            var text = source
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let place = Int.random(in: 0..<text.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: text.remove(at: place)
                case 1: text.insert(inserted[Int.random(in: 0..<inserted.count, using: &generator)], at: place)
                default: text.swapAt(place, Int.random(in: 0..<text.count, using: &generator))
                }
            }
            for mistake in Samples.mistakes([("p.yaml", String(String.UnicodeScalarView(text)))]) {
                #expect(!mistake.problem.isEmpty && !mistake.remedy.isEmpty && mistake.line >= 1 && mistake.column >= 1)
            }
        }
    }
}

import Foundation
import Testing

@testable import PolicyEngine

/// The files that are shipped, mutilated by a seeded hand: each is read or refused with a place and a remedy, in bounded time.
@Suite("Mutilated policy files", .timeLimit(.minutes(2)))
struct FuzzTests {
    private static let files: [[PolicyFile]] = ["Policies", "examples/policies"].map { folder in
        let path = JSONSchema.folder.appending(path: "../../\(folder)").standardizedFileURL
        // A folder that is not there leaves nothing to mutilate, which the test below sees.
        let names = ((try? FileManager.default.contentsOfDirectory(atPath: path.path)) ?? []).filter { $0.hasSuffix(".yaml") }.sorted()
        return names.compactMap { name in
            (try? String(contentsOf: path.appending(path: name), encoding: .utf8)).map { PolicyFile(path: name, text: $0) }
        }
    }

    private static let inserts = [
        "&a ", "*a", "<<: *a", "!!binary ", "!<tag:yaml.org,2002:int> ", "\n---\n", "\n...\n", "%YAML 1.1\n", "? ", ": ", "- ", "[", "]", "{", "}", "|", ">", "\"", "'", "\t",
        "\u{0}", "\u{FEFF}", "\u{85}", "\u{2028}", "\u{10FFFF}", "#", "@", "`", "regex:", "regex:(", "regex:(a{1000}){1000}", "**", "!", "99999999999999999999d", "-1h",
        "9223372036854775808", "0x7f", "1e999", ".nan", "~", "null", "version: 1\n", "kind: Policy\n", "name: p\n", "gates: []\n", "sha256:", "{image}", "{semver.major}",
    ]

    private static func mutate(_ text: String, _ generator: inout SeededGenerator) -> String {
        var scalars = Array(text.unicodeScalars)
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let place = Int.random(in: 0...scalars.count, using: &generator)
            let end = min(scalars.count, place + Int.random(in: 1...40, using: &generator))
            switch Int.random(in: 0..<6, using: &generator) {
            case 0: scalars.removeSubrange(place..<end)
            case 1: scalars.insert(contentsOf: (inserts.randomElement(using: &generator) ?? "").unicodeScalars, at: place)
            case 2: scalars.insert(contentsOf: Array(scalars[place..<end]), at: place)
            case 3:  // A line twice: duplicate keys.
                var lines = String(String.UnicodeScalarView(scalars)).split(separator: "\n", omittingEmptySubsequences: false)
                let line = Int.random(in: 0..<lines.count, using: &generator)
                lines.insert(lines[line], at: Int.random(in: 0...lines.count, using: &generator))
                scalars = Array(lines.joined(separator: "\n").unicodeScalars)
            case 4:
                scalars.insert(contentsOf: String(repeating: ["[", "{a: ", "- ", "  ", "? ", "x"].randomElement(using: &generator) ?? "", count: 2_000).unicodeScalars, at: place)
            default: if !scalars.isEmpty { scalars[min(place, scalars.count - 1)] = Unicode.Scalar(UInt8.random(in: 0...127, using: &generator)) }
            }
        }
        return String(String.UnicodeScalarView(scalars))
    }

    @Test(arguments: 0..<30)
    func areReadOrRefusedWithAPlace(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let clock = ContinuousClock()
        for _ in 0..<15 {
            var set = try #require(Self.files.randomElement(using: &generator))
            #expect(set.count > 3)
            let index = Int.random(in: 0..<set.count, using: &generator)
            set[index] = PolicyFile(path: set[index].path, text: Self.mutate(set[index].text, &generator))
            var mistakes: [PolicyDiagnostic] = []
            let time = clock.measure { mistakes = Samples.mistakes(set.map { ($0.path, $0.text) }) }
            #expect(time < .seconds(5), "\(set[index].text.prefix(500))")
            #expect(mistakes.count <= set.count * YAMLReader.maximumDiagnostics)
            for mistake in mistakes {
                #expect(!mistake.problem.isEmpty && !mistake.remedy.isEmpty && mistake.line >= 1 && mistake.column >= 1)
                #expect(mistake.description.utf8.count < 4_000)
            }
        }
    }

    /// What is read after mutilation is a policy like any other: it decides without a crash.
    @Test(arguments: 0..<10)
    func whatIsReadDecides(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(1_000 + seed))
        for _ in 0..<15 {
            var set = try #require(Self.files.randomElement(using: &generator))
            let index = Int.random(in: 0..<set.count, using: &generator)
            var scalars = Array(set[index].text.unicodeScalars)
            // Small changes: most are still read.
            let place = Int.random(in: 0..<scalars.count, using: &generator)
            if scalars[place].properties.numericType != nil { scalars[place] = Unicode.Scalar(UInt8.random(in: 48...57, using: &generator)) } else { scalars.remove(at: place) }
            set[index] = PolicyFile(path: set[index].path, text: String(String.UnicodeScalarView(scalars)))
            guard case .success(let policies) = Result(catching: { () throws(PolicyLoadError) in try PolicySet(files: set, commit: nil) }) else { continue }
            for result in policies.runCases() { #expect(!result.decision.gates.isEmpty) }
            _ = policies.remarks(at: Samples.now)
        }
    }
}

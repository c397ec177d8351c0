/// The results of policy cases as JUnit's XML, which CI systems show.
public struct JUnitReport: Sendable, CustomStringConvertible {
    public let results: [CaseResult]

    public init(_ results: [CaseResult]) { self.results = results }

    public var description: String {
        let files = Dictionary(grouping: results, by: \.test.source.file).sorted { $0.key < $1.key }
        var lines = ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites\(Self.counts(results))>"]
        for (file, results) in files {
            lines.append("  <testsuite name=\"\(Self.escaped(file))\"\(Self.counts(results))>")
            for result in results { lines += Self.testcase(result, file) }
            lines.append("  </testsuite>")
        }
        return (lines + ["</testsuites>", ""]).joined(separator: "\n")
    }

    private static func counts(_ results: [CaseResult]) -> String {
        " tests=\"\(results.count)\" failures=\"\(results.count { !$0.hasPassed })\" errors=\"0\" skipped=\"0\" time=\"0\""
    }

    private static func testcase(_ result: CaseResult, _ file: String) -> [String] {
        let test = result.test
        let head =
            "    <testcase classname=\"\(escaped(file))\" name=\"\(escaped(test.name))\" file=\"\(escaped(file))\" line=\"\(test.source.line)\" time=\"0\""
        guard !result.hasPassed else { return [head + "/>"] }
        let message = result.failures.joined(separator: "\n")
        return [head + ">", "      <failure message=\"\(escaped(result.failures[0]))\">\(escaped(message))</failure>", "    </testcase>"]
    }

    /// XML 1.0 §2.2 allows few control characters, not even written as references.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\n": result += "&#10;"
            case "\t": result += "&#9;"
            case _ where scalar.value < 0x20 || (0xFFFE...0xFFFF).contains(scalar.value): result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

import Foundation
import Testing

@testable import PolicyEngine

/// The table of gates in Tests/README.md, held against the decoder.
@Suite struct GateTableTests {
    @Test func everyKindHasItsRow() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "README.md")
        let rows = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "## Gates").last?.components(separatedBy: "\n## ").first ?? ""
        let named = rows.matches(of: /\n\| `(\w+)` \|/).map { String($0.output.1) }
        #expect(named.sorted() == YAMLReader.gateKeys.filter { $0 != "name" }.sorted())
    }
}

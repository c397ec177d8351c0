import Foundation
import Testing

/// The table of Tests/README.md, held against the tests.
@Suite struct HazardTableTests {
    @Test func everyTestThatIsNamedHereExists() throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        var sources: [String: String] = [:]
        let files = try #require(FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil))
        for case let file as URL in files where file.pathExtension == "swift" {
            // Suites of one name in two modules are one here.
            sources[file.deletingPathExtension().lastPathComponent, default: ""] += try String(contentsOf: file, encoding: .utf8)
        }
        let table = try String(contentsOf: tests.appending(path: "README.md"), encoding: .utf8)
        let names = table.matches(of: /`([A-Z]\w+Tests)\.(\w+)`/)
        #expect(names.count > 80)
        for name in names {
            let (suite, test) = (String(name.output.1), String(name.output.2))
            #expect(sources[suite]?.contains("func \(test)(") == true, "\(suite).\(test)")
        }
    }
}

import Foundation
import PolicyEngine
import Testing

@testable import PolicyImport

/// Whole files of other tools, with what becomes of each line. UPDATE_GOLDEN=1 writes the expected files anew, for a person to read.
@Suite struct GoldenTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures")

    private static func options(_ format: ImportFormat) -> ImportOptions {
        var options = ImportOptions()
        options.target = "mirror.example.com/ext"
        options.local = "https://harbor.example.com"
        return options
    }

    private static func texts(_ folder: URL) throws -> [(name: String, text: String)] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { ($0, try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8)) }
    }

    private static func imported(_ format: ImportFormat) throws -> ImportedFolder {
        try PolicyImport.folder(format, files: try texts(fixtures.appendingPathComponent("\(format.rawValue)/input")), options: options(format))
    }

    @Test(arguments: ImportFormat.allCases) func everyLineBecomesARuleOrARemark(_ format: ImportFormat) throws {
        let folder = Self.fixtures.appendingPathComponent("\(format.rawValue)/expected")
        let imported = try Self.imported(format)
        var found = imported.files
        found["remarks.txt"] = imported.remarks.map { "\($0)\n" }.joined()
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try? FileManager.default.removeItem(at: folder)  // absent the first time
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for (name, text) in found { try Data(text.utf8).write(to: folder.appendingPathComponent(name)) }
        }
        let expected = try Self.texts(folder)
        #expect(Set(found.keys) == Set(expected.map(\.name)))
        for (name, text) in expected { #expect(found[name] == text, "\(format.rawValue)/expected/\(name)") }
    }

    @Test(arguments: ImportFormat.allCases) func whatIsWrittenPassesThePolicyCheckAndHoldsNoSecret(_ format: ImportFormat) throws {
        let imported = try Self.imported(format)
        let files = imported.files.filter { $0.key.hasSuffix(".yaml") }.map { PolicyFile(path: $0.key, text: $0.value) }.sorted { $0.path < $1.path }
        do { _ = try PolicySet(files: files, commit: nil) } catch { Issue.record("\(error.diagnostics.map(\.description).joined(separator: "\n"))") }
        let everything = imported.files.values.joined() + imported.remarks.map(\.description).joined()
        #expect(!everything.contains("swordfish"))
    }

    /// A rule that can't be said whole is not said at all: it must not become wider.
    @Test func expressionsKeepTheirMeaning() throws {
        func ours(_ text: String, anchored: Bool) throws -> TextPattern? { try ImportSession.expression(text, anchored: anchored).map { try TextPattern(parsing: $0) } }
        let loose = try #require(try ours("-alpine", anchored: false))
        #expect(loose.matches("3.1-alpine") && loose.matches("3-alpine3") && !loose.matches("3.1"))
        let start = try #require(try ours("^16\\.", anchored: false))
        #expect(start.matches("16.2") && !start.matches("1.16.2"))
        let whole = try #require(try ours("v\\d+", anchored: true))
        #expect(whole.matches("v12") && !whole.matches("v12-rc"))
        let either = try #require(try ours("a|b", anchored: true))
        #expect(either.matches("a") && either.matches("b") && !either.matches("ab"))
        for unsaid in ["(?i)a", "a(?=b)", "(a)\\1"] { #expect(ImportSession.expression(unsaid, anchored: true) == nil, "\(unsaid)") }
        #expect(ImportSession.expression("^a|b$", anchored: false) == nil, "its ends belong to one branch each")
    }

    @Test func whatAFileDoesNotSayIsAskedFor() throws {
        func complaint(_ format: ImportFormat, _ text: String) -> String {
            do throws(ImportError) {
                _ = try PolicyImport.folder(format, files: [("file", text)])
                return ""
            } catch { return error.description }
        }
        #expect(complaint(.skopeoSync, "registry.example.com: { images: { a: [] } }").contains("--target"))
        #expect(complaint(.harbor, #"{"name": "x", "dest_registry": {"url": "https://a.example.com"}}"#).contains("--local"))
        #expect(complaint(.kpromo, "registries: [{ name: a.example.com/x }]").contains("src: true"))
        #expect(complaint(.regsync, "sync: []").contains("nothing"))
        #expect(complaint(.regsync, "a: [").contains("file"))
        #expect(complaint(.regsync, "").contains("empty"))
    }

    /// Environments' names are short and begin with a letter; registries' names need not.
    @Test func registriesOfAnyNameHaveEnvironments() throws {
        var options = ImportOptions()
        options.target = "127.0.0.1:5000/\(String(repeating: "long/", count: 20))end"
        let text = "10.0.0.1:5000: { images: { a: [] } }\n10.0.0.2:5000: { images: { a: [] } }"
        let files = try PolicyImport.folder(.skopeoSync, files: [("sync.yml", text)], options: options).files
        let policies = files.map { PolicyFile(path: $0.key, text: $0.value) }
        #expect(throws: Never.self) { try PolicySet(files: policies, commit: nil) }
    }

    @Test func namesAreSplitWhereTheyAgree() throws {
        func split(_ source: String, _ target: String) throws -> String? {
            let parts = ImportedReference.split(try #require(ImportedReference(source)), try #require(ImportedReference(target)))
            return parts.map { "\($0.image) \($0.from.url)/\($0.from.template) \($0.to.url)/\($0.to.template)" }
        }
        #expect(try split("a.example.com/dev/shop/api", "b.example.com/prod/shop/api") == "shop/api https://a.example.com/dev/{image} https://b.example.com/prod/{image}")
        #expect(try split("busybox:1", "localhost:5000/library/busybox") == "library/busybox https://registry-1.docker.io/{image} https://localhost:5000/{image}")
        #expect(try split("a.example.com/x/one", "b.example.com/x/two") == nil)
    }
}

import APIModel
import ArgumentParser
import AuditLog
import Foundation
import HTTPTransport

extension Audit {
    /// `shiplift audit report`
    struct Report: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "report",
            abstract: "Writes a page to read and to print: what happened in a period, to an image, or to one artifact.",
            discussion: """
                One HTML file that needs nothing else, no network and no script; a browser prints it to PDF.
                  shiplift audit report --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z --environment production --file march.html
                  shiplift audit report --digest sha256:4f5e… --file release.html
                """)
        @OptionGroup var filter: AuditFilterOptions
        @Option(name: [.short, .long], help: "The file.")
        var file: String
        @OptionGroup var service: ServiceOptions

        func validate() throws {
            guard filter.since != nil || filter.image != nil || filter.digest != nil || filter.promotion != nil else {
                throw ValidationError("a report is about a period (--since), an image, a digest or a promotion")
            }
        }

        func run() async throws {
            let client = try service.client()
            let items = try await AuditQuestion.all(client, filter.query + [("order", "oldest")])
            let checkpoint: String
            do { checkpoint = String(decoding: try await client.send(.get, "/v1/audit/checkpoint"), as: UTF8.self) } catch let problem as ProblemResource {
                checkpoint = problem.detail
            }
            let questions = filter.query.compactMap { name, value in value.map { (name, $0) } }
            try Data(AuditReport(questions: questions, items: items, checkpoint: checkpoint, at: Date()).html.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
            Output.error("wrote \(file)")
        }
    }
}

/// A report as one HTML file.
struct AuditReport {
    let questions: [(name: String, value: String)]
    let items: [AuditItem]
    let checkpoint: String
    let at: Date

    var html: String {
        """
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>Audit report</title>
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
        <style>\(Self.style)</style></head><body>
        <h1>Audit report</h1>
        <p>\(Self.escaped(questions.map { "\($0.name) \($0.value)" }.joined(separator: ", "))). Written \(Output.time(at)).</p>
        <h2>In short</h2>
        \(summary)
        <h2>Entries</h2>
        <table><thead><tr><th>#</th><th>Time</th><th>Who</th><th>What</th><th>Outcome</th><th>About</th><th>Why</th></tr></thead><tbody>
        \(items.map(Self.row).joined(separator: "\n"))
        </tbody></table>
        <h2>How to check this page</h2>
        <p>Each entry has a number. <code>shiplift audit prove NUMBER --file entry.tlog-proof</code> writes it with its proof, and
        <code>shiplift audit verify --proof entry.tlog-proof --key checkpoint-key.pub</code> checks it without the service. When this page was
        written, the newest signed checkpoint was:</p>
        <pre>\(Self.escaped(checkpoint))</pre>
        </body></html>

        """
    }

    private var summary: String {
        let counts = Dictionary(grouping: items) { $0.text("action") }.mapValues(\.count).sorted { $0.key < $1.key }
        let troubled = items.filter { $0.text("outcome") != "success" }.count
        let rows = counts.map { "<tr><td>\(Self.escaped($0.key))</td><td>\($0.value)</td></tr>" }.joined(separator: "\n")
        return """
            <p>\(items.count) entries, \(troubled) of them denied or failed, \(items.filter { $0.text("action") == "promotion.overridden" }.count) overrides.</p>
            <table><thead><tr><th>Act</th><th>Times</th></tr></thead><tbody>
            \(rows)
            </tbody></table>
            """
    }

    private static func row(_ item: AuditItem) -> String {
        let about = [item.text("image"), item.text("digest"), item.way].filter { !$0.isEmpty }.map(escaped).joined(separator: "<br>")
        let details = AuditQuestion.details(item).map { "<br><small>\(escaped($0))</small>" }.joined()
        let cells = [item.index.map(String.init) ?? "…", item.time, item.text("actor"), item.text("action"), item.text("outcome")].map(escaped)
        let kind = item.text("outcome") == "success" ? "" : " class=\"trouble\""
        return "<tr\(kind)>\(cells.map { "<td>\($0)</td>" }.joined())<td>\(about)</td><td>\(escaped(item.text("reason")))\(details)</td></tr>"
    }

    /// Text as HTML shows it, whatever stands in it.
    static func escaped(_ text: String) -> String {
        var safe = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": safe += "&amp;"
            case "<": safe += "&lt;"
            case ">": safe += "&gt;"
            case "\"": safe += "&quot;"
            case "'": safe += "&#39;"
            case "\n": safe += "\n"
            case _ where scalar.properties.generalCategory == .control: safe += "\u{FFFD}"
            default: safe.unicodeScalars.append(scalar)
            }
        }
        return safe
    }

    private static let style = """
        body{font:14px/1.4 system-ui,sans-serif;margin:2em;color:#111}table{border-collapse:collapse;width:100%}\
        th,td{border-bottom:1px solid #ccc;padding:3px 8px 3px 0;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
        .trouble td{background:#fdecea}small{color:#444}pre{white-space:pre-wrap;border:1px solid #ccc;padding:8px}\
        thead{display:table-header-group}tr{break-inside:avoid}@media print{body{margin:0;font-size:10px}}
        """
}

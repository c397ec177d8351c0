import APIModel
import ArgumentParser
import Foundation

/// `shiplift diff`
struct Difference: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Shows how one environment stands to another, image by image.",
        discussion: """
            Exit status 0 where nothing is ahead, behind or diverged; 4 otherwise.

            Examples:
              shiplift diff staging production
              shiplift diff staging production --image shop/api -o markdown
            """)
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, markdown }

    @Argument(help: "The first environment.")
    var from: String
    @Argument(help: "The second environment.")
    var to: String
    @Option var image: String?
    @Flag(help: "Show what is equal too.")
    var all = false
    @Option(name: .shortAndLong, help: "text, json or markdown.")
    var output = Format.text
    @OptionGroup var connection: ConnectionOptions

    func run() async throws {
        let client = try connection.client()
        var whole = DifferenceResource(from: from, to: to, items: [], next: nil)
        var cursor: String?
        repeat {
            let page: DifferenceResource = try await client.get(
                "/v1/diff", query: [("from", from), ("to", to), ("image", image), ("limit", "200"), ("cursor", cursor)])
            whole.items += page.items
            cursor = page.next
        } while cursor != nil
        let rows = DifferenceRows(whole, all: all)
        switch output {
        case .json: try Output.json(whole)
        case .text: Output.table(DifferenceRows.header(whole), rows.rows)
        case .markdown:
            Output.line(Markdown.row(DifferenceRows.header(whole)))
            Output.line(Markdown.rule(DifferenceRows.header(whole).count))
            for row in rows.rows { Output.line(Markdown.row(row)) }
        }
        if output != .json { Output.line((output == .markdown ? "\n" : "") + rows.summary) }
        if whole.items.contains(where: { $0.standing != "equal" }) { throw ExitStatus.failed }
    }
}

/// A difference as lines for people.
struct DifferenceRows {
    let rows: [[String]]
    let summary: String

    static func header(_ difference: DifferenceResource) -> [String] {
        ["IMAGE", "TAG", "STANDING", difference.from.uppercased(), difference.to.uppercased(), "COMMITS", "SIZE", "WOULD TRAVEL"]
    }

    init(_ difference: DifferenceResource, all: Bool) {
        var rows: [[String]] = []
        var counts: [String: Int] = [:]
        for item in difference.items {
            counts[item.standing, default: 0] += 1
            for tag in item.tags where all || tag.standing != "equal" && tag.standing != "kept" {
                rows.append([
                    item.image, tag.tag, item.presence == "both" ? tag.standing : item.presence == "only-from" ? "only here" : "only there",
                    Self.artifact(tag.from), Self.artifact(tag.to), Self.commits(tag), Self.size(tag),
                    tag.missingBlobs == 0 ? "nothing" : "\(tag.missingBlobs) blobs, \(Output.bytes(tag.missingBytes))",
                ])
            }
        }
        self.rows = rows
        summary = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    private static func artifact(_ artifact: DifferenceResource.Artifact?) -> String { artifact.map { Output.short($0.digest) } ?? "–" }

    /// `OLD..NEW` as git writes it, or a link where the source is on a known forge. Nothing is fetched.
    private static func commits(_ tag: DifferenceResource.TagItem) -> String {
        let (old, new) = (revision(tag.to), revision(tag.from))
        switch (old, new) {
        case (let old?, let new?) where old != new: return "\(old)..\(new)"
        case (nil, let new?): return new
        case (let old?, nil): return old
        default: return "–"
        }
    }

    private static func revision(_ artifact: DifferenceResource.Artifact?) -> String? { artifact?.revision.map { Output.plain($0, 12) } }

    private static func size(_ tag: DifferenceResource.TagItem) -> String {
        guard let new = tag.from?.size ?? tag.to?.size else { return "–" }
        guard let old = tag.to?.size, tag.from?.size != nil, old != new else { return Output.bytes(new) }
        return "\(Output.bytes(new)) (\(new > old ? "+" : "−")\(Output.bytes(abs(new - old))))"
    }
}

/// Markdown that whatever stands in a name or a label can't break out of.
enum Markdown {
    static func row(_ cells: [String]) -> String { "| " + cells.map(escaped).joined(separator: " | ") + " |" }

    static func rule(_ columns: Int) -> String { "|" + String(repeating: " --- |", count: columns) }

    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "&": result += "&amp;"
            case _ where scalar.properties.generalCategory == .control: result += " "
            case _ where "\\`*_{}[]()#+!|~@:".unicodeScalars.contains(scalar):
                // A digest's colon makes no link; one behind a scheme would.
                result += scalar == ":" ? (result.hasSuffix("http") || result.hasSuffix("https") ? "&#58;" : ":") : "\\" + String(Character(scalar))
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}

extension Output {
    /// At most so many characters of a text that others wrote, without what a terminal takes for an order.
    static func plain(_ text: String, _ limit: Int) -> String {
        let clean = String(text.unicodeScalars.map { $0.properties.generalCategory == .control || $0.properties.generalCategory == .format ? " " : Character($0) })
        return clean.count <= limit ? clean : clean.prefix(limit - 1) + "…"
    }
}

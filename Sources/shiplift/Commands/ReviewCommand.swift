import APIModel
import ArgumentParser
import Foundation
import HTTPTransport

/// `shiplift review`
struct ReviewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "review", abstract: "Shows what a promotion would change in its target environment.",
        discussion: """
            Compares a version with what is in the target environment now: commits, packages, vulnerabilities, configuration, labels, layers and \
            size; and says what policy says of it. Changes nothing.

            Examples:
              shiplift review 0192f0c1-2345-7abc-8def-0123456789ab
              shiplift review shop/api:1.4.2 --from staging --to production
              shiplift review shop/api:1.4.2 --from staging --to production -o markdown > comment.md
            """)
    @Argument(help: "A promotion's id, or IMAGE:TAG or IMAGE@DIGEST with --from and --to.")
    var subject: String
    @Option(help: "The environment that it would leave.")
    var from: String?
    @Option(help: "The environment that it would enter.")
    var to: String?
    @Option(name: .shortAndLong, help: "table, json, or markdown: ready as a comment on a pull request.")
    var output = Format.table
    @OptionGroup var connection: ConnectionOptions

    enum Format: String, ExpressibleByArgument, CaseIterable { case table, json, markdown }

    func run() async throws {
        let client = try connection.client()
        let (path, query) = try place()
        let data = try await client.send(.get, path, query: query, accept: output == .markdown ? "text/markdown" : "application/json")
        guard output != .markdown else { return FileHandle.standardOutput.write(data) }
        let review = try APIJSON.decoder().decode(ReviewResource.self, from: data)
        if output == .json { return try Output.json(review) }
        ReviewTable(review: review).show()
    }

    private func place() throws -> (String, [(String, String?)]) {
        if UUID(uuidString: subject) != nil {
            guard from == nil, to == nil else { throw ValidationError("a promotion has its environments: leave --from and --to out") }
            return ("/v1/promotions/\(subject)/review", [])
        }
        guard let named = ImageArgument(argument: subject), let from, let to else {
            throw ValidationError("name a promotion by its id, or IMAGE:TAG or IMAGE@DIGEST with --from and --to")
        }
        return ("/v1/review", [("image", named.image), ("from", from), ("to", to), ("tag", named.tag), ("digest", named.digest)])
    }
}

/// A review on a terminal.
private struct ReviewTable {
    /// Lines of each list.
    private static let most = 20
    let review: ReviewResource

    func show() {
        Output.line("image      \(review.image)\(review.tag.map { ":" + $0 } ?? "")  \(review.from) → \(review.to)")
        Output.line("version    \(review.digest)")
        if let baseline = review.baseline {
            Output.line("against    \(baseline.digest)\(baseline.tag.map { " (\($0))" } ?? ""): \(baseline.reason)")
        } else {
            Output.line("against    nothing: no version of this image is in \(review.to)")
        }
        for tag in review.there where tag.moves { Output.line("tag        \(tag.tag) in \(tag.registry) moves from \(Output.short(tag.digest))") }
        source()
        for change in review.base where change.before != change.after || review.baseline == nil { Output.line("base       \(change.name) \(arrow(change))") }
        if !review.platforms.added.isEmpty, review.baseline != nil { Output.line("platforms  new: \(review.platforms.added.joined(separator: ", "))") }
        if !review.platforms.removed.isEmpty { Output.line("platforms  gone: \(review.platforms.removed.joined(separator: ", "))") }
        let before = review.size.before.map { Output.bytes($0) + " → " } ?? ""
        let layers = review.layers
        Output.line(
            "size       \(before)\(Output.bytes(review.size.after)); layers: \(layers.new.layers) new (\(Output.bytes(layers.new.bytes))), \(layers.shared.layers) shared, "
                + "\(layers.removed.layers) gone")
        vulnerabilities()
        packages()
        for (name, changes) in [("config", review.configuration), ("labels", review.labels), ("notes", review.annotations)] { list(name, changes) }
        decision()
        for remark in review.remarks { Output.line("remark     \(remark)") }
    }

    private func source() {
        func text(_ source: ReviewResource.Source?) -> String? {
            source.flatMap { source in
                let parts = [source.version, source.revision].compactMap(\.self)
                return parts.isEmpty ? nil : parts.joined(separator: " ")
            }
        }
        let commits = [text(review.source.before), text(review.source.after)].compactMap(\.self).joined(separator: " → ")
        let repository = review.source.after?.repository ?? ""
        if !commits.isEmpty || !repository.isEmpty { Output.line("source     \(repository)\(repository.isEmpty || commits.isEmpty ? "" : "  ")\(commits)") }
        if let url = review.source.compareUrl { Output.line("           \(url)") }
    }

    private func vulnerabilities() {
        guard let found = review.vulnerabilities else { return }
        Output.line(
            found.compared
                ? "scan       \(found.counts.new) new, \(found.counts.fixed) fixed, \(found.counts.remaining) remain" : "scan       \(found.counts.new) found")
        for (sign, list) in [("+", found.new), ("-", found.fixed)] {
            rows(
                list.prefix(Self.most).map {
                    [
                        sign, $0.id, $0.severity ?? "unknown", $0.packages.prefix(3).joined(separator: ", "),
                        $0.fixedIn.isEmpty ? "" : "mended in \($0.fixedIn.prefix(2).joined(separator: ", "))",
                    ]
                })
            more(list.count)
        }
    }

    private func packages() {
        guard let found = review.packages else { return }
        guard found.compared else { return Output.line("packages   \(found.counts.total)") }
        Output.line("packages   \(found.counts.added) added, \(found.counts.removed) removed, \(found.counts.changed) changed, \(found.counts.unchanged) the same")
        for (sign, list) in [("~", found.changed), ("+", found.added), ("-", found.removed)] {
            rows(
                list.prefix(Self.most).map {
                    [sign, $0.name, $0.type, [$0.before, $0.after].filter { !$0.isEmpty }.map { $0.joined(separator: ", ") }.joined(separator: " → ")]
                })
            more(list.count)
        }
    }

    private func list(_ name: String, _ changes: [ReviewResource.Change]) {
        for (index, change) in changes.prefix(Self.most).enumerated() {
            let platforms = change.platforms.map { " (\($0.joined(separator: ", ")))" } ?? ""
            Output.line("\((index == 0 ? name : "").padding(toLength: 11, withPad: " ", startingAt: 0))\(change.name)\(platforms): \(arrow(change))")
        }
        more(changes.count)
    }

    private func decision() {
        guard let decision = review.decision else { return Output.line("policy     not asked yet") }
        Output.line("policy     \(decision.outcome)\(review.state.map { " (the promotion is \($0))" } ?? "")")
        for gate in decision.gates where gate.outcome != "allow" {
            Output.line("           \(gate.outcome == "wait" ? "…" : "✗") \(gate.warning ? "(warns) " : "")\(gate.gate): \(gate.reason)")
        }
    }

    /// Indented columns.
    private func rows(_ rows: [[String]]) {
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row, widths).map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }
            Output.line(("           " + cells.joined(separator: "  ")).replacing(#/\s+$/#, with: ""))
        }
    }

    private func more(_ count: Int) {
        if count > Self.most { Output.line("           and \(count - Self.most) more: -o json") }
    }

    private func arrow(_ change: ReviewResource.Change) -> String {
        switch (change.before, change.after) {
        case (nil, let after?): after
        case (let before?, nil): "\(before) → gone"
        default: "\(change.before ?? "") → \(change.after ?? "")"
        }
    }
}

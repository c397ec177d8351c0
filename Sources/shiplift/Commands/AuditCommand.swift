import APIModel
import ArgumentParser
import AuditLog
import Foundation
import HTTPTransport

/// `shiplift audit`
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Asks the audit log, and checks it.",
        discussion: """
            Examples:
              shiplift audit promoted sha256:4f5e…           who promoted this digest, and who approved it
              shiplift audit story sha256:4f5e…              everything about it, from its first test to production
              shiplift audit entered production --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
              shiplift audit overrides --since 2026-01-01T00:00:00Z
              shiplift audit --follow                        what happens, as it happens
              shiplift audit --format csv --since 2026-03-01T00:00:00Z > march.csv
              shiplift audit prove 4711 --file entry.tlog-proof
              shiplift audit verify
              shiplift audit verify --proof entry.tlog-proof --key checkpoint-key.pub
            """,
        subcommands: [
            List.self, Promoted.self, Story.self, Entered.self, Overrides.self, Report.self, Verify.self, Prove.self, Checkpoint.self, Sinks.self,
            Export.self,
        ], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists entries, the newest first.")
        @OptionGroup var filter: AuditFilterOptions
        @Flag(help: "The oldest first.")
        var oldest = false
        @Option(help: "ndjson or csv: all entries that match, written as they are read.")
        var format: StreamFormat?
        @Flag(help: "Go on with what happens, until interrupted.")
        var follow = false
        @Option var limit = 50
        @Option(help: "The last page's: it leads on, or back.")
        var cursor: String?
        @OptionGroup var service: ServiceOptions

        enum StreamFormat: String, ExpressibleByArgument, CaseIterable { case ndjson, csv }

        func validate() throws {
            guard !follow || (format == nil && cursor == nil && !oldest) else { throw ValidationError("--follow goes without --format, --cursor and --oldest") }
        }

        func run() async throws {
            let order = oldest ? "oldest" : "newest"
            if let format {
                return try await service.client().stream("/v1/audit", query: filter.query + [("order", order), ("format", format.rawValue)]) {
                    FileHandle.standardOutput.write($0)
                }
            }
            let data = try await service.client().send(
                .get, "/v1/audit", query: filter.query + [("order", order), ("limit", String(limit)), ("cursor", cursor)])
            let page = try APIJSON.decoder().decode(AuditItems.self, from: data)
            if follow { return try await goOn(after: page) }
            if service.isJSON { return Output.line(String(decoding: data, as: UTF8.self)) }
            AuditItem.table(page.items)
            if let next = page.next { Output.line("more: --cursor \(next)") }
        }

        /// Entries in the log's own order, each once it has its place: none is left out, none comes twice.
        private func goOn(after page: AuditItems) async throws {
            for item in page.items.reversed() where item.index != nil { try show(item) }
            let client = try service.client()
            var position = page.position ?? -1
            while !Task.isCancelled {
                let more: AuditItems = try await client.get("/v1/audit", query: filter.query + [("after", String(position)), ("limit", "500")])
                for item in more.items { try show(item) }
                guard let reached = more.position, reached > position else {
                    try await Task.sleep(for: .seconds(1))
                    continue
                }
                position = reached
            }
        }

        private func show(_ item: AuditItem) throws {
            if service.isJSON {
                let encoder = APIJSON.encoder()
                return Output.line(String(decoding: try encoder.encode(item), as: UTF8.self))
            }
            Output.line(item.row.joined(separator: "  "))
        }
    }

    struct Checkpoint: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "checkpoint",
            abstract: "Prints the newest signed checkpoint, to be kept elsewhere: it shows any later rewrite of what it covers.",
            discussion: "Example:\n  shiplift audit checkpoint >> kept-elsewhere.txt")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let note = String(decoding: try await service.client().send(.get, "/v1/audit/checkpoint"), as: UTF8.self)
            if service.isJSON { try Output.json(["checkpoint": note]) } else { Output.line(note.hasSuffix("\n") ? String(note.dropLast()) : note) }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "export", abstract: "Writes the whole log as NDJSON to standard output, for 'shiplift audit verify --export'.")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            try await service.client().stream("/v1/audit/export") { FileHandle.standardOutput.write($0) }
        }
    }
}

/// What a question to the log may say.
struct AuditFilterOptions: ParsableArguments {
    @Option var actor: String?
    @Option(help: "How the actor was authenticated: token, oidc, session, service or none.")
    var actorAuth: String?
    @Option(help: "For example promotion.succeeded; several with commas.")
    var action: String?
    @Option(help: "success, failure or denied.")
    var outcome: String?
    @Option var image: String?
    @Option var digest: String?
    @Option var environment: String?
    @Option var fromEnvironment: String?
    @Option var tag: String?
    @Option(help: "A promotion's id.")
    var promotion: String?
    @Option(help: "The request's id, as in the service's log.")
    var requestId: String?
    @Option var policyVersion: String?
    @Option(name: .customLong("text"), help: "A text anywhere in the entry.")
    var text: String?
    @Option(help: "RFC 3339.")
    var since: String?
    @Option(help: "RFC 3339.")
    var until: String?

    var query: [(String, String?)] {
        [
            ("actor", actor), ("actorAuth", actorAuth), ("action", action), ("outcome", outcome), ("image", image), ("digest", digest),
            ("environment", environment), ("fromEnvironment", fromEnvironment), ("tag", tag), ("promotion", promotion), ("requestId", requestId),
            ("policyVersion", policyVersion), ("q", text), ("since", since), ("until", until),
        ]
    }
}

/// A page of entries as the API answers it.
struct AuditItems: Codable {
    let items: [AuditItem]
    let next: String?
    let previous: String?
    let position: Int64?
}

/// An entry as the API answers it.
struct AuditItem: Codable {
    let index: Int64?
    let leafHash: String
    let entry: JSONValue

    func text(_ key: String) -> String {
        guard case .object(let members) = entry, case .string(let value) = members[key] else { return "" }
        return value
    }

    var time: String {
        guard case .object(let members) = entry, case .integer(let micros) = members["timeMicros"] else { return "" }
        return Output.time(Date(timeIntervalSince1970: Double(micros) / 1_000_000))
    }

    /// Where it went, as `test → staging`.
    var way: String { [text("fromEnvironment"), text("environment")].filter { !$0.isEmpty }.joined(separator: " → ") }

    var row: [String] {
        let what = [text("image"), text("digest").isEmpty ? "" : Output.short(text("digest")), way].filter { !$0.isEmpty }.joined(separator: " ")
        let reason = text("reason").split(separator: "\n").first.map { $0.count > 90 ? $0.prefix(90) + "…" : $0 } ?? ""
        return [index.map(String.init) ?? "…", time] + [text("actor"), text("action"), text("outcome"), what, String(reason)].map { Self.visible($0[...]) }
    }

    /// A text without characters that a terminal would obey: what stands in an entry may come from anybody.
    static func visible(_ text: Substring) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control || $0.properties.generalCategory == .format ? "\u{FFFD}" : $0 }))
    }

    static func table(_ items: [AuditItem]) {
        Output.table(["#", "TIME", "ACTOR", "ACTION", "OUTCOME", "WHAT", "REASON"], items.map(\.row))
        if items.contains(where: { $0.index == nil }) { Output.line("… has no number yet: entries get their place in the log within a second") }
    }
}

import HTTPTransport
import APIModel
import ArgumentParser
import AuditLog
import Foundation

/// `shiplift audit`
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Asks the audit log, and checks it.",
        discussion: """
            Examples:
              shiplift audit --digest sha256:4f5e…           who promoted this digest
              shiplift audit --environment production --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z
              shiplift audit verify
            """,
        subcommands: [List.self, Verify.self, Export.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists entries, the newest first.")
        @Option var actor: String?
        @Option(help: "For example promotion.succeeded.")
        var action: String?
        @Option(help: "success, failure or denied.")
        var outcome: String?
        @Option var image: String?
        @Option var digest: String?
        @Option var environment: String?
        @Option(help: "A promotion's id.")
        var promotion: String?
        @Option(help: "RFC 3339.")
        var since: String?
        @Option(help: "RFC 3339.")
        var until: String?
        @Option var limit = 50
        @Option var cursor: String?
        @OptionGroup var service: ServiceOptions

        private struct Item: Codable {
            let index: Int64?
            let leafHash: String
            let entry: JSONValue
        }

        func run() async throws {
            let data = try await service.client().send(
                .get, "/v1/audit",
                query: [
                    ("actor", actor), ("action", action), ("outcome", outcome), ("image", image), ("digest", digest), ("environment", environment),
                    ("promotion", promotion), ("since", since), ("until", until), ("limit", String(limit)), ("cursor", cursor),
                ])
            if service.isJSON { return Output.line(String(decoding: data, as: UTF8.self)) }
            let page = try APIJSON.decoder().decode(PageResource<Item>.self, from: data)
            Output.table(["#", "TIME", "ACTOR", "ACTION", "OUTCOME", "WHAT", "REASON"], page.items.map(Self.row))
            if page.items.contains(where: { $0.index == nil }) { Output.line("… has no number yet: entries get their place in the log within a second") }
            if let next = page.next { Output.line("more: --cursor \(next)") }
        }

        private static func row(_ item: Item) -> [String] {
            guard case .object(let entry) = item.entry else { return Array(repeating: "", count: 7) }
            func text(_ key: String) -> String {
                if case .string(let value) = entry[key] { value } else { "" }
            }
            var time = ""
            if case .integer(let micros) = entry["timeMicros"] { time = Output.time(Date(timeIntervalSince1970: Double(micros) / 1_000_000)) }
            let way = [text("fromEnvironment"), text("environment")].filter { !$0.isEmpty }.joined(separator: " → ")
            let what = [text("image"), text("digest").isEmpty ? "" : Output.short(text("digest")), way].filter { !$0.isEmpty }.joined(separator: " ")
            let reason = text("reason").split(separator: "\n").first.map { $0.count > 90 ? $0.prefix(90) + "…" : $0 } ?? ""
            return [item.index.map(String.init) ?? "…", time, text("actor"), text("action"), text("outcome"), what, String(reason)]
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Checks the whole log: every entry, its place, and every signed checkpoint.",
            discussion: "Exit status 0: intact. 4: something was changed; the first bad entry is named.")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let data = try await service.client().send(.get, "/v1/audit/verification", timeout: .seconds(3600))
            let result = try APIJSON.decoder().decode(AuditVerificationResource.self, from: data)
            if service.isJSON {
                try Output.json(result)
            } else if result.intact {
                Output.line("the audit log is intact: \(result.size ?? 0) entries, \(result.checkpoints ?? 0) signed checkpoints, root \(result.root ?? "")")
            } else {
                Output.line("THE AUDIT LOG WAS CHANGED: \(result.finding ?? "")")
            }
            if !result.intact { throw ExitStatus.failed }
        }
    }

    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "export", abstract: "Writes the whole log as NDJSON to standard output.")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            try await service.client().stream("/v1/audit/export") { FileHandle.standardOutput.write($0) }
        }
    }
}

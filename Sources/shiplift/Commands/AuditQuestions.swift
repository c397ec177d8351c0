import APIModel
import ArgumentParser
import AuditLog
import Foundation
import HTTPTransport

/// Questions that auditors ask, ready to be asked.
extension Audit {
    /// `shiplift audit promoted`
    struct Promoted: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "promoted", abstract: "Who asked for, approved, overrode and finished the promotions of a digest.")
        @Argument(help: "The digest.")
        var digest: String
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let actions = ["requested", "approved", "rejected", "overridden", "denied", "succeeded", "failed", "cancelled"].map { "promotion." + $0 }
            let items = try await AuditQuestion.all(try service.client(), [("digest", digest), ("action", actions.joined(separator: ",")), ("order", "oldest")])
            try AuditQuestion.show(items, service)
        }
    }

    /// `shiplift audit entered`
    struct Entered: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "entered", abstract: "What entered an environment.")
        @Argument(help: "The environment.")
        var environment: String
        @Option(help: "RFC 3339.")
        var since: String?
        @Option(help: "RFC 3339.")
        var until: String?
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let items = try await AuditQuestion.all(
                try service.client(),
                [("environment", environment), ("action", "promotion.succeeded"), ("since", since), ("until", until), ("order", "oldest")])
            try AuditQuestion.show(items, service)
        }
    }

    /// `shiplift audit overrides`
    struct Overrides: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "overrides", abstract: "Who overrode gates, when and why, by person.")
        @Option(help: "RFC 3339.")
        var since: String?
        @Option(help: "RFC 3339.")
        var until: String?
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let items = try await AuditQuestion.all(
                try service.client(), [("action", "promotion.overridden"), ("since", since), ("until", until), ("order", "oldest")])
            try AuditQuestion.show(items, service)
            guard !service.isJSON, !items.isEmpty else { return }
            let people = Dictionary(grouping: items) { $0.text("actor") }.mapValues(\.count).sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            Output.line()
            Output.table(["BY", "OVERRIDES"], people.map { [$0.key, String($0.value)] })
        }
    }

    /// `shiplift audit story`
    struct Story: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "story",
            abstract: "Everything about an artifact: tests, scans, requests, approvals, gates, arrival, and the proof of each entry.",
            discussion: """
                The entries in their order. With --proofs FOLDER each is written there with its proof, to be checked offline; with --key the
                proofs are checked here as well, so that nothing is shown that is not under a signed checkpoint.
                """)
        @Argument(help: "The digest.")
        var digest: String
        @Option(help: "A folder for the proofs; made where it is missing.")
        var proofs: String?
        @Option(help: "The log's public key, a file or the text itself: check each proof.")
        var key: [String] = []
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let client = try service.client()
            let items = try await AuditQuestion.all(client, [("digest", digest), ("order", "oldest")])
            let proven = try await prove(items, client)
            if service.isJSON { return try Output.json(items) }
            guard !items.isEmpty else { return Output.line("the audit log knows nothing of \(digest)") }
            for item in items {
                Output.line("\(item.index.map { "#\($0)" } ?? "…")  \(item.time)  \(item.text("action"))  \(item.way)")
                Output.line("    by \(item.text("actor"))\(item.text("outcome") == "success" ? "" : ", \(item.text("outcome"))")")
                if !item.text("reason").isEmpty { Output.line("    because: \(AuditItem.visible(item.text("reason").prefix(300)))") }
                for line in AuditQuestion.details(item) { Output.line("    \(line)") }
            }
            if let proven { Output.line("\(items.count == 1 ? "1 entry" : "\(items.count) entries"), \(proven)") }
        }

        /// What became of the proofs, in words; `nil` where none were asked for.
        private func prove(_ items: [AuditItem], _ client: APIClient) async throws -> String? {
            guard proofs != nil || !key.isEmpty else { return nil }
            let keys = try key.flatMap(AuditFiles.keys)
            if let proofs { try FileManager.default.createDirectory(atPath: proofs, withIntermediateDirectories: true) }
            for item in items {
                let data = try await client.send(.get, "/v1/audit/proof", query: [("entry", item.text("id")), ("format", "tlog-proof")])
                if !keys.isEmpty {
                    let (entry, _) = try AuditProof(parsing: String(decoding: data, as: UTF8.self)).verify(keys: keys)
                    // What was shown and what was proven are one text.
                    guard entry.leafHash.description == item.leafHash, entry.leafHash == (try item.leaf) else {
                        throw ClientError.unexpected("the proof of entry \(item.text("id")) is about another text")
                    }
                }
                guard let proofs else { continue }
                let name = "\(item.index.map(String.init) ?? item.text("id")).tlog-proof"
                try data.write(to: URL(fileURLWithPath: proofs).appendingPathComponent(name), options: .atomic)
            }
            return [keys.isEmpty ? nil : "each proven under a signed checkpoint", proofs.map { "proofs in \($0)" }].compactMap(\.self).joined(separator: ", ")
        }
    }
}

/// Asks a question to its end.
enum AuditQuestion {
    /// Most entries that a question gathers.
    private static let limit = 20_000

    static func all(_ client: APIClient, _ query: [(String, String?)]) async throws -> [AuditItem] {
        var items: [AuditItem] = []
        var cursor: String?
        repeat {
            let page: AuditItems = try await client.get("/v1/audit", query: query + [("limit", "1000"), ("cursor", cursor)])
            items += page.items
            guard items.count <= limit else { throw ClientError.unexpected("more than \(limit) entries: narrow it down, or use 'shiplift audit --format ndjson'") }
            cursor = page.next
        } while cursor != nil
        return items
    }

    static func show(_ items: [AuditItem], _ service: ServiceOptions) throws {
        if service.isJSON { return try Output.json(items) }
        AuditItem.table(items)
    }

    /// Gates, tests and scans of an entry, a line each.
    static func details(_ item: AuditItem) -> [String] {
        guard case .object(let members) = item.entry, case .object(let details) = members["details"] else { return [] }
        var lines: [String] = []
        for (name, value) in details.sorted(by: { $0.key < $1.key }) {
            if name == "gates", case .array(let gates) = value {
                lines += gates.map { gate in "gate \(text(gate, "gate")): \(text(gate, "outcome")) — \(text(gate, "reason"))" }
            } else {
                lines.append("\(name): \(plain(value))")
            }
        }
        return lines.map { AuditItem.visible($0.count > 200 ? $0.prefix(200) + "…" : $0[...]) }
    }

    private static func text(_ value: JSONValue, _ key: String) -> String {
        guard case .object(let members) = value, case .string(let text) = members[key] else { return "" }
        return text
    }

    private static func plain(_ value: JSONValue) -> String {
        switch value {
        case .null: "–"
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .string(let text): text
        case .array(let values): values.map(plain).joined(separator: ", ")
        case .object(let members): members.sorted { $0.key < $1.key }.map { "\($0.key) \(plain($0.value))" }.joined(separator: ", ")
        }
    }
}

extension AuditItem {
    /// The leaf of the entry as it was received.
    var leaf: MerkleHash {
        get throws { MerkleHash(leaf: try entry.canonicalText().utf8) }
    }
}

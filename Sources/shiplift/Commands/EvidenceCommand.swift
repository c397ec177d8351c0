import APIModel
import ArgumentParser
import Foundation
import HTTPTransport

/// `shiplift evidence`
struct EvidenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evidence", abstract: "Says something about an artifact that gates look at: test results, tickets.", subcommands: [Post.self, List.self])

    struct Post: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "post",
            abstract: "Posts evidence about a digest; promotions that wait for it go on by themselves.",
            discussion: """
                Examples:
                  shiplift evidence post sha256:4f5e… --kind integration-tests --result passed --link https://ci.example.com/runs/17
                  shiplift evidence post sha256:4f5e… --kind change-ticket --result approved --image shop/api --detail ticket=CHG-42
                """)
        @Argument(help: "The artifact, or the manifest of one of its platforms.")
        var digest: String
        @Option(help: "What it is, as policy calls it: integration-tests.")
        var kind: String
        @Option(help: "What came out.")
        var result = "passed"
        @Option(help: "The image that it is about; without it, the digest wherever it is.")
        var image: String?
        @Option(help: "Where people can read more.")
        var link: String?
        @Option(help: "NAME=VALUE, kept with it; may be given several times.")
        var detail: [String] = []
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            var details: [String: JSONNode] = [:]
            for text in detail {
                guard let equals = text.firstIndex(of: "="), equals > text.startIndex else { throw ValidationError("'\(text)' is not NAME=VALUE") }
                details[String(text[..<equals])] = .string(String(text[text.index(after: equals)...]))
            }
            let posted: PostedResource = try await service.client().post(
                "/v1/evidence",
                EvidenceBody(digest: digest, kind: kind, result: result, image: image, details: details.isEmpty ? nil : .object(details), url: link))
            try PostedOutput.show(posted, isJSON: service.isJSON)
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Shows what was posted about a digest, the newest first.")
        @Argument(help: "The artifact.")
        var digest: String
        @Option var limit = 50
        @Option var cursor: String?
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let page: PageResource<StatementResource> = try await service.client().get(
                "/v1/evidence", query: [("digest", digest), ("limit", String(limit)), ("cursor", cursor)])
            if service.isJSON { return try Output.json(page) }
            Output.table(
                ["RECORDED", "KIND", "RESULT", "IMAGE", "POSTED BY"],
                page.items.map { item in
                    [
                        Output.time(item.recordedAt), item.kind ?? "scan by \(item.scanner ?? "")", item.result ?? PostedOutput.findings(item.findings), item.image ?? "any",
                        item.postedByName ?? item.postedBy,
                    ]
                })
            if let next = page.next { Output.line("more: --cursor \(next)") }
        }
    }
}

/// `shiplift scan`
struct ScanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scan", abstract: "Looks at everything in an environment's registries; or hands scanners' reports to the service.",
        subcommands: [ScanEnvironment.self, Post.self], defaultSubcommand: ScanEnvironment.self)

    struct Post: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "post",
            abstract: "Posts a report: SARIF 2.1.0, Trivy's JSON, Grype's JSON, or cosign's predicate for scans.",
            discussion: """
                Post whole reports: exceptions belong into the policy, where everybody can read them.

                Examples:
                  trivy image --format json shop/api@sha256:4f5e… > report.json
                  shiplift scan post report.json --digest sha256:4f5e…
                """)
        @Argument(help: "The file; - is standard input.")
        var file: String
        @Option(help: "What was scanned: the artifact, or the manifest of one of its platforms.")
        var digest: String
        @Option(help: "What to call the scanner; the report's own name without it.")
        var scanner: String?
        @Option(help: "The image that it is about; without it, the digest wherever it is.")
        var image: String?
        @Option(help: "When the scan ended, where the report does not say: 2026-03-01T00:00:00Z.")
        var completedAt: String?
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let data: Data
            do {
                data =
                    file == "-" ? try FileHandle.standardInput.readToEnd() ?? Data() : try Data(contentsOf: URL(fileURLWithPath: file))
            } catch { throw ClientError.notConfigured("the report \(file) can't be read") }
            let answer = try await service.client().send(
                .post, "/v1/evidence/scans", query: [("digest", digest), ("scanner", scanner), ("image", image), ("completedAt", completedAt)], raw: data)
            try PostedOutput.show(try APIJSON.decoder().decode(PostedResource.self, from: answer), isJSON: service.isJSON)
        }
    }
}

/// What was posted and what it moves, for people.
enum PostedOutput {
    static func show(_ posted: PostedResource, isJSON: Bool) throws {
        if isJSON { return try Output.json(posted) }
        let statement = posted.statement
        let what = statement.kind.map { "\($0): \(statement.result ?? "")" } ?? "scan by \(statement.scanner ?? ""): \(findings(statement.findings))"
        Output.line("\(what)  \(Output.short(statement.digest))")
        for gate in posted.gates {
            Output.line("  \(gate.counts ? "counts for" : "does not count, as posted by you, for") \(gate.gate) of \(gate.policy)  (\(gate.source))")
        }
        if posted.gates.isEmpty { Output.line("  no gate of the policy in force looks at it") }
        for id in posted.promotions { Output.line("  looked at again: promotion \(id)") }
    }

    static func findings(_ findings: [String: Int]?) -> String {
        let order = ["critical", "high", "medium", "low", "negligible", "unknown"]
        let parts = order.compactMap { word in findings?[word].map { "\($0) \(word)" } }
        return parts.isEmpty ? "nothing found" : parts.joined(separator: ", ")
    }
}

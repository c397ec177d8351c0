import APIModel
import ArgumentParser
import AuditLog
import Foundation
import HTTPTransport

extension Audit {
    /// `shiplift audit prove`
    struct Prove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "prove",
            abstract: "Writes an entry with its proof to a file that anybody can check offline.",
            discussion: """
                The file (C2SP tlog-proof@v1) holds the entry, its path in the log's tree, and the signed checkpoint. It is checked with
                'shiplift audit verify --proof FILE --key KEY', without the service.
                """)
        @Argument(help: "The entry's id, or its number (the first column of 'shiplift audit').")
        var entry: String
        @Option(name: [.short, .long], help: "The file; standard output where it is not given.")
        var file: String?
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let format = service.isJSON ? "json" : "tlog-proof"
            let data = try await service.client().send(.get, "/v1/audit/proof", query: [("entry", entry), ("format", format)])
            guard let file else {
                FileHandle.standardOutput.write(data)
                return
            }
            try data.write(to: URL(fileURLWithPath: file), options: .atomic)
            Output.error("wrote \(file)")
        }
    }
}

extension Audit {
    /// `shiplift audit sinks`
    struct Sinks: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sinks", abstract: "Where checkpoints are published, how far each place has come, and what is wrong with it.")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let sinks: AuditSinksResource = try await service.client().get("/v1/audit/sinks")
            if service.isJSON { return try Output.json(sinks) }
            Output.table(
                ["PLACE", "ENTRIES", "LAST", "FAILURES", "WHY"],
                sinks.items.map { [$0.name, String($0.size), Output.time($0.publishedAt), String($0.failures), $0.lastError ?? ""] })
        }
    }
}

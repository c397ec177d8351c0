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

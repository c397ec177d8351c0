import APIModel
import ArgumentParser
import Foundation

/// `shiplift scan ENVIRONMENT`
struct ScanEnvironment: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "environment",
        abstract: "Has everything in an environment's registries looked at: tags that are new, moved or gone.",
        discussion: "Example:\n  shiplift scan production --wait")
    @Argument(help: "The environment; without it, the scans so far are listed.")
    var environment: String?
    @Option(help: "Scans that are listed.")
    var limit = 20
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        guard let environment else {
            let page: PageResource<InventoryScanResource> = try await client.get("/v1/scans", query: [("limit", String(limit))])
            if service.isJSON { return try Output.json(page) }
            return Self.table(page.items)
        }
        var scan: InventoryScanResource = try await client.post("/v1/scans", ScanRequestBody(environment: environment))
        let deadline = ContinuousClock.now + .seconds(waiting.timeout)
        while waiting.wait, !scan.isFinal, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(300))
            scan = try await client.get("/v1/scans/\(try PathSegment.id(scan.id))")
            if Output.isTerminal, !service.isJSON { Output.error("\r\(scan.state): \(scan.counts.repositories) repositories, \(scan.counts.tags) tags") }
        }
        if service.isJSON { try Output.json(scan) } else { Self.table([scan]) }
        for failure in scan.failures where !service.isJSON { Output.line("could not be looked at: \(Output.plain(failure, 500))") }
        if waiting.wait || scan.isFinal {
            let status: ExitStatus = scan.state == "succeeded" ? .done : scan.state == "failed" ? .failed : .pending
            if status != .done { throw status }
        }
    }

    private static func table(_ scans: [InventoryScanResource]) {
        Output.table(
            ["ID", "ENVIRONMENT", "STATE", "STARTED", "REPOSITORIES", "TAGS", "NEW", "MOVED", "GONE", "REQUESTS"],
            scans.map {
                [$0.id, $0.environment, $0.state, Output.time($0.startedAt)]
                    + [$0.counts.repositories, $0.counts.tags, $0.counts.new, $0.counts.moved, $0.counts.gone, $0.counts.requests].map(String.init)
            })
    }
}

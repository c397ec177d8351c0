import HTTPTransport
import APIModel
import ArgumentParser
import Foundation

/// `shiplift promote`
struct Promote: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote",
        abstract: "Promotes an image, or several, from one environment to another.",
        discussion: """
            Examples:
              shiplift promote shop/api:1.4.2 --from dev --to test --wait
              shiplift promote shop/api@sha256:4f5e… --from staging --to production --target-tag 1.4.2 --wait --timeout 600
              shiplift promote shop/api:1.4.2 --from staging --to production --dry-run -o json
              shiplift promote shop/api:1.4.2 shop/web:2.0.1 --from staging --to production --wait

            Exit status: 0 done, or asked for without --wait; 2 wrong usage; 3 denied by policy, or the token may not; 4 failed, cancelled, or \
            the service can't be reached; 5 still waiting, for people or for time, when --timeout was over.
            """)

    @Argument(help: "IMAGE:TAG or IMAGE@DIGEST; several go in one call, each for itself.")
    var images: [ImageArgument]
    @Option(help: "The environment it is in.")
    var from: String
    @Option(help: "The environment it shall be in.")
    var to: String
    @Option(help: "A tag at the target; may be given several times. Without it, policy names them.")
    var targetTag: [String] = []
    @Option(help: "Why; kept in the audit log.")
    var reason: String?
    @OptionGroup var waiting: WaitOptions
    @Flag(help: "Show decision and plan; do nothing.")
    var dryRun = false
    @Option(help: "Makes repeating this command safe, for example the pipeline's run id.")
    var idempotencyKey: String?
    @OptionGroup var summaries: SummaryOptions
    @OptionGroup var service: ServiceOptions

    func validate() throws {
        if images.isEmpty { throw ValidationError("name at least one image") }
        if dryRun, images.count > 1 { throw ValidationError("a dry run is about one image") }
    }

    func run() async throws {
        let client = try service.client()
        if dryRun { return try await show(client, body(images[0])) }
        do { try await ask(client) } catch let problem as ProblemResource {
            try summaries.jobSummary?.add(problem, asked: images.map(\.description).joined(separator: ", "), from: from, to: to)
            throw problem
        }
    }

    private func ask(_ client: APIClient) async throws {
        var fields: [(String, String)] = []
        if let idempotencyKey { fields.append(("Idempotency-Key", idempotencyKey)) }
        let follow = Follow(client: client, isJSON: service.isJSON, summary: summaries.jobSummary)
        if waiting.wait { fields.append(("Prefer", "wait=\(follow.patience(waiting.timeout))")) }
        guard images.count > 1 else {
            let promotion: PromotionResource = try await client.post("/v1/promotions", body(images[0]), fields: fields)
            return try await follow.end(of: promotion, wait: waiting.wait, timeout: waiting.timeout)
        }
        let batch: PromotionBatchResource = try await client.post("/v1/promotions/batch", PromotionBatchBody(items: images.map(body)), fields: fields)
        try await follow.end(of: batch, asked: images.map(\.description), wait: waiting.wait, timeout: waiting.timeout)
    }

    private func body(_ image: ImageArgument) -> PromotionRequestBody {
        PromotionRequestBody(
            image: image.image, from: from, to: to, tag: image.tag, digest: image.digest, targetTags: targetTag.isEmpty ? nil : targetTag, reason: reason,
            dryRun: dryRun ? true : nil)
    }

    private func show(_ client: APIClient, _ body: PromotionRequestBody) async throws {
        let result: DryRunResource = try await client.post("/v1/promotions", body)
        if service.isJSON {
            try Output.json(result)
        } else {
            Output.line("\(result.image)@\(result.digest)  \(result.from) → \(result.to): would be \(result.decision.outcome == "allow" ? "allowed" : "denied")")
            for gate in result.decision.gates { Output.line("  \(gate.outcome == "allow" ? "✓" : "✗") \(gate.gate): \(gate.reason)  (\(gate.source))") }
            for step in result.steps ?? [] {
                Output.line(
                    "  \(step.action.padding(toLength: 8, withPad: " ", startingAt: 0))\(step.registry)  \(Output.short(step.digest))  \(Output.bytes(step.size))\(step.detail.map { "  " + $0 } ?? "")"
                )
            }
        }
        if result.decision.outcome != "allow" { throw result.decision.outcome == "wait" ? ExitStatus.pending : ExitStatus.denied }
    }
}

/// Follows a promotion to its end and says what came of it.
struct Follow {
    let client: APIClient
    let isJSON: Bool
    /// Where what became of it is also written.
    var summary: JobSummary?

    /// Seconds that one request may wait: a terminal wants to see progress.
    func patience(_ left: Int) -> Int { max(0, min(left, Output.isTerminal && !isJSON ? 1 : 30)) }

    func settled(_ promotion: PromotionResource, wait: Bool, until deadline: ContinuousClock.Instant) async throws -> PromotionResource {
        var current = promotion
        while wait, !current.isFinal, ContinuousClock.now < deadline {
            if !isJSON { Output.progress(current) }
            let left = Int(ContinuousClock.now.duration(to: deadline).components.seconds)
            let data = try await client.send(.get, "/v1/promotions/\(current.id)", fields: [("Prefer", "wait=\(patience(left))")])
            current = try APIJSON.decoder().decode(PromotionResource.self, from: data)
        }
        if !isJSON { Output.endProgress() }
        return current
    }

    /// Follows each of a batch; the exit status is the worst of them.
    func end(of batch: PromotionBatchResource, asked: [String], wait: Bool, timeout: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(timeout)
        var items = batch.items
        var worst = ExitStatus.done
        for index in items.indices {
            if let promotion = items[index].promotion {
                let end = try await settled(promotion, wait: wait, until: deadline)
                items[index].promotion = end
                try summary?.add(end, link: client.link(to: end))
                if wait || end.isFinal { worst = max(worst, ExitStatus(state: end.state)) }
            } else {
                worst = max(worst, .failed)
            }
        }
        if isJSON {
            try Output.json(PromotionBatchResource(items: items))
        } else {
            Output.table(
                ["IMAGE", "STATE", "ID", "NOTE"],
                zip(asked, items).map { name, item in
                    let note = item.problem?.detail ?? item.promotion?.failure?.message ?? item.promotion?.decision.map { $0.outcome == "allow" ? "" : $0.summary }
                    return [name, item.promotion?.state ?? "refused", item.promotion?.id ?? "–", note ?? ""]
                })
        }
        if worst != .done { throw worst }
    }

    func end(of promotion: PromotionResource, wait: Bool, timeout: Int) async throws {
        let current = try await settled(promotion, wait: wait, until: .now + .seconds(timeout))
        let link = try client.link(to: current)
        if isJSON {
            try Output.json(current)
            // For the job's log; what is printed stays JSON.
            Output.error(link)
        } else {
            Output.promotion(current)
            Output.line("link       \(link)")
        }
        try summary?.add(current, link: link)
        guard wait || current.isFinal else { return }
        let status = ExitStatus(state: current.state)
        if status != .done { throw status }
    }
}

/// `shiplift status`
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Shows a promotion: its state, the decision with its reasons, what was moved.",
        discussion: "Example:\n  shiplift status 0192f0c1-2345-7abc-8def-0123456789ab --wait")

    @Argument(help: "The promotion's id.")
    var id: String
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var summaries: SummaryOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        let promotion: PromotionResource = try await client.get("/v1/promotions/\(try PathSegment.id(id))")
        try await Follow(client: client, isJSON: service.isJSON, summary: summaries.jobSummary).end(of: promotion, wait: waiting.wait, timeout: waiting.timeout)
    }
}

/// `shiplift promotions`
struct ListPromotions: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promotions",
        abstract: "Lists promotions, the newest first.", discussion: "Example:\n  shiplift promotions --to production --state failed,denied")

    @Option var image: String?
    @Option var from: String?
    @Option var to: String?
    @Option(help: "One state, or several with commas.")
    var state: String?
    @Option var limit = 20
    @Option(help: "Where to go on: the last page's 'next'.")
    var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let page: PageResource<PromotionResource> = try await service.client().get(
            "/v1/promotions",
            query: [("image", image), ("from", from), ("to", to), ("state", state), ("limit", String(limit)), ("cursor", cursor)])
        if service.isJSON { return try Output.json(page) }
        Output.table(
            ["ID", "CREATED", "IMAGE", "FROM", "TO", "STATE", "DIGEST"],
            page.items.map {
                [$0.id, Output.time($0.createdAt), $0.image + ($0.tag.map { ":" + $0 } ?? ""), $0.from, $0.to, $0.state, Output.short($0.digest)]
            })
        if let next = page.next { Output.line("more: --cursor \(next)") }
    }
}

/// `shiplift cancel`
struct Cancel: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "cancel", abstract: "Cancels a promotion that has not begun to move tags.")
    @Argument(help: "The promotion's id.")
    var id: String
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let promotion: PromotionResource = try await service.client().post("/v1/promotions/\(try PathSegment.id(id))/cancel", [String: String]())
        if service.isJSON { try Output.json(promotion) } else { Output.promotion(promotion) }
    }
}

/// `shiplift retry`
struct Retry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "retry", abstract: "Asks again for a promotion that failed, was denied or cancelled.")
    @Argument(help: "The promotion's id.")
    var id: String
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        let promotion: PromotionResource = try await client.post("/v1/promotions/\(try PathSegment.id(id))/retry", [String: String]())
        try await Follow(client: client, isJSON: service.isJSON).end(of: promotion, wait: waiting.wait, timeout: waiting.timeout)
    }
}

/// A caller's text as one segment of a path.
enum PathSegment {
    static func id(_ text: String) throws -> String {
        guard let uuid = UUID(uuidString: text) else { throw ClientError.notConfigured("'\(text)' is no id: ids are UUIDs") }
        return uuid.uuidString.lowercased()
    }
}

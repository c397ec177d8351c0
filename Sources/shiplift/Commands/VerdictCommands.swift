import APIModel
import ArgumentParser
import Foundation

/// `shiplift approve`
struct Approve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Approves a promotion that waits for it; it goes on by itself when nothing else is missing.",
        discussion: """
            Who may, and how many are needed, is for the policy to say: 'shiplift status ID' shows it. A later verdict of the same person takes the \
            earlier one's place.

            Example:
              shiplift approve 0192f0c1-2345-7abc-8def-0123456789ab --comment "read the changes"
            """)
    @Argument(help: "The promotion's id.")
    var id: String
    @Option(help: "Why; kept in the audit log.")
    var comment: String?
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        try await Judgement(id: id, verb: "approve", said: "approved", body: VerdictBody(comment: comment), waiting: waiting).give(service)
    }
}

/// `shiplift reject`
struct Reject: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reject",
        abstract: "Rejects a promotion that waits for approval: it is denied.",
        discussion: "Example:\n  shiplift reject 0192f0c1-2345-7abc-8def-0123456789ab --comment \"not before the migration\"")
    @Argument(help: "The promotion's id.")
    var id: String
    @Option(help: "Why; kept in the audit log and shown to the requester.")
    var comment: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        try await Judgement(id: id, verb: "reject", said: "rejected", body: VerdictBody(comment: comment), waiting: nil).give(service)
    }
}

/// `shiplift override`
struct OverrideCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "override", abstract: "Opens the gates of a promotion that policy lets you open by order, whatever they say.",
        discussion: """
            For emergencies: only those whom a policy names may, only the gates that it lists are opened, and the log says so loudly.

            Example:
              shiplift override 0192f0c1-2345-7abc-8def-0123456789ab --reason "INC-4711: payments are down" --wait
            """)
    @Argument(help: "The promotion's id.")
    var id: String
    @Option(help: "Why; kept in the audit log.")
    var reason: String
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        try await Judgement(id: id, verb: "override", said: "overridden", body: VerdictBody(reason: reason), waiting: waiting).give(service)
    }
}

/// `shiplift verdicts`
struct ListVerdicts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verdicts", abstract: "Lists what people said to a promotion, the oldest first.",
        discussion: "Example:\n  shiplift verdicts 0192f0c1-2345-7abc-8def-0123456789ab")
    @Argument(help: "The promotion's id.")
    var id: String
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let page: PageResource<VerdictResource> = try await service.client().get("/v1/promotions/\(try PathSegment.id(id))/verdicts")
        if service.isJSON { return try Output.json(page) }
        Output.table(
            ["TIME", "VERDICT", "BY", "POLICY", "COMMENT"],
            page.items.map { [Output.time($0.at), $0.verdict, $0.name ?? $0.by, Output.short($0.policyVersion), $0.comment ?? ""] })
    }
}

/// Gives a verdict and follows the promotion where that is wanted.
private struct Judgement {
    let id: String
    let verb: String
    let said: String
    let body: VerdictBody
    /// `nil` where nothing is waited for.
    let waiting: WaitOptions?

    func give(_ service: ServiceOptions) async throws {
        let client = try service.client()
        let promotion: PromotionResource = try await client.post("/v1/promotions/\(try PathSegment.id(id))/\(verb)", body)
        if let waiting, waiting.wait {
            return try await Follow(client: client, isJSON: service.isJSON).end(of: promotion, wait: true, timeout: waiting.timeout)
        }
        if service.isJSON { return try Output.json(promotion) }
        Output.line("\(said): \(promotion.image)\(promotion.tag.map { ":" + $0 } ?? "") to \(promotion.to)")
        Output.line("it is looked at again now; see: shiplift status \(promotion.id)")
    }
}

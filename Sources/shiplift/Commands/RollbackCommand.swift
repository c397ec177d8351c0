import APIModel
import ArgumentParser
import Foundation

/// `shiplift rollback`
struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback",
        abstract: "Brings an image, or a whole environment, back to a state that it had.",
        discussion: """
            Each artifact goes back by a promotion of its own, which policy decides about. Only tags move where the artifact is still there;
            else it is brought back from an environment that has it. Tags that did not exist then stay where they are.

            Examples:
              shiplift rollback production shop/api --to previous --reason "checkout fails" --wait
              shiplift rollback production --to "2026-11-17 10:42" --reason "the release" --dry-run
              shiplift rollback production shop/api --to sha256:4f5e…
            """)
    @Argument(help: "The environment.")
    var environment: String
    @Argument(help: "The image; without it, everything in the environment.")
    var image: String?
    @Option(help: "previous, a digest, or a time: \(LocalTime.forms).")
    var to: String
    @Option(name: .customLong("tag"), help: "Only this tag; may be repeated.")
    var tags: [String] = []
    @Option var reason: String?
    @Flag(help: "Show what would be done and what policy says; do nothing.")
    var dryRun = false
    @Option(help: "Makes a repeated call safe.")
    var idempotencyKey: String?
    @OptionGroup var waiting: WaitOptions
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        let goal = to == "previous" || to.hasPrefix("sha256:") || to.hasPrefix("sha512:") ? to : try LocalTime.parse(to)
        var answer: RollbackResource = try await client.post(
            "/v1/rollbacks",
            RollbackRequestBody(environment: environment, image: image, to: goal, tags: tags.isEmpty ? nil : tags, reason: reason, dryRun: dryRun ? true : nil),
            fields: idempotencyKey.map { [("Idempotency-Key", $0)] } ?? [])
        let deadline = ContinuousClock.now + .seconds(waiting.timeout)
        let follow = Follow(client: client, isJSON: service.isJSON)
        var worst = ExitStatus.done
        for index in answer.items.indices {
            if let promotion = answer.items[index].promotion {
                let end = try await follow.settled(promotion, wait: waiting.wait, until: deadline)
                answer.items[index].promotion = end
                if waiting.wait || end.isFinal { worst = max(worst, ExitStatus(state: end.state)) }
            } else if let decision = answer.items[index].decision {
                worst = max(worst, decision.outcome == "allow" ? .done : decision.outcome == "wait" ? .pending : .denied)
            } else {
                worst = max(worst, .failed)
            }
        }
        try show(answer)
        if worst != .done { throw worst }
    }

    private func show(_ answer: RollbackResource) throws {
        if service.isJSON { return try Output.json(answer) }
        if answer.items.isEmpty { return Output.line("nothing to do: \(answer.unchanged) tags already are as they were") }
        Output.table(
            ["IMAGE", "TAGS", "DIGEST", "FROM", "STATE", "ID", "NOTE"],
            answer.items.map { item in
                let note = item.problem?.detail ?? item.promotion?.failure?.message ?? item.decision?.summary ?? item.promotion?.decision?.summary ?? ""
                return [
                    item.image, item.tags.joined(separator: ", "), Output.short(item.digest), item.source ?? "nowhere",
                    item.promotion?.state ?? item.decision?.outcome ?? "refused", item.promotion?.id ?? "–", note,
                ]
            })
        if answer.unchanged > 0 { Output.line("\(answer.unchanged) tags already are as they were") }
    }
}

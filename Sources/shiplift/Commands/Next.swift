import APIModel
import ArgumentParser
import Foundation

/// `shiplift next`
struct Next: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "next",
        abstract: "Shows what can go to an environment now, and what is missing for the rest.",
        discussion: """
            Asks the same policy as a promotion would, and does nothing. Exit status 0: something can go. 5: something waits, nothing can go. \
            3: nothing can.

            Examples:
              shiplift next shop/api --to production
              shiplift next shop/api:1.4.2 --to production
              shiplift next --to production
            """)
    @Argument(help: "IMAGE, IMAGE:TAG or IMAGE@DIGEST; without it, all images that were seen, the first fifty.")
    var image: String?
    @Option(help: "The environment that it would enter.")
    var to: String
    @Option(help: "The environment that it would leave; without it, the one before.")
    var from: String?
    @Option(help: "Artifacts of each image, 1 to 50.")
    var limit = 20
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let client = try service.client()
        var found: [EligibilityResource] = []
        if let image {
            found.append(try await ask(client, image))
        } else {
            let images: PageResource<ImageResource> = try await client.get("/v1/images", query: [("limit", "50")])
            for item in images.items {
                do { found.append(try await ask(client, item.image)) } catch let problem as ProblemResource where problem.status == 409 {
                    // No policy lets this image in.
                    continue
                }
            }
        }
        if service.isJSON { try Output.json(PageResource(items: found, next: nil)) } else { found.forEach(show) }
        let states = Set(found.flatMap(\.items).map(\.state))
        if !states.isDisjoint(with: ["eligible", "present"]) || states.isEmpty { return }
        throw states.contains("waiting") ? ExitStatus.pending : ExitStatus.denied
    }

    private func ask(_ client: APIClient, _ text: String) async throws -> EligibilityResource {
        let named = ImageArgument(argument: text)
        return try await client.get(
            "/v1/eligibility",
            query: [
                ("image", named?.image ?? text), ("tag", named?.tag), ("digest", named?.digest), ("to", to), ("from", from), ("limit", String(limit)),
                ("cursor", cursor),
            ])
    }

    private func show(_ answer: EligibilityResource) {
        Output.line("\(answer.image): \(answer.from) → \(answer.to)")
        for item in answer.items {
            let sign = ["eligible": "✓", "present": "=", "waiting": "…"][item.state] ?? "✗"
            let until = item.decision?.retryAt.map { ", until \(Output.time($0)) at least" } ?? ""
            let note = ["present": "already there", "eligible": "can go", "waiting": "waits\(until)", "unknown": item.failure?.message ?? ""][item.state] ?? "can't go"
            Output.line("  \(sign) \(item.tag ?? "") \(Output.short(item.digest)): \(note)")
            for gate in item.decision?.gates ?? [] where gate.outcome != "allow" {
                Output.line("      \(gate.warning ? "(warns) " : "")\(gate.gate): \(gate.reason)\(gate.source.isEmpty ? "" : "  (\(gate.source))")")
            }
        }
        if answer.items.isEmpty { Output.line("  nothing is in \(answer.from)") }
        if let next = answer.next { Output.line("  more: --cursor \(next)") }
    }
}

import APIModel
import ArgumentParser
import Foundation
import OCI
import PolicyEngine

/// `shiplift policy replay`
struct PolicyReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Decides again, by a changed folder of policies, what the service has decided, and lists what would come out otherwise.",
        discussion: """
            Each decision is made on the facts and at the time at which it was made. Approvals count as if they had been given under the changed \
            policies; facts that the former policies did not look at were not recorded, and a gate that needs them does not open. Exit status 0: \
            everything would be as it was. 4: something would not. 2: mistakes in the files.

            Example:
              shiplift policy replay Policies --since 90d
            """)
    @Argument(help: "The folder.")
    var folder: String
    @Option(help: "How far back: 24h, 90d, or a time such as 2026-03-01T00:00:00Z.")
    var since = "90d"
    @OptionGroup var service: ServiceOptions

    struct Difference: Codable, Sendable {
        let promotion: String
        let image: String
        let from: String
        let to: String
        let digest: String
        let at: Date
        let before: String
        let after: String
        let tagsBefore: [String]
        let tagsAfter: [String]
        let gates: [GateResource]
    }

    struct Result: Codable, Sendable {
        let decisions: Int
        let differences: [Difference]
    }

    func run() async throws {
        let policies = try PolicyFolder.load(folder)
        let client = try service.client()
        let start = try Self.start(since)
        var count = 0
        var differences: [Difference] = []
        var cursor: String?
        repeat {
            let page: PageResource<RecordedDecisionResource> = try await client.get(
                "/v1/decisions", query: [("since", APIText.time(start)), ("limit", "200"), ("cursor", cursor)])
            count += page.items.count
            differences += policies.replay(try page.items.map(Self.recorded)).map(Self.difference)
            cursor = page.next
        } while cursor != nil
        if service.isJSON { try Output.json(Result(decisions: count, differences: differences)) } else { show(differences, of: count) }
        if !differences.isEmpty { throw ExitStatus.failed }
    }

    private func show(_ differences: [Difference], of count: Int) {
        if !differences.isEmpty {
            Output.table(
                ["AT", "PROMOTION", "IMAGE", "STEP", "BEFORE", "AFTER", "BECAUSE"],
                differences.map { difference in
                    let reasons = difference.gates.filter { $0.outcome == difference.after }.map { "\($0.gate): \($0.reason)" }
                    let tags = difference.tagsBefore == difference.tagsAfter ? [] : ["tags \(difference.tagsAfter.joined(separator: ", "))"]
                    return [
                        Output.time(difference.at), difference.promotion, difference.image, "\(difference.from) → \(difference.to)", difference.before,
                        difference.after, (reasons + tags).joined(separator: "; "),
                    ]
                })
        }
        Output.line("\(count) decisions, \(differences.count) would differ")
    }

    static func start(_ text: String) throws -> Date {
        if let date = APIJSON.date(text) { return date }
        let units: [Character: Double] = ["m": 60, "h": 3_600, "d": 86_400, "w": 604_800]
        guard let unit = text.last.flatMap({ units[$0] }), let number = Double(text.dropLast()), number > 0, number * unit <= 3_650 * 86_400 else {
            throw ValidationError("'\(text)' is no length of time such as 90d, and no time such as 2026-03-01T00:00:00Z")
        }
        return Date().addingTimeInterval(-number * unit)
    }

    /// The stored form: times are seconds since 1970, so that nothing is lost.
    private static func recorded(_ item: RecordedDecisionResource) throws -> RecordedDecision {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .secondsSince1970
        let encoder = JSONEncoder()
        return RecordedDecision(
            id: item.promotion, facts: try decoder.decode(PromotionFacts.self, from: try encoder.encode(item.facts)),
            at: Date(timeIntervalSince1970: item.at), decision: try decoder.decode(Decision.self, from: try encoder.encode(item.decision)))
    }

    private static func difference(_ found: ReplayDifference) -> Difference {
        let facts = found.recorded.facts
        return Difference(
            promotion: found.recorded.id, image: facts.image.description, from: facts.from.description, to: facts.to.description,
            digest: facts.digest.description, at: found.recorded.at, before: found.recorded.decision.outcome.rawValue, after: found.replayed.outcome.rawValue,
            tagsBefore: found.recorded.decision.targetTags.map(\.description), tagsAfter: found.replayed.targetTags.map(\.description),
            gates: found.gates.map {
                GateResource(gate: $0.gate, policy: $0.policy, outcome: $0.outcome.rawValue, reason: $0.reason, source: $0.source, warning: $0.isWarning)
            })
    }
}

/// Times as queries carry them.
enum APIText {
    static func time(_ date: Date) -> String { date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
}

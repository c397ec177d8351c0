import Foundation
import Testing

@testable import PolicyEngine

@Suite("Gate: check") struct CheckGateTests {
    private static let environments =
        Samples.environments + "\nchecks:\n  ticket: { url: \"https://checks.example.test/shiplift\", secret: { fromEnv: TICKET_SECRET } }\n"

    private static func set(_ gate: String) throws -> PolicySet {
        try Samples.set(Samples.policy("p", "gates: [{ \(gate) }]"), environments: environments)
    }

    private func result(_ facts: [CheckFact]?) throws -> GateResult { try result("check: { endpoint: ticket }", facts) }

    private func result(_ gate: String, _ facts: [CheckFact]?) throws -> GateResult {
        var given = try Samples.facts()
        given.checks = facts
        return try #require(Self.set(gate).evaluate(given, at: Samples.now).gates.last)
    }

    private func fact(_ outcome: CheckFact.Outcome, _ reason: String = "", endpoint: String = "ticket", retryAt: Date? = nil) -> CheckFact {
        CheckFact(endpoint: endpoint, digest: Samples.digest, outcome: outcome, reason: reason, askedAt: Samples.now, retryAt: retryAt)
    }

    @Test func theAnswerDecides() throws {
        let allowed = try result([fact(.allow, "CHG-7 is approved")])
        #expect(allowed.gate == "check ticket" && allowed.outcome == .allow && allowed.reason == "ticket says yes: CHG-7 is approved")
        let denied = try result([fact(.deny, "no ticket")])
        #expect(denied.outcome == .deny && denied.reason == "ticket says no: no ticket")
        let later = Samples.now.addingTimeInterval(60)
        let waits = try result([fact(.wait, "", retryAt: later)])
        #expect(waits.outcome == .wait && waits.retryAt == later && waits.reason == "ticket says not yet")
    }

    @Test func whoWasNotAskedHasNotSaidYes() throws {
        for facts in [nil, [], [fact(.allow, endpoint: "other")]] as [[CheckFact]?] { #expect(try result(facts).outcome == .wait) }
        let other = CheckFact(endpoint: "ticket", digest: Samples.otherDigest, outcome: .allow, reason: "", askedAt: Samples.now)
        #expect(try result([other]).outcome == .wait, "an answer about another image")
    }

    @Test func aServiceThatCantBeAskedClosesTheGateUnlessThePolicySaysOtherwise() throws {
        let closed = try result([fact(.failed, "timed out")])
        #expect(closed.outcome == .deny && closed.reason.contains("could not be asked: timed out"))
        let open = try result("check: { endpoint: ticket, onFailure: allow }", [fact(.failed, "timed out")])
        #expect(open.outcome == .allow && open.reason.contains("could not be asked: timed out; the policy lets pass"))
        #expect(try result("check: { endpoint: ticket, onFailure: allow }", [fact(.deny)]).outcome == .deny)
        // 'not' turns no failure into a yes.
        #expect(try result("not: { check: { endpoint: ticket } }", [fact(.failed)]).outcome == .deny)
        #expect(try result("not: { check: { endpoint: ticket } }", [fact(.deny)]).outcome == .allow)
    }

    @Test func onlyChecksOfTheEnvironmentsFileAreAsked() throws {
        let wrong = Samples.mistakes([("environments.yaml", Self.environments), ("p.yaml", Samples.policy("p", "gates: [{ check: { endpoint: tickt } }]"))])
        #expect(wrong.map(\.problem) == ["check 'tickt' is not in environments.yaml"] && wrong[0].remedy == "did you mean 'ticket'?")
        let set = try Self.set("check: { endpoint: ticket }")
        let facts = try Samples.facts()
        #expect(set.needs(for: facts.image, from: facts.from, to: facts.to).checks == ["ticket"])
        #expect(set.checks["ticket"]?.timeout.seconds == 10 && set.checks["ticket"]?.secret == .environment("TICKET_SECRET"))
        #expect(set.remarks(at: Samples.now).allSatisfy { !$0.problem.contains("check") })
        let idle = try Samples.set(Samples.policy(), environments: Self.environments)
        #expect(idle.remarks(at: Samples.now).contains { $0.problem == "check 'ticket' is named by no policy" })
    }

    @Test(arguments: [
        "{ url: \"http://a/b\", secret: { fromEnv: S } }", "{ url: \"https://u:p@a/b\", secret: { fromEnv: S } }", "{ url: a, secret: { fromEnv: S } }",
        "{ url: \"https://a/b\" }", "{ url: \"https://a/b\", secret: hunter2 }", "{ url: \"https://a/b\", secret: { fromEnv: S, fromFile: f } }",
        "{ url: \"https://a/b\", secret: { fromEnv: S }, timeout: 2m }", "{ url: \"https://a/b#c\", secret: { fromEnv: S } }", "{ secret: { fromEnv: S } }",
    ]) func badChecksAreRefused(_ check: String) {
        #expect(!Samples.mistakes(environments: Samples.environments + "\nchecks: { c: \(check) }").isEmpty)
    }

    @Test func theAnswerIsKeptWithTheFacts() throws {
        var facts = try Samples.facts()
        facts.checks = [fact(.allow, "yes", retryAt: Samples.now)]
        #expect(try JSONDecoder().decode(PromotionFacts.self, from: JSONEncoder().encode(facts)) == facts)
    }
}

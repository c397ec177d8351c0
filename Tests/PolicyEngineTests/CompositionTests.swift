import Foundation
import OCI
import Testing

@testable import PolicyEngine

@Suite("Gates together")
struct CompositionTests {
    // Known and open, known and closed, known and waiting, not known.
    private static let open = "{ labels: { require: { a: x } } }"
    private static let closed = "{ labels: { require: { a: y } } }"
    private static let waiting = "{ soak: { for: 24h } }"
    private static let unknown = "{ vulnerabilities: { below: high } }"
    private static let unknownDenying = "{ vulnerabilities: { below: high, missing: deny } }"
    private static let given = "labels: { a: x }, presence: { staging: 1h ago }"

    private static let examples: [(String, GateOutcome)] = [
        ("allOf: [\(open), \(open)]", .allow), ("allOf: [\(open), \(closed)]", .deny), ("allOf: [\(open), \(waiting)]", .wait),
        ("allOf: [\(closed), \(waiting)]", .deny),
        ("allOf: [\(open), \(unknown)]", .wait), ("allOf: [\(unknown), \(closed)]", .deny), ("anyOf: [\(closed), \(open)]", .allow),
        ("anyOf: [\(waiting), \(open)]", .allow),
        ("anyOf: [\(closed), \(closed)]", .deny), ("anyOf: [\(closed), \(waiting)]", .wait), ("anyOf: [\(closed), \(unknown)]", .wait),
        ("anyOf: [\(unknownDenying), \(closed)]", .deny),
        ("not: \(open)", .deny), ("not: \(closed)", .allow), ("not: \(waiting)", .allow),
        // What is not known stays closed on both sides.
        ("not: \(unknown)", .wait), ("not: \(unknownDenying)", .deny), ("not: { not: \(unknown) }", .wait), ("not: { not: \(open) }", .allow),
        ("not: { not: \(closed) }", .deny),
        ("not: { allOf: [\(open), \(unknown)] }", .wait), ("not: { allOf: [\(closed), \(unknown)] }", .allow),
        ("not: { anyOf: [\(closed), \(unknown)] }", .wait),
        ("not: { anyOf: [\(open), \(unknown)] }", .deny), ("not: { anyOf: [\(closed), \(waiting)] }", .allow),
        ("not: { allOf: [\(unknownDenying), \(open)] }", .deny),
        ("allOf: [{ anyOf: [\(closed), \(open)] }, { not: \(closed) }]", .allow),
    ]

    @Test(arguments: examples)
    func decide(_ gate: String, _ outcome: GateOutcome) throws { #expect(try GateExample(gate, Self.given, outcome, "").judge().outcome == outcome) }

    private static let reasons = [
        GateExample("allOf: [\(open), \(closed), { size: { max: 1B } }]", given, .deny, "linux/amd64 has 'x', which does not match 'y'"),
        GateExample(
            "anyOf: [\(closed), \(waiting)]", given, .wait,
            "none of these: (linux/amd64 has 'x', which does not match 'y') (in staging for 1h of 24h, until 2026-11-26T12:00:00Z)",
            retryAt: "2026-11-26T12:00:00Z"),
        // All must open: the last one says when. One is enough: the first one does.
        GateExample(
            "allOf: [{ soak: { for: 24h } }, { soak: { for: 48h } }]", given, .wait,
            "in staging for 1h of 24h, until 2026-11-26T12:00:00Z; in staging for 1h of 48h, until 2026-11-27T12:00:00Z",
            retryAt: "2026-11-27T12:00:00Z"),
        GateExample(
            "anyOf: [{ soak: { for: 48h } }, { soak: { for: 24h } }]", given, .wait,
            "none of these: (in staging for 1h of 48h, until 2026-11-27T12:00:00Z) (in staging for 1h of 24h, until 2026-11-26T12:00:00Z)",
            retryAt: "2026-11-26T12:00:00Z"),
        GateExample("not: \(open)", given, .deny, "must not be: 'x' matches 'x'"),
        GateExample("not: \(closed)", given, .allow, "as it must be, not open: linux/amd64 has 'x', which does not match 'y'"),
        // Nobody posted it, and somebody looked: that is known.
        GateExample(
            "not: { evidence: { kind: recall } }", "evidence: []", .allow,
            "as it must be, not open: no recall is known for sha256:03473f89a784…; post recall with the result 'passed'"),
        GateExample(
            "not: { evidence: { kind: recall } }", "", .wait, "no recall is known for sha256:03473f89a784…; post recall with the result 'passed'"),
    ]

    @Test(arguments: reasons)
    func sayWhy(_ example: GateExample) throws { try example.check() }

    @Test func carryTheirNameAndTheEvidenceOfAll() throws {
        let set = try Samples.set(
            Samples.policy("p", "gates: [{ name: trusted, allOf: [{ signatures: { by: [build] } }, { sbom: {} }] }, { anyOf: [{ sbom: {} }] }]"))
        var facts = try Samples.facts()
        facts.signatures = [SignatureFact(signer: "build", identity: "k", digest: facts.digest, evidence: Samples.otherDigest)]
        facts.sboms = [SBOMFact(format: .spdx, digest: facts.digest, evidence: Samples.digest)]
        let gates = set.evaluate(facts, at: Samples.now).gates.suffix(2)
        #expect(gates.map(\.gate) == ["trusted", "anyOf"] && gates.map(\.source) == ["p0.yaml:5", "p0.yaml:5"])
        #expect(gates.map(\.evidence) == [[Samples.otherDigest, Samples.digest], [Samples.digest]])
    }
}

@Suite("Policies together")
struct PolicyCompositionTests {
    private let house = """
        version: 1
        kind: Policy
        name: house
        match: { images: ["**"], to: production }
        gates: [{ user: { root: forbidden } }]
        defaults: [{ soak: { for: 24h } }, { name: eyes, approvals: { count: 2, from: [managers] } }]
        """

    private func decide(_ policies: [String], user: String = "app", image: String = "shop/api", from: String = "staging") throws -> Decision {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: $0.element) }
        let set = try PolicySet(files: files + [PolicyFile(path: "environments.yaml", text: Samples.environments)], commit: nil)
        let facts = try Samples.facts(image: image, from: from)
        var known = PromotionFacts(
            image: facts.image, from: facts.from, to: facts.to, digest: facts.digest, tag: facts.tag, requestedTargetTags: [],
            requester: facts.requester,
            mediaType: facts.mediaType, artifactType: nil, platforms: [PlatformFacts(platform: facts.platforms[0].platform, labels: [:], user: user)],
            annotations: [:], sizeBytes: 1, created: nil, presentInSource: true, targetTags: [])
        let start = Samples.now.addingTimeInterval(-2 * 3_600)
        known.presence = [EnvironmentPresence(environment: facts.from, firstSeen: start, since: start)]
        known.approvals = []
        return set.evaluate(known, at: Samples.now)
    }

    @Test func aPolicyThatNamesOnlyOneEndOpensNoStepAndAddsItsGatesToThoseThatOthersOpen() throws {
        let alone = try decide([house])
        #expect(alone.outcome == .deny && alone.gates.map(\.gate) == ["path"])
        #expect(alone.gates[0].reason.hasSuffix("no policy names this image; policy house names only one end of the step, or none, and opens none"))
        let both = try decide([house, Samples.policy("shop")], user: "root")
        #expect(both.outcome == .deny && both.refusals("user").map(\.policy) == ["house"] && both.refusals("soak").map(\.policy) == ["house"])
        // The house's policy is about production alone.
        let elsewhere = try decide([house, Samples.policy("shop").replacing("to: production", with: "to: dev")])
        #expect(elsewhere.gates.map(\.gate) == ["path"])
    }

    @Test func aPolicyThatNamesNoStepIsAboutAll() throws {
        let everywhere = house.replacing(", to: production", with: "")
        #expect(try decide([everywhere]).outcome == .deny)
        #expect(try decide([everywhere, Samples.policy("shop")], user: "root").refusals("user").map(\.policy) == ["house"])
    }

    @Test func ofDefaultsThoseOfTheMostSpecificPolicyCount() throws {
        let shop = Samples.policy("shop", "defaults: [{ soak: { for: 1h } }]")
        let decision = try decide([house, shop])
        #expect(decision.gates.filter { $0.gate == "soak" }.map(\.policy) == ["shop"] && decision.refusals("soak").isEmpty)
        // The other default has no rival.
        #expect(decision.refusals("eyes").map(\.policy) == ["house"])
        let api = Samples.policy("api", images: "[shop/api]", "defaults: [{ soak: { for: 3h } }, { name: eyes, size: { max: 1GB } }]")
        for policies in [[house, shop, api], [api, shop, house]] {
            let decision = try decide(policies)
            #expect(decision.refusals("soak").map(\.policy) == ["api"] && decision.refusals("eyes").isEmpty)
        }
    }

    @Test func ofEquallySpecificPoliciesAllDefaultsCount() throws {
        let decision = try decide([
            Samples.policy("a", "defaults: [{ soak: { for: 1h } }]"), Samples.policy("b", "defaults: [{ soak: { for: 3h } }]"),
        ])
        #expect(decision.gates.filter { $0.gate == "soak" }.map(\.policy) == ["a", "b"] && decision.refusals("soak").map(\.policy) == ["b"])
    }

    @Test func gatesGiveWayToNothing() throws {
        let strict = house.replacing("gates: [", with: "gates: [{ soak: { for: 24h } }, ").replacing(
            "defaults: [{ soak: { for: 24h } }, ", with: "defaults: [")
        let decision = try decide([
            strict, Samples.policy("shop", images: "[shop/api]", "defaults: [{ soak: { for: 1h } }]\ngates: [{ soak: { for: 1h } }]"),
        ])
        #expect(decision.refusals("soak").map(\.policy) == ["house"])
    }

    @Test func aPolicyThatOnlyWarnsTakesNoDefaultAway() throws {
        let trial = Samples.policy("trial", images: "[shop/api]", "mode: warn\ndefaults: [{ soak: { for: 1h } }]")
        let decision = try decide([house, Samples.policy("shop"), trial])
        #expect(decision.refusals("soak").map(\.policy) == ["house"])
        #expect(decision.gates.filter { $0.gate == "soak" && $0.isWarning }.map(\.policy) == ["trial"])
    }

    @Test func ofTargetTagsThoseOfTheMostSpecificPolicyAreWritten() throws {
        let all = Samples.policy("all", images: "[\"**\"]", "tags: { target: [\"{tag}\", latest] }")
        let shop = Samples.policy("shop", "tags: { target: [\"{semver.major}\"] }")
        let twin = Samples.policy("twin", "tags: { target: [stable] }")
        #expect(try decide([all]).targetTags.map(\.description) == ["1.4.2", "latest"])
        #expect(try decide([all, shop]).targetTags.map(\.description) == ["1"])
        #expect(try decide([all, shop, twin]).targetTags.map(\.description) == ["1", "stable"])
        #expect(try decide([Samples.policy("plain", "tags: { semver: \"*\" }")]).targetTags.map(\.description) == ["1.4.2"])
    }

    @Test(arguments: [
        (["shop/api"], ["shop/*"]), (["shop/a*"], ["shop/*"]), (["shop/*"], ["**"]), (["**"], ["regex:.*"]), (["shop/api", "**"], ["shop/a*"]),
        (["shop/ap?"], ["shop/a*"]),
    ])
    func theMoreAPatternSaysTheMoreSpecificItIs(_ more: [String], _ less: [String]) throws {
        let image = try ImageName(parsing: "shop/api")
        let ranks = try [more, less].map { patterns in
            let set = try Samples.set(Samples.policy("p", images: "[\(patterns.map { "\"\($0)\"" }.joined(separator: ", "))]"))
            return set.policies[0].specificity(for: image)
        }
        #expect(ranks[0] > ranks[1])
    }
}

@Suite("Orders to open a gate")
struct OverrideTests {
    private let policy = Samples.policy(
        "p", "gates: [{ soak: { for: 24h } }, { user: { root: forbidden } }]\noverride: { by: [commanders], gates: [soak] }")

    private func decide(_ policies: [String], by: String = "user:carol", reason: String = "outage 4711") throws -> Decision {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: $0.element) }
        let set = try PolicySet(files: files + [PolicyFile(path: "environments.yaml", text: Samples.environments)], commit: nil)
        let facts = try Samples.facts()
        var ordered = PromotionFacts(
            image: facts.image, from: facts.from, to: facts.to, digest: facts.digest, tag: facts.tag, requestedTargetTags: [],
            requester: facts.requester,
            mediaType: facts.mediaType, artifactType: nil,
            platforms: [PlatformFacts(platform: facts.platforms[0].platform, labels: [:], user: "app")],
            annotations: [:], sizeBytes: 1, created: nil, presentInSource: true, targetTags: [])
        ordered.override = OverrideFact(by: Identity(id: by), reason: reason, at: Samples.now)
        return set.evaluate(ordered, at: Samples.now)
    }

    @Test func openTheGatesThatThePolicyNamesAndSayWhatTheyWouldHaveSaid() throws {
        let decision = try decide([policy])
        #expect(decision.outcome == .allow)
        let gate = try #require(decision.gates.first { $0.gate == "soak" })
        #expect(gate.isOverridden)
        #expect(gate.reason.hasPrefix("overridden by user:carol: outage 4711; without it wait: it is not known since when"))
        #expect(decision.summary.contains("soak: overridden by user:carol"))
        #expect(decision.gates.filter(\.isOverridden).count == 1)
    }

    @Test func fromSomebodyElseOrWithoutAReasonOpenNothing() throws {
        #expect(try decide([policy], by: "user:alice").outcome == .wait)
        #expect(try decide([policy], reason: " \n").outcome == .wait)
        #expect(try decide([policy.replacing("override: { by: [commanders], gates: [soak] }", with: "")]).outcome == .wait)
    }

    @Test func openNoGateThatIsNotNamed() throws {
        let other = policy.replacing("gates: [soak] }", with: "gates: [user] }")
        #expect(try decide([other]).outcome == .wait)
        // Each policy says for itself.
        let second = Samples.policy("q", "gates: [{ soak: { for: 1h } }]")
        let decision = try decide([policy, second])
        #expect(decision.outcome == .wait && decision.refusals("soak").map(\.policy) == ["q"])
    }

    @Test func neverOpenWhatNoPolicyCan() throws {
        let facts = try Samples.facts(tag: "v1", isPresent: false, targetTags: ["v1": Samples.otherDigest])
        var ordered = facts
        ordered.override = OverrideFact(by: Identity(id: "user:carol"), reason: "outage", at: Samples.now)
        let decision = try Samples.set(Samples.policy("p", "gates: [{ soak: { for: 24h } }]\noverride: { by: [commanders], gates: [soak] }"))
            .evaluate(ordered, at: Samples.now)
        #expect(decision.outcome == .deny && decision.gates.filter { $0.outcome == .deny }.map(\.gate) == ["source", "target-tag"])
    }
}

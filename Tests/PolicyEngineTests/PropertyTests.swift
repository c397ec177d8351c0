import Foundation
import OCI
import Testing

@testable import PolicyEngine

/// What must hold for any policies and any facts. The seeds are fixed: a failure can be had again.
@Suite("Properties of decisions")
struct PropertyTests {
    /// What can only close a step.
    private static let gates = [
        "tags: { semver: \"^1\" }", "tags: { prerelease: false }", "tags: { existing: same-digest }", "tags: { exclude: [\"*-rc*\"] }",
        "platforms: { require: [linux/amd64] }", "platforms: { require: [linux/arm64] }", "labels: { require: { a: x } }",
        "labels: { require: { a: \"*\" } }", "", "gates: [{ soak: { for: 24h } }]", "gates: [{ path: { through: all } }]",
        "gates: [{ approvals: { from: [managers] } }]", "gates: [{ evidence: { kind: e2e } }]",
        "gates: [{ signatures: { by: [build], missing: wait } }]",
        "gates: [{ vulnerabilities: { below: high } }]", "gates: [{ sbom: { missing: deny } }]", "gates: [{ user: { root: forbidden } }]",
        "gates: [{ not: { soak: { for: 24h } } }]", "gates: [{ anyOf: [{ soak: { for: 24h } }, { labels: { require: { a: x } } }] }]",
        "gates: [{ allOf: [{ size: { max: 1B } }, { not: { evidence: { kind: e2e } } }] }]",
        "gates: [{ freeze: { timezone: UTC, deny: [{ from: wed 00:00, to: thu 00:00 }] } }]",
    ]

    /// What decides which tags are written, and which defaults count.
    private static let choices = [
        "tags: { target: [stable] }", "tags: { target: [\"{semver.major}\"] }", "defaults: [{ soak: { for: 24h } }]",
        "defaults: [{ soak: { for: 1h } }]",
        "defaults: [{ sbom: {} }]",
    ]

    private static func policy(_ name: String, mode: Policy.Mode? = nil, rules: [String] = gates + choices, _ generator: inout SeededGenerator)
        -> String
    {
        let image = ["[\"**\"]", "[\"shop/*\"]", "[shop/api]", "[\"**\", \"!shop/api\"]"].randomElement(using: &generator) ?? "[x]"
        let mode = mode ?? (Bool.random(using: &generator) ? .enforce : .warn)
        return Samples.policy(name, images: image, "mode: \(mode.rawValue)\n\(rules.randomElement(using: &generator) ?? "")")
    }

    private static func addOptional(to facts: inout PromotionFacts, _ generator: inout SeededGenerator) throws {
        let staging = try #require(EnvironmentName(parsing: "staging"))
        let ages: [Double] = [1, 23, 25, 100]
        let hours = ages.randomElement(using: &generator) ?? 1
        let since = Samples.now.addingTimeInterval(-hours * 3_600)
        let presence: [[EnvironmentPresence]?] = [nil, [], [EnvironmentPresence(environment: staging, firstSeen: since, since: since)]]
        facts.presence = presence.randomElement(using: &generator) ?? nil
        let evidence: [[EvidenceFact]?] =
            [nil, []] + ["passed", "failed"].map { [EvidenceFact(kind: "e2e", digest: facts.digest, result: $0, recordedAt: since)] }
        facts.evidence = evidence.randomElement(using: &generator) ?? nil
        let signatures: [[SignatureFact]?] =
            [nil, []] + [nil, "broken"].map { [SignatureFact(signer: "build", identity: "k", digest: facts.digest, failure: $0)] }
        facts.signatures = signatures.randomElement(using: &generator) ?? nil
        let scans: [[ScanFact]?] =
            [nil, []]
            + [Severity.low, .high].map { severity in
                [ScanFact(scanner: "s", digest: facts.digest, completedAt: since, findings: [Finding(id: "A", severity: severity)])]
            }
        facts.scans = scans.randomElement(using: &generator) ?? nil
        let sboms: [[SBOMFact]?] = [nil, [], [SBOMFact(format: .spdx, digest: facts.digest)]]
        facts.sboms = sboms.randomElement(using: &generator) ?? nil
    }

    private static func facts(_ generator: inout SeededGenerator) throws -> PromotionFacts {
        let tags: [String?] = ["1.4.2", "1.4.2-rc.1", "2.0.0", "v1", "latest", nil]
        let requested: [[String]] = [[], [], ["stable"], ["1"], ["v1", "1.4.2"]]
        let taken = ["1.4.2", "v1", "stable", "1"].filter { _ in Bool.random(using: &generator) }
        var facts = try Samples.facts(
            image: ["shop/api", "shop/web", "other"].randomElement(using: &generator) ?? "x", tag: tags.randomElement(using: &generator) ?? nil,
            requested: requested.randomElement(using: &generator) ?? [],
            platforms: [[], ["linux/amd64"], ["linux/amd64", "linux/arm64"]].randomElement(using: &generator) ?? [],
            labels: Bool.random(using: &generator) ? ["a": "x"] : [:],
            annotations: Bool.random(using: &generator) ? ["a": "y"] : [:], isPresent: Int.random(in: 0..<8, using: &generator) > 0,
            targetTags: Dictionary(uniqueKeysWithValues: taken.map { ($0, Bool.random(using: &generator) ? Samples.digest : Samples.otherDigest) }))
        try addOptional(to: &facts, &generator)
        return facts
    }

    private static func load(_ policies: [String]) throws -> PolicySet {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: $0.element) }
        return try PolicySet(files: files + [PolicyFile(path: "environments.yaml", text: Samples.environments)], commit: nil)
    }

    @Test(arguments: 0..<40)
    func evaluationIsDeterministic(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let policies = (0..<4).map { Self.policy("p\($0)", &generator) }
        let (one, other) = (try Self.load(policies), try Self.load(policies))
        for _ in 0..<10 {
            let facts = try Self.facts(&generator)
            let first = one.evaluate(facts, at: Samples.now)
            #expect(one.evaluate(facts, at: Samples.now) == first && other.evaluate(facts, at: Samples.now) == first)
        }
    }

    @Test(arguments: 0..<40)
    func theOrderOfFilesDoesNotMatter(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let files =
            (0..<5).map { PolicyFile(path: "p\($0).yaml", text: Self.policy("p\($0)", &generator)) } + [
                PolicyFile(path: "environments.yaml", text: Samples.environments)
            ]
        let set = try PolicySet(files: files, commit: nil)
        let shuffled = try PolicySet(files: files.shuffled(using: &generator), commit: nil)
        for _ in 0..<10 {
            let facts = try Self.facts(&generator)
            #expect(set.evaluate(facts, at: Samples.now) == shuffled.evaluate(facts, at: Samples.now))
        }
    }

    /// Names decide the order in which policies are reported, and nothing else.
    @Test(arguments: 0..<40)
    func theNamesOfFilesDoNotMatter(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let policies = (0..<5).map { Self.policy("p\($0)", &generator) }
        let set = try Self.load(policies)
        let renamed = try Self.load(policies.shuffled(using: &generator))
        for _ in 0..<10 {
            let facts = try Self.facts(&generator)
            let (one, other) = (set.evaluate(facts, at: Samples.now), renamed.evaluate(facts, at: Samples.now))
            #expect(one.outcome == other.outcome && one.targetTags == other.targetTags)
            #expect(
                Set(one.gates.map { "\($0.policy) \($0.gate) \($0.reason)" }.dropFirst())
                    == Set(other.gates.map { "\($0.policy) \($0.gate) \($0.reason)" }.dropFirst()))
        }
    }

    @Test(arguments: 0..<40)
    func oneMoreGateNeverTurnsADenialIntoAnAllowance(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        // One enforced policy for the step is there: without any the path itself is closed, and a policy opens it.
        let policies = [Samples.policy("base")] + (0..<3).map { Self.policy("p\($0)", &generator) }
        let more = try Self.load(policies + [Self.policy("more", mode: .enforce, rules: Self.gates, &generator)])
        let set = try Self.load(policies)
        for _ in 0..<25 {
            let facts = try Self.facts(&generator)
            guard facts.image.description.hasPrefix("shop/") else { continue }
            let (before, after) = (set.evaluate(facts, at: Samples.now), more.evaluate(facts, at: Samples.now))
            let order: [GateOutcome] = [.allow, .wait, .deny]
            let (one, other) = (order.firstIndex(of: before.outcome), order.firstIndex(of: after.outcome))
            #expect(try #require(other) >= #require(one), "\(before.summary) → \(after.summary)")
        }
    }

    @Test(arguments: 0..<40)
    func oneMorePolicyThatOnlyWarnsChangesNothing(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let policies = [Samples.policy("base")] + (0..<3).map { Self.policy("p\($0)", &generator) }
        let more = try Self.load(policies + [Self.policy("more", mode: .warn, &generator)])
        let set = try Self.load(policies)
        for _ in 0..<25 {
            let facts = try Self.facts(&generator)
            guard facts.image.description.hasPrefix("shop/") else { continue }
            let (before, after) = (set.evaluate(facts, at: Samples.now), more.evaluate(facts, at: Samples.now))
            #expect(before.outcome == after.outcome && before.targetTags == after.targetTags)
        }
    }

    /// Gates, defaults and lists are sets: where they stand in a file decides nothing but the order of the report.
    @Test(arguments: 0..<40)
    func theOrderOfGatesDoesNotMatter(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let kinds = Self.gates.compactMap { text in
            text.hasPrefix("gates: [") ? String(text.dropFirst("gates: [".count).dropLast()) : nil
        }
        let chosen = kinds.filter { _ in Bool.random(using: &generator) }
        func set(_ gates: [String]) throws -> PolicySet {
            try Self.load([Samples.policy("p", images: "[\"**\"]", "gates:\n" + gates.map { "  - \($0)\n" }.joined())])
        }
        guard !chosen.isEmpty else { return }
        let (one, other) = (try set(chosen), try set(chosen.shuffled(using: &generator)))
        for _ in 0..<25 {
            let facts = try Self.facts(&generator)
            let (first, second) = (one.evaluate(facts, at: Samples.now), other.evaluate(facts, at: Samples.now))
            #expect(first.outcome == second.outcome && first.targetTags == second.targetTags && first.retryAt == second.retryAt)
            func said(_ decision: Decision) -> [String] { decision.gates.map { "\($0.gate) \($0.outcome) \($0.reason)" }.sorted() }
            #expect(said(first) == said(second))
        }
    }

    /// A gate that is added to a policy's own list, and denies, can only close.
    @Test(arguments: 0..<40)
    func oneMoreGateInAListNeverOpens(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let kinds = Self.gates.filter { $0.hasPrefix("gates: [") }.map { String($0.dropFirst("gates: [".count).dropLast()) }
        let chosen = kinds.filter { _ in Int.random(in: 0..<4, using: &generator) == 0 }
        let added = try #require(kinds.randomElement(using: &generator))
        let place = Int.random(in: 0...chosen.count, using: &generator)
        func set(_ gates: [String]) throws -> PolicySet {
            try Self.load([Samples.policy("p", images: "[\"**\"]", gates.isEmpty ? "" : "gates:\n" + gates.map { "  - \($0)\n" }.joined())])
        }
        let (before, after) = (try set(chosen), try set(chosen[..<place] + [added] + chosen[place...]))
        let order: [GateOutcome] = [.allow, .wait, .deny]
        for _ in 0..<25 {
            let facts = try Self.facts(&generator)
            let (one, other) = (before.evaluate(facts, at: Samples.now), after.evaluate(facts, at: Samples.now))
            #expect(try #require(order.firstIndex(of: other.outcome)) >= #require(order.firstIndex(of: one.outcome)))
            if other.gates.contains(where: { $0.outcome == .deny && !$0.isWarning }) { #expect(other.outcome == .deny) }
        }
    }

    /// The outcome is what the gates that count say, and nothing else.
    @Test(arguments: 0..<40)
    func theOutcomeFollowsFromTheGates(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let set = try Self.load((0..<4).map { Self.policy("p\($0)", &generator) })
        for _ in 0..<25 {
            let decision = set.evaluate(try Self.facts(&generator), at: Samples.now)
            let counting = decision.gates.filter { !$0.isWarning }.map(\.outcome)
            #expect(decision.outcome == (counting.contains(.deny) ? .deny : counting.contains(.wait) ? .wait : .allow))
            #expect(decision.outcome != .allow || !decision.targetTags.isEmpty)
            #expect(decision.gates.allSatisfy { !$0.reason.isEmpty })
        }
    }
}

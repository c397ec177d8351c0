import OCI
import Testing

@testable import PolicyEngine

/// What must hold for any policies and any facts. The seeds are fixed: a failure can be had again.
@Suite("Properties of decisions")
struct PropertyTests {
    private static let rules = [
        "tags: { semver: \"^1\" }", "tags: { prerelease: false }", "tags: { target: [stable] }", "tags: { target: [\"{semver.major}\"] }",
        "tags: { existing: same-digest }", "tags: { exclude: [\"*-rc*\"] }",
        "platforms: { require: [linux/amd64] }", "platforms: { require: [linux/arm64] }", "labels: { require: { a: x } }",
        "labels: { require: { a: \"*\" } }", "",
    ]

    private static func policy(_ name: String, mode: Policy.Mode? = nil, _ generator: inout SeededGenerator) -> String {
        let image = ["[\"**\"]", "[\"shop/*\"]", "[shop/api]", "[\"**\", \"!shop/api\"]"].randomElement(using: &generator) ?? "[x]"
        let mode = mode ?? (Bool.random(using: &generator) ? .enforce : .warn)
        return Samples.policy(name, images: image, "mode: \(mode.rawValue)\n\(rules.randomElement(using: &generator) ?? "")")
    }

    private static func facts(_ generator: inout SeededGenerator) throws -> PromotionFacts {
        let tags: [String?] = ["1.4.2", "1.4.2-rc.1", "2.0.0", "v1", "latest", nil]
        let requested: [[String]] = [[], [], ["stable"], ["1"], ["v1", "1.4.2"]]
        let taken = ["1.4.2", "v1", "stable", "1"].filter { _ in Bool.random(using: &generator) }
        return try Samples.facts(
            image: ["shop/api", "shop/web", "other"].randomElement(using: &generator) ?? "x", tag: tags.randomElement(using: &generator) ?? nil,
            requested: requested.randomElement(using: &generator) ?? [],
            platforms: [[], ["linux/amd64"], ["linux/amd64", "linux/arm64"]].randomElement(using: &generator) ?? [],
            labels: Bool.random(using: &generator) ? ["a": "x"] : [:],
            annotations: Bool.random(using: &generator) ? ["a": "y"] : [:], isPresent: Int.random(in: 0..<8, using: &generator) > 0,
            targetTags: Dictionary(uniqueKeysWithValues: taken.map { ($0, Bool.random(using: &generator) ? Samples.digest : Samples.otherDigest) }))
    }

    private static func load(_ policies: [String]) throws -> PolicySet {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: $0.element) }
        return try PolicySet(files: files + [PolicyFile(path: "environments.yaml", text: Samples.environments)], commit: nil)
    }

    @Test(arguments: 0..<40)
    func evaluationIsDeterministic(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        let policies = (0..<4).map { Self.policy("p\($0)", &generator) }
        for _ in 0..<10 {
            let facts = try Self.facts(&generator)
            let first = try Self.load(policies).evaluate(facts, at: Samples.now)
            #expect(try Self.load(policies).evaluate(facts, at: Samples.now) == first)
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
    func oneMoreEnforcedPolicyNeverTurnsADenialIntoAnAllowance(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed))
        // One enforced policy for the step is there: without any the path itself is closed, and a policy opens it.
        let policies = [Samples.policy("base")] + (0..<3).map { Self.policy("p\($0)", &generator) }
        let more = try Self.load(policies + [Self.policy("more", mode: .enforce, &generator)])
        let set = try Self.load(policies)
        for _ in 0..<25 {
            let facts = try Self.facts(&generator)
            guard facts.image.description.hasPrefix("shop/") else { continue }
            let (before, after) = (set.evaluate(facts, at: Samples.now), more.evaluate(facts, at: Samples.now))
            #expect(before.outcome == .allow || after.outcome == before.outcome, "\(before.summary) → \(after.summary)")
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

import OCI
import Testing

@testable import PolicyEngine

@Suite("Decisions")
struct EvaluationTests {
    private func decide(_ policies: String..., facts: PromotionFacts) throws -> Decision {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: $0.element) }
        return try PolicySet(files: [PolicyFile(path: "environments.yaml", text: Samples.environments)] + files, commit: nil).evaluate(
            facts, at: Samples.now)
    }

    @Test func whatAPolicyAllowsIsAllowedAndSaysWhatWillBeWritten() throws {
        let decision = try decide(
            Samples.policy("p", "tags: { semver: \"^1\", target: [\"{tag}\", \"{semver.major}.{semver.minor}\"] }"), facts: Samples.facts())
        #expect(decision.outcome == .allow && decision.targetTags.map(\.description) == ["1.4", "1.4.2"])
        #expect(decision.gates.map(\.gate) == ["source", "target-tag", "tag", "target-tag"])
        #expect(decision.summary == "all 4 gates are open" && decision.retryAt == nil)
    }

    @Test(arguments: [
        ("shop/api", "dev", "production", "no policy allows shop/api from dev to production; allowed steps: staging → production"),
        ("other/api", "staging", "production", "no policy allows other/api from staging to production; no policy names this image"),
        ("shop/api", "staging", "moon", "environment moon is not known; known: dev, staging, production"),
        ("shop/api", "moon", "production", "environment moon is not known; known: dev, staging, production"),
    ])
    func withoutAPolicyTheAnswerIsNo(_ image: String, _ from: String, _ to: String, _ reason: String) throws {
        let decision = try decide(Samples.policy(), facts: Samples.facts(image: image, from: from, to: to))
        #expect(decision.outcome == .deny && decision.targetTags.isEmpty)
        #expect(decision.gates.map(\.gate) == ["path"] && decision.gates.map(\.reason) == [reason])
    }

    @Test func withoutAnyPolicyTheAnswerIsNo() throws { #expect(try decide(facts: Samples.facts()).outcome == .deny) }

    @Test func anExcludedImageHasNoPolicy() throws {
        let policy = Samples.policy("p", images: "[\"shop/**\", \"!shop/legacy\"]")
        #expect(try decide(policy, facts: Samples.facts()).outcome == .allow)
        #expect(try decide(policy, facts: Samples.facts(image: "shop/legacy")).outcome == .deny)
    }

    @Test func allPoliciesThatMatchMustAgree() throws {
        let open = Samples.policy("open")
        let strict = Samples.policy("strict", "tags: { semver: \">=2.0.0\" }")
        let elsewhere = Samples.policy("elsewhere", images: "[other]", "tags: { semver: \">=9.0.0\" }")
        let decision = try decide(open, strict, elsewhere, facts: Samples.facts())
        #expect(decision.outcome == .deny && decision.refusals("tag").map(\.policy) == ["strict"])
        #expect(try decide(open, elsewhere, facts: Samples.facts()).outcome == .allow)
    }

    @Test func everyGateReportsAndNotOnlyTheFirstThatSaysNo() throws {
        let policy = Samples.policy(
            "p", "tags: { semver: \">=2.0.0\", existing: same-digest }\nplatforms: { require: [linux/arm64] }\nlabels: { require: { a: x, b: x } }")
        let facts = try Samples.facts(labels: ["b": "y"], isPresent: false, targetTags: ["1.4.2": Samples.otherDigest])
        let decision = try decide(policy, facts: facts)
        let refused = decision.gates.filter { $0.outcome == .deny }
        #expect(refused.map(\.gate) == ["source", "tag", "target-tag", "platforms", "label a", "label b"])
        #expect(refused.map(\.source) == ["p0.yaml:3", "p0.yaml:3", "p0.yaml:3", "p0.yaml:6", "p0.yaml:7", "p0.yaml:7"])
        for gate in refused { #expect(decision.summary.contains("\(gate.gate): \(gate.reason)")) }
    }

    @Test func aPolicyThatOnlyWarnsRecordsAndChangesNothing() throws {
        let open = Samples.policy("open")
        let trial = Samples.policy("trial", "mode: warn\ntags: { semver: \">=2.0.0\", target: [stable] }\nlabels: { require: { a: x } }")
        let without = try decide(open, facts: Samples.facts())
        let decision = try decide(open, trial, facts: Samples.facts())
        #expect(decision.outcome == .allow && decision.targetTags == without.targetTags)
        #expect(decision.gates.filter { $0.policy == "trial" && $0.outcome == .deny && $0.isWarning }.map(\.gate) == ["tag", "label a"])
        #expect(decision.gates.filter(\.isWarning).allSatisfy { $0.policy == "trial" })
        #expect(decision.summary.hasPrefix("all 2 gates are open; warning: tag: version 1.4.2 is not in the range '>=2.0.0'; warning: label a:"))
    }

    @Test func aPolicyThatOnlyWarnsNamesTheTagsWhereThereIsNoOther() throws {
        let decision = try decide(Samples.policy("trial", "mode: warn\ntags: { semver: \">=2.0.0\", target: [stable] }"), facts: Samples.facts())
        #expect(decision.outcome == .allow && decision.targetTags.map(\.description) == ["stable"])
    }

    @Test(arguments: ["enforce", "warn"])
    func anImmutableTagNeverMovesWhateverThePolicySays(mode: String) throws {
        let policy = Samples.policy("p", "mode: \(mode)\ntags: { existing: move }")
        let decision = try decide(policy, facts: Samples.facts(tag: "v1", targetTags: ["v1": Samples.otherDigest]))
        #expect(decision.outcome == .deny)
        let gate = try #require(decision.refusals("target-tag").first)
        #expect(
            gate.reason == "tag v1 is immutable in production and names \(Samples.otherDigest); promote under a new tag"
                && gate.source == "environments.yaml:8")
        #expect(try decide(policy, facts: Samples.facts(tag: "v1", targetTags: ["v1": Samples.digest])).outcome == .allow)
        #expect(try decide(policy, facts: Samples.facts(tag: "w1", targetTags: ["w1": Samples.otherDigest])).outcome == .allow)
        #expect(try decide(policy, facts: Samples.facts(tag: "w1", targetTags: ["v1": Samples.otherDigest])).outcome == .allow)
    }

    @Test(arguments: ["enforce", "warn"])
    func nothingToWriteIsDenied(mode: String) throws {
        let decision = try decide(Samples.policy("p", "mode: \(mode)"), facts: Samples.facts(tag: nil))
        #expect(decision.outcome == .deny && decision.targetTags.isEmpty)
        #expect(
            try decide(Samples.policy("p", "mode: \(mode)\ntags: { target: [\"{semver.major}\"] }"), facts: Samples.facts(tag: "latest")).outcome
                == .deny)
    }

    @Test func aDigestThatIsNotInTheSourceIsDenied() throws {
        let decision = try decide(Samples.policy("p", "mode: warn"), facts: Samples.facts(isPresent: false))
        #expect(
            decision.outcome == .deny && decision.refusals("source").map(\.reason) == ["\(Samples.digest) is not in staging; push it there first"])
    }

    @Test(arguments: [
        ("semver: \"^1\"", "2.0.0", "version 2.0.0 is not in the range '^1'"),
        ("semver: \"^1\"", "latest", "tag latest is no semantic version such as 1.4.2"),
        ("prerelease: false", "1.4.2-rc.1", "tag 1.4.2-rc.1 is a prerelease; a release such as 1.4.2 would do"),
        ("prerelease: false", "latest", "tag latest is no semantic version such as 1.4.2"),
        ("patterns: [\"1.*\", \"2.*\"]", "3.0", "tag 3.0 matches none of: 1.*, 2.*"),
        ("exclude: [\"*-dirty\", latest]", "latest", "tag latest is excluded by 'latest'"),
        ("semver: \">=1\", exclude: [\"1.4.2\"]", "1.4.2", "tag 1.4.2 is excluded by '1.4.2'"),
    ])
    func tagRulesSayWhatWouldBeRight(_ rules: String, _ tag: String, _ reason: String) throws {
        let decision = try decide(Samples.policy("p", "tags: { \(rules) }"), facts: Samples.facts(tag: tag))
        #expect(decision.outcome == .deny && decision.refusals("tag").map(\.reason) == [reason])
    }

    @Test(arguments: [
        ("semver: \"^1\"", "1.4.2"), ("prerelease: false", "v1.4.2"), ("semver: \">=1\"", "1.4.2-rc.1"), ("patterns: [\"1.*\", \"2.*\"]", "2.0"),
        ("exclude: [\"*-dirty\"]", "latest"),
    ])
    func tagRulesTakeWhatIsRight(_ rules: String, _ tag: String) throws {
        #expect(try decide(Samples.policy("p", "tags: { \(rules) }"), facts: Samples.facts(tag: tag)).outcome == .allow)
    }

    @Test func tagsThatAreAskedForTakeThePlaceOfTheTemplates() throws {
        let policy = Samples.policy("p", "tags: { target: [\"{tag}\", stable] }")
        #expect(try decide(policy, facts: Samples.facts(requested: ["b", "a"])).targetTags.map(\.description) == ["a", "b"])
        #expect(try decide(policy, facts: Samples.facts(tag: nil, requested: ["b"])).targetTags.map(\.description) == ["b"])
    }

    @Test(arguments: [
        (["1.4.2"], true), (["1.4"], true), (["1.5.0"], true), (["stable"], false), (["1.4.2-dirty"], false), (["1.4.2", "stable"], false),
        (["1.4.2", "1.4"], true), (["1.5"], false), (["2.0.0"], false),
    ])
    func tagsThatAreAskedForMustPassTheRulesToo(_ requested: [String], _ allowed: Bool) throws {
        let policy = Samples.policy("p", "tags: { semver: \"^1\", exclude: [\"*-dirty\"], target: [\"{tag}\", \"{semver.major}.{semver.minor}\"] }")
        for tag in ["1.4.2", nil] {
            // By digest, what the templates make of one tag that was asked for may stand beside it, and not alone.
            let expected = allowed && (tag != nil || requested != ["1.4"])
            let decision = try decide(policy, facts: Samples.facts(tag: tag, requested: requested))
            #expect((decision.outcome == .allow) == expected, "\(decision.summary)")
        }
        let decision = try decide(policy, facts: Samples.facts(requested: ["stable"]))
        #expect(
            decision.refusals("target-tag").map(\.reason) == [
                "target tag stable is not allowed: tag stable is no semantic version such as 1.4.2; made by the policy: 1.4, 1.4.2"
            ])
    }

    @Test func existingSameDigestLetsNoTagMove() throws {
        let policy = Samples.policy("p", "tags: { existing: same-digest }")
        let decision = try decide(policy, facts: Samples.facts(targetTags: ["1.4.2": Samples.otherDigest]))
        #expect(
            decision.refusals("target-tag").map(\.reason) == ["tag 1.4.2 in production names \(Samples.otherDigest); this policy lets no tag move"])
        #expect(try decide(policy, facts: Samples.facts(targetTags: ["1.4.2": Samples.digest, "9": Samples.otherDigest])).outcome == .allow)
    }

    @Test(arguments: [
        (["linux/amd64"], "missing linux/arm64, linux/arm/v7; the image has linux/amd64"),
        (["linux/amd64", "linux/arm64/v8", "linux/arm/v6"], "missing linux/arm/v7"),
        ([], "missing linux/amd64, linux/arm64, linux/arm/v7; the image has none"),
        (["windows/amd64", "linux/arm64", "linux/arm/v7"], "missing linux/amd64;"),
    ])
    func requiredPlatformsMustAllBeThere(_ platforms: [String], _ reason: String) throws {
        let policy = Samples.policy("p", "platforms: { require: [linux/amd64, linux/arm64, linux/arm/v7] }")
        let decision = try decide(policy, facts: Samples.facts(platforms: platforms))
        #expect(decision.outcome == .deny && decision.refusals("platforms").first?.reason.hasPrefix(reason) == true)
        #expect(
            try decide(policy, facts: Samples.facts(platforms: ["linux/amd64", "linux/arm64/v8", "linux/arm/v7", "linux/s390x"])).outcome == .allow)
    }

    @Test func requiredLabelsMustBeOnEveryPlatformOrOnTheIndex() throws {
        let policy = Samples.policy("p", "labels: { require: { source: \"https://git.example.test/*\" } }")
        let good = "https://git.example.test/api"
        #expect(try decide(policy, facts: Samples.facts(labels: ["source": good])).outcome == .allow)
        #expect(try decide(policy, facts: Samples.facts(annotations: ["source": good])).outcome == .allow)
        let missing = try decide(policy, facts: Samples.facts(platforms: ["linux/amd64", "linux/arm64"]))
        #expect(missing.refusals("label source").map(\.reason) == ["linux/amd64 has no such label; set source when the image is built"])
        // A label that is wrong is not made good by an annotation.
        let wrong = try decide(policy, facts: Samples.facts(labels: ["source": "https://evil.test/"], annotations: ["source": good]))
        #expect(
            wrong.refusals("label source").map(\.reason) == [
                "linux/amd64 has 'https://evil.test/', which does not match 'https://git.example.test/*'"
            ])
        let none = try decide(policy, facts: Samples.facts(platforms: [], annotations: ["source": good]))
        #expect(none.refusals("label source").map(\.reason) == ["the artifact has no image that could carry labels"])
        let partly = PlatformFacts(platform: Platform(os: "linux", architecture: "arm64"), labels: [:], user: nil)
        let facts = try Samples.facts(labels: ["source": good])
        let mixed = PromotionFacts(
            image: facts.image, from: facts.from, to: facts.to, digest: facts.digest, tag: facts.tag, requestedTargetTags: [],
            requester: facts.requester, mediaType: facts.mediaType, artifactType: nil,
            platforms: facts.platforms + [partly], annotations: [:], sizeBytes: 1, created: nil, presentInSource: true, targetTags: [])
        #expect(
            try decide(policy, facts: mixed).refusals("label source").map(\.reason) == [
                "linux/arm64 has no such label; set source when the image is built"
            ])
    }

    @Test func aReasonDoesNotRepeatAHugeLabel() throws {
        let policy = Samples.policy("p", "labels: { require: { source: x } }")
        let decision = try decide(policy, facts: Samples.facts(labels: ["source": String(repeating: "y", count: 1 << 20)]))
        #expect(decision.outcome == .deny && decision.summary.utf8.count < 400)
    }
}

import Foundation
import OCI
import Testing

@testable import PolicyEngine

/// Policy's word on the way back.
@Suite struct RollbackTests {
    private func facts(_ rollback: RollbackFact?, tags: [String] = ["1.4"], current: [CurrentTag] = []) throws -> PromotionFacts {
        var facts = PromotionFacts(
            image: try ImageName(parsing: "shop/api"), from: try #require(EnvironmentName(parsing: "staging")),
            to: try #require(EnvironmentName(parsing: "production")), digest: Samples.digest, tag: nil, requestedTargetTags: try tags.map(OCI.Tag.init(parsing:)),
            requester: "token:a", mediaType: .ociManifest, artifactType: nil, platforms: [], annotations: [:], sizeBytes: 5_000_000, created: nil,
            presentInSource: true, targetTags: current)
        facts.rollback = rollback
        return facts
    }

    private func fact(restores: Bool = false) throws -> RollbackFact {
        RollbackFact(source: try #require(EnvironmentName(parsing: "production")), state: nil, restores: restores)
    }

    private static let lines = """
        tags: { semver: ">=1.0.0", existing: same-digest }
        gates: [{ size: { max: 1MiB } }, { name: small, size: { max: 2MiB } }]
        """

    @Test func aGateThatIsRelaxedSaysSoAndTheOthersCount() throws {
        let set = try Samples.set(Samples.policy("p", Self.lines + "\nrollback: { relax: [size, target-tag] }"))
        let moved = [CurrentTag(tag: try OCI.Tag(parsing: "1.4"), digest: Samples.otherDigest)]
        let decision = set.evaluate(try facts(try fact(), current: moved), at: Samples.now)
        let gates = Dictionary(grouping: decision.gates, by: \.gate)
        #expect(gates["size"]?.first?.outcome == .allow && gates["size"]?.first?.reason.contains("relaxed for a rollback (p0.yaml:") == true)
        #expect(gates["size"]?.first?.reason.contains("without it deny") == true)
        #expect(gates["small"]?.first?.outcome == .deny, "what is not relaxed counts")
        #expect(decision.outcome == .deny)
        #expect(gates["tag"]?.first?.outcome == .allow, "1.4 is no version, and has been there")
        #expect(gates["target-tag"]?.allSatisfy { $0.outcome == .allow } == true)
        // The same as a promotion: nothing is relaxed.
        let promotion = set.evaluate(try facts(nil, current: moved), at: Samples.now)
        #expect(promotion.gates.filter { $0.outcome == .deny }.map(\.gate).sorted() == ["size", "small", "tag", "target-tag"])
    }

    @Test func withoutTheKeyEveryGateCounts() throws {
        let decision = try Samples.set(Samples.policy("p", Self.lines)).evaluate(try facts(try fact()), at: Samples.now)
        #expect(decision.gates.filter { $0.outcome == .deny }.map(\.gate).sorted() == ["size", "small"])
    }

    @Test func anImmutableTagGoesBackOnlyToWhereWeHadPutIt() throws {
        let set = try Samples.set(Samples.policy())
        let moved = [CurrentTag(tag: try OCI.Tag(parsing: "v1"), digest: Samples.otherDigest)]
        let rolledBack = set.evaluate(try facts(try fact(), tags: ["v1"], current: moved), at: Samples.now)
        #expect(rolledBack.outcome == .deny)
        let restored = set.evaluate(try facts(try fact(restores: true), tags: ["v1"], current: moved), at: Samples.now)
        #expect(restored.outcome == .allow)
    }

    @Test func namesOfGatesAreChecked() throws {
        #expect(Samples.mistakes(Samples.policy("p", Self.lines + "\nrollback: { relax: [sise] }")).first?.problem == "the policy has no gate 'sise'")
    }

    @Test func whatIsScannedIsSaidByTheEnvironment() throws {
        let text = """
            version: 1
            kind: Environments
            environments:
              - { name: a, registries: [{ url: "https://one.example.test", repository: "{image}" }], scan: { interval: never, images: [shop/**, lone], exclude: [shop/old] } }
              - { name: b, registries: [{ url: "https://one.example.test", repository: "b/{image}" }], drift: restore }
            """
        let set = try Samples.set(environments: text)
        let (a, b) = (set.environments[0], set.environments[1])
        #expect(a.scan.interval == nil && b.scan.interval?.seconds == 3_600 && a.drift == .report && b.drift == .restore)
        let (api, old, lone) = (try ImageName(parsing: "shop/api"), try ImageName(parsing: "shop/old"), try ImageName(parsing: "lone"))
        #expect(try a.scan.includes(api) && !a.scan.includes(old) && !a.scan.includes(ImageName(parsing: "tools/x")) && b.scan.includes(old))
        #expect(a.scan.namedImages == [lone])
        #expect(try !b.scan.includes(ImageName(parsing: "shiplift-probe")))
        // The longer template has the repository.
        #expect(try set.image(of: RepositoryName(parsing: "b/shop/api"), in: a.registries[0]) == nil)
        #expect(try set.image(of: RepositoryName(parsing: "b/shop/api"), in: b.registries[0]) == api)
        #expect(try set.image(of: RepositoryName(parsing: "shop/api"), in: a.registries[0]) == api)
        let mistakes = Samples.mistakes(environments: text.replacing("never", with: "1s").replacing("drift: restore", with: "drift: ignore"))
        #expect(mistakes.count == 2)
    }
}

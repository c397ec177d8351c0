import OCI
import Testing

@testable import PolicyEngine

/// What goes with an image, as policies say it.
@Suite struct ReferrerChoiceTests {
    private func choice(_ lines: String...) throws -> ReferrerChoice {
        let environments = PolicyFile(
            path: "environments.yaml",
            text: """
                version: 1
                kind: Environments
                environments:
                  - { name: dev, registries: [{ url: "https://a.example.test" }] }
                  - { name: test, registries: [{ url: "https://b.example.test" }] }
                """)
        let policies = lines.enumerated().map { index, line in
            PolicyFile(
                path: "p\(index).yaml",
                text: "version: 1\nkind: Policy\nname: p\(index)\nmatch: { images: ['**'], from: dev, to: test }\n\(line)\n")
        }
        let set = try PolicySet(files: [environments] + policies, commit: nil)
        return set.referrers(
            for: try ImageName(parsing: "shop/api"), from: try #require(EnvironmentName(parsing: "dev")), to: try #require(EnvironmentName(parsing: "test")))
    }

    @Test func everythingGoesWhereNobodySaysOtherwise() throws { #expect(try choice("") == .all) }

    @Test func thePolicyThatAsksForMoreGetsIt() throws {
        #expect(try choice("referrers: none") == ReferrerChoice.none)
        #expect(try choice("referrers: none", "referrers: [application/spdx+json]") == .types(["application/spdx+json"]))
        #expect(try choice("referrers: [a/b, c/*]", "referrers: [a/b, d/e]") == .types(["a/b", "c/*", "d/e"]))
        #expect(try choice("referrers: [a/b]", "referrers: all") == .all)
        #expect(try choice("referrers: none", "") == ReferrerChoice.none)
    }

    @Test(arguments: ["referrers: some", "referrers: ['a b']", "referrers: ['']", "referrers: { x: y }"])
    func whatSaysNothingIsAMistake(_ line: String) throws {
        #expect(throws: PolicyLoadError.self) { try choice(line) }
    }
}

import Foundation
import OCI
import Testing

@testable import PolicyEngine

@Suite("Remarks on policies")
struct RemarkTests {
    private let environments = """
        version: 1
        kind: Environments
        environments:
          - { name: dev, registries: [{ url: "https://d" }] }
          - { name: production, registries: [{ url: "https://p" }] }
        """

    private func remarks(_ policies: String..., more: String = "", at now: String = "2026-11-25T00:00:00Z") throws -> [String] {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: "version: 1\nkind: Policy\n\($0.element)\n") }
        let set = try PolicySet(files: files + [PolicyFile(path: "environments.yaml", text: "\(environments)\n\(more)\n")], commit: nil)
        return set.remarks(at: try #require(Timestamp.date(now))).map { "\($0.file):\($0.line) \($0.problem)" }
    }

    private let open = "name: open\nmatch: { images: [\"**\"], from: dev, to: production }"

    @Test func thereAreNoneOnWhatIsMeant() throws { #expect(try remarks(open) == []) }

    @Test func anEnvironmentThatNothingReachesIsNamed() throws {
        #expect(try remarks() == ["environments.yaml:5 nothing can be promoted to 'production'"])
        #expect(
            try remarks("name: a\nmatch: { images: [\"**\"], to: production }") == [
                "environments.yaml:5 nothing can be promoted to 'production'", "p0.yaml:3 policy 'a' adds to steps that no policy opens",
            ])
        #expect(try remarks(open, "name: a\nmatch: { images: [\"**\"], to: production }", "name: b\nmatch: { images: [\"**\"] }") == [])
    }

    @Test func anExclusionOfNothingIsNamed() throws {
        #expect(
            try remarks("name: a\nmatch: { images: [shop/api, \"!shop/web\"], from: dev, to: production }") == [
                "p0.yaml:3 '!shop/web' excludes nothing"
            ])
        #expect(try remarks("name: a\nmatch: { images: [shop/*, \"!shop/web\"], from: dev, to: production }") == [])
    }

    @Test func groupsAndSignersThatNobodyNamesAreNamed() throws {
        let more =
            "groups: { a: { subject: x }, b: { subject: x }, c: { subject: x } }\ntrust: { d: { keyFile: x }, e: { keyFile: x }, f: { keyFile: x } }"
        let gates = "gates: [{ anyOf: [{ approvals: { from: [a] } }, { not: { sbom: { by: [d] } } }] }, { vulnerabilities: { below: low, by: [e] } }]"
        #expect(
            try remarks("\(open)\n\(gates)\noverride: { by: [b], gates: [anyOf] }", more: more) == [
                "environments.yaml:6 group 'c' is named by no policy", "environments.yaml:7 signer 'f' is named by no policy",
            ])
    }

    @Test func whatIsOverIsNamed() throws {
        let gate =
            "gates: [{ not: { vulnerabilities: { below: low, by: [d], accept: [{ id: A, until: 2026-11-24, reason: r }, { id: B, until: 2026-11-25, reason: r }] } } }]"
        let more = "trust: { d: { keyFile: x, validUntil: 2026-11-24 } }"
        #expect(
            try remarks("\(open)\n\(gate)", more: more) == [
                "environments.yaml:6 signatures of 'd' no longer count since 2026-11-25T00:00:00Z",
                "p0.yaml:5 A was accepted until 2026-11-24, which is over",
            ])
        #expect(try remarks("\(open)\n\(gate)", more: more, at: "2026-11-24T23:59:59Z") == [])
    }

    private func remarks(_ policies: [String], images: [String]) throws -> [String] {
        let files = policies.enumerated().map { PolicyFile(path: "p\($0.offset).yaml", text: "version: 1\nkind: Policy\n\($0.element)\n") }
        let set = try PolicySet(files: files + [PolicyFile(path: "environments.yaml", text: environments)], commit: nil)
        return set.remarks(at: try #require(Timestamp.date("2026-11-25T00:00:00Z")), images: try images.map { try ImageName(parsing: $0) }).map {
            "\($0.file):\($0.line) \($0.problem)"
        }
    }

    @Test func patternsThatMatchNoImageAreNamed() throws {
        let policy = """
            name: a
            match: { images: [shop/*, shpo/api, "!shop/old", "!tools/*"], from: dev, to: production }
            gates: [{ vulnerabilities: { below: low, accept: [{ id: A, images: [shop/web, shop/ap], until: 2027-01-01, reason: r }] } }]
            """
        #expect(
            try remarks([policy], images: ["shop/api", "shop/web", "tools/lint", "shop/old"]) == [
                "p0.yaml:3 '!tools/*' excludes no image that the policy is about", "p0.yaml:3 'shpo/api' matches no image",
                "p0.yaml:5 A is accepted for 'shop/ap', which is no image of the policy",
            ])
        #expect(try remarks([policy], images: []) == [], "without images nothing is said about them")
        let closed = "name: a\nmatch: { images: [shop/*, \"!shop/**\"], from: dev, to: production }"
        #expect(try remarks([closed], images: ["shop/api"]) == ["p0.yaml:3 policy 'a' excludes every image that it names"])
    }

    @Test func defaultsThatNeverCountAreNamed() throws {
        let house = "name: house\nmatch: { images: [\"**\"], from: dev, to: production }\ndefaults: [{ soak: { for: 1h } }, { size: { max: 1GB } }]"
        let shop = "name: shop\nmatch: { images: [shop/*], to: production }\ndefaults: [{ soak: { for: 2h } }]"
        #expect(try remarks([house, shop], images: ["shop/api"]) == ["p0.yaml:5 the default 'soak' of 'house' never counts"])
        #expect(try remarks([house, shop], images: ["shop/api", "tools/lint"]) == [])
    }
}

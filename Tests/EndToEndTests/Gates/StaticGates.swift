import Foundation
import OCI
import TestSupport

/// One gate as a policy has it, and images that it says different things of.
struct StaticGate: Sendable {
    struct Case: Sendable {
        let tag: String
        let image: ImageFixture
        let outcome: String
        let reason: String
    }

    /// The image's last part, and the policy's name.
    let name: String
    /// The gate's name in decisions.
    let gate: String
    let rule: String
    let cases: [Case]

    private init(_ name: String, gate: String? = nil, _ rule: String, _ cases: [(String, ImageFixture, String, String)]) {
        self.name = name
        self.gate = gate ?? name
        self.rule = rule
        self.cases = cases.map { Case(tag: $0.0, image: $0.1, outcome: $0.2, reason: $0.3) }
    }

    /// Gates that look at what the image and the clock say: known at once, for ever or until a time.
    static func all() throws -> [StaticGate] {
        let plain = try GateImages.image(1)
        let described = try GateImages.image(
            2, user: "65532", created: Date(), labels: ["team": "shop", "org.opencontainers.image.base.name": "base/debian:12"], annotations: ["ticket": "CHG-42"])
        let index = try ImageFixture.index(seed: 3)
        let chart = try ImageFixture.artifact(type: "application/vnd.test.chart", content: [("application/vnd.test", BlobFixture(size: 300, seed: 4))])
        let large = try GateImages.image(5, size: 2_000_000)
        let docker = try ImageFixture.image(format: .docker, seed: 6)
        return [
            StaticGate("tag", "tag: { semver: '>=1.0.0', prerelease: false }", [("1.0.0", plain, "allow", "1.0.0"), ("latest", plain, "deny", "latest")]),
            StaticGate("labels", gate: "label team", "labels: { require: { team: shop } }", [("1.0.0", described, "allow", "shop"), ("2.0.0", plain, "deny", "team")]),
            StaticGate(
                "annotations", gate: "annotation ticket", "annotations: { require: { ticket: 'CHG-*' } }",
                [("1.0.0", described, "allow", "CHG-42"), ("2.0.0", plain, "deny", "ticket")]),
            StaticGate("platforms", "platforms: { require: [linux/arm64] }", [("1.0.0", index, "allow", "arm64"), ("2.0.0", plain, "deny", "missing linux/arm64")]),
            StaticGate("user", "user: { root: forbidden }", [("1.0.0", described, "allow", "65532"), ("2.0.0", plain, "deny", "root")]),
            StaticGate("baseimages", gate: "baseImages", "baseImages: { names: ['base/*'] }", [("1.0.0", described, "allow", "base"), ("2.0.0", plain, "deny", "base image")]),
            StaticGate(
                "mediatypes", gate: "mediaTypes", "mediaTypes: { allow: ['application/vnd.oci.image.*'] }",
                [("1.0.0", plain, "allow", "oci"), ("2.0.0", docker, "deny", "docker")]),
            StaticGate(
                "artifacttypes", gate: "artifactTypes", "artifactTypes: { allow: ['application/vnd.test.*'] }",
                [("1.0.0", chart, "allow", "chart"), ("2.0.0", plain, "deny", "none of")]),
            StaticGate("size", "size: { max: 1MiB }", [("1.0.0", plain, "allow", "1 MiB"), ("2.0.0", large, "deny", "1 MiB")]),
            StaticGate("age", "age: { max: 30d }", [("1.0.0", described, "allow", "30d"), ("2.0.0", plain, "deny", "30d")]),
            StaticGate(
                "closed", gate: "freeze", "freeze: { timezone: Europe/Berlin, deny: [{ name: moving house, start: 2020-01-01, end: 2099-12-30 }] }",
                [("1.0.0", plain, "wait", "moving house")]),
            StaticGate(
                "opened", gate: "freeze", "freeze: { timezone: Europe/Berlin, deny: [{ name: last year, start: 2019-01-01, end: 2019-12-31 }] }",
                [("1.0.0", plain, "allow", "")]),
            StaticGate(
                "all", gate: "both", "allOf: [{ user: { root: forbidden } }, { size: { max: 1MiB } }]\n    name: both",
                [("1.0.0", described, "allow", ""), ("2.0.0", plain, "deny", "root")]),
            StaticGate(
                "any", gate: "either", "anyOf: [{ user: { root: forbidden } }, { age: { max: 3650d } }]\n    name: either",
                [("1.0.0", plain, "allow", ""), ("2.0.0", described, "allow", "65532")]),
            StaticGate(
                "none", gate: "either", "anyOf: [{ user: { root: forbidden } }, { age: { max: 30d } }]\n    name: either", [("1.0.0", plain, "deny", "none of these")]),
            StaticGate(
                "not", gate: "small", "not: { size: { max: 1MiB } }\n    name: small", [("1.0.0", large, "allow", "as it must be"), ("2.0.0", plain, "deny", "must not be")]),
            StaticGate("untrodden", gate: "path", "path: { through: [staging] }", [("1.0.0", plain, "deny", "promote it to staging first")]),
            StaticGate("soaking", gate: "soak", "soak: { for: 24h }", [("1.0.0", plain, "wait", "of 24h")]),
            StaticGate("unscanned", gate: "vulnerabilities", "vulnerabilities: { below: high, missing: deny }", [("1.0.0", plain, "deny", "no scan")]),
        ]
    }

    var policy: String {
        """
        version: 1
        kind: Policy
        name: \(name)
        match: { images: ["gates/\(name)"], from: dev, to: test }
        gates:
          - \(rule)
        """
    }
}

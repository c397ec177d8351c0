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
        /// What hangs on it.
        var attached: [ImageFixture] = []
    }

    /// The gate's key in policy files.
    var kind: String { String(rule.prefix { $0 != ":" }) }

    /// The image's last part, and the policy's name.
    let name: String
    /// The gate's name in decisions.
    let gate: String
    let rule: String
    private(set) var cases: [Case]

    private init(_ name: String, gate: String? = nil, _ rule: String, _ cases: [(String, ImageFixture, String, String)]) {
        self.name = name
        self.gate = gate ?? name
        self.rule = rule
        self.cases = cases.map { Case(tag: $0.0, image: $0.1, outcome: $0.2, reason: $0.3) }
    }

    /// Gates that look at what hangs on the image.
    static func attached(signedBy hand: SigningHand) throws -> [StaticGate] {
        func bundle(_ type: String, _ predicate: String = "{}") -> (ImageFixture) throws -> [ImageFixture] { { [try hand.bundle(type, predicate, about: $0.root)] } }
        func built(_ builder: String) -> (ImageFixture) throws -> [ImageFixture] {
            bundle("https://slsa.dev/provenance/v1", #"{"buildDefinition":{"buildType":"b","externalParameters":{}},"runDetails":{"builder":{"id":"\#(builder)"}}}"#)
        }
        let spdx: (ImageFixture) throws -> [ImageFixture] = {
            [try ImageFixture.artifact(type: "application/spdx+json", about: $0.root, content: [("application/spdx+json", BlobFixture(Data("{}".utf8)))])]
        }
        let nothing: (ImageFixture) throws -> [ImageFixture] = { _ in [] }
        let signature = bundle("https://sigstore.dev/cosign/sign/v1")
        return [
            try StaticGate("sbom", "sbom: { formats: [spdx] }", 20, [("1.0.0", spdx, "allow", "SBOM: spdx"), ("2.0.0", nothing, "wait", "no SBOM is known")]),
            try StaticGate("sbomless", gate: "sbom", "sbom: { missing: deny }", 21, [("1.0.0", nothing, "deny", "no SBOM is known")]),
            try StaticGate(
                "signatures", "signatures: { by: [release] }", 22,
                [("1.0.0", signature, "allow", "signed by release"), ("2.0.0", nothing, "deny", "no signature is known"), ("3.0.0", spdx, "deny", "no signature")]),
            try StaticGate("unsigned", gate: "signatures", "signatures: { by: [release], missing: wait }", 23, [("1.0.0", nothing, "wait", "no signature is known")]),
            try StaticGate(
                "provenance", "provenance: { by: [release], builder: 'https://ci.example.test/*' }", 24,
                [
                    ("1.0.0", built("https://ci.example.test/1"), "allow", "built by https://ci.example.test/1"),
                    ("2.0.0", built("https://evil.test/1"), "deny", "does not match"), ("3.0.0", nothing, "deny", "no provenance"),
                ]),
            try StaticGate(
                "unproven", gate: "provenance", "provenance: { by: [release], missing: wait }", 25, [("1.0.0", nothing, "wait", "no provenance is known")]),
        ]
    }

    private init(
        _ name: String, gate: String? = nil, _ rule: String, _ seed: UInt64, _ cases: [(String, (ImageFixture) throws -> [ImageFixture], String, String)]
    ) throws {
        self.init(name, gate: gate, rule, [])
        for (index, item) in cases.enumerated() {
            let image = try GateImages.image(seed * 100 + UInt64(index))
            self.cases.append(Case(tag: item.0, image: image, outcome: item.2, reason: item.3, attached: try item.1(image)))
        }
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
                "shut", gate: "freeze", "freeze: { timezone: UTC, allow: [{ name: last year, start: 2019-01-01, end: 2019-12-31 }] }",
                [("1.0.0", plain, "deny", "does not open again")]),
            StaticGate(
                "allwait", gate: "both", "allOf: [{ size: { max: 1MiB } }, { soak: { for: 24h } }]\n    name: both", [("1.0.0", plain, "wait", "of 24h")]),
            StaticGate(
                "anywait", gate: "either", "anyOf: [{ user: { root: forbidden } }, { soak: { for: 24h } }]\n    name: either",
                [("1.0.0", plain, "wait", "none of these")]),
            StaticGate(
                "notknown", gate: "unscanned", "not: { vulnerabilities: { below: high } }\n    name: unscanned", [("1.0.0", plain, "wait", "no scan is known")]),
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

import Foundation
import Testing

@testable import PolicyEngine

/// An object of a schema, and a file in which the decoder meets that object where `@` stands.
struct SchemaPlace: Sendable, CustomTestStringConvertible {
    let schema: String
    let path: String
    let file: String

    init(_ schema: String, _ path: String, _ file: String) {
        self.schema = schema
        self.path = path
        self.file = file
    }

    var testDescription: String { "\(schema)/\(path)" }

    /// The whole file with some members in that place.
    func text(_ members: String) -> String {
        switch schema {
        case "policy":
            "version: 1\nkind: Policy\nname: p\nmatch: { images: [a], from: staging, to: production }\n" + file.replacing("@", with: members)
        case "cases": "version: 1\nkind: Cases\n" + file.replacing("@", with: members)
        case "identities": "version: 1\nkind: Identities\n" + file.replacing("@", with: members)
        default: "version: 1\nkind: Environments\n" + file.replacing("@", with: members)
        }
    }

    /// What the decoder says of it.
    func mistakes(_ members: String) -> [PolicyDiagnostic] {
        schema == "environments" ? Samples.mistakes(environments: text(members)) : Samples.mistakes(text(members))
    }
}

/// The schemas help people to write what the decoder takes; they must say the same.
@Suite("JSON Schemas of the files")
struct SchemaTests {
    private static let repository = JSONSchema.folder.appending(path: "../..").standardizedFileURL

    @Test(arguments: ["Policies", "examples/policies"])
    func acceptEveryFileOfTheRepository(_ folder: String) throws {
        let schemas = [
            "Environments": try JSONSchema("environments"), "Policy": try JSONSchema("policy"), "Cases": try JSONSchema("cases"),
            "Identities": try JSONSchema("identities"),
        ]
        let path = Self.repository.appending(path: folder)
        let names = try FileManager.default.contentsOfDirectory(atPath: path.path).filter { $0.hasSuffix(".yaml") }
        #expect(names.count > 3)
        for name in names {
            let text = try String(contentsOf: path.appending(path: name), encoding: .utf8)
            let kind = try #require(schemas.keys.first { text.contains("\nkind: \($0)\n") })
            for (other, schema) in schemas { #expect(try schema.accepts(yaml: text) == (other == kind), "\(name) by \(other)") }
        }
    }

    private static let places: [SchemaPlace] =
        [
            SchemaPlace("environments", "", "environments: [{ name: a, registries: [{ url: \"https://a\" }] }]\n@"),
            SchemaPlace("environments", "$defs/environment", "environments: [{ @ }]"),
            SchemaPlace("environments", "$defs/environment/tags", "environments: [{ name: a, registries: [{ url: \"https://a\" }], tags: { @ } }]"),
            SchemaPlace("environments", "$defs/environment/scan", "environments: [{ name: a, registries: [{ url: \"https://a\" }], scan: { @ } }]"),
            SchemaPlace("environments", "$defs/registry", "environments: [{ name: a, registries: [{ @ }] }]"),
            SchemaPlace("environments", "$defs/member", "groups: { g: { @ } }"), SchemaPlace("environments", "$defs/signer", "trust: { s: { @ } }"),
            SchemaPlace("environments", "$defs/signer/keyless", "trust: { s: { keyless: { @ } } }"),
            SchemaPlace("environments", "$defs/check", "checks: { c: { @ } }"),
            SchemaPlace("environments", "$defs/check/secret", "checks: { c: { url: \"https://a/b\", secret: { @ } } }"),
            SchemaPlace("environments", "$defs/signer/notation", "trust: { s: { notation: { @ } } }"),
        ]
        + ["credentials", "tls", "proxy", "limits", "profile"].map { key in
            SchemaPlace("environments", "$defs/registry/\(key)", "environments: [{ name: a, registries: [{ url: \"https://a\", \(key): { @ } }] }]")
        } + [
            SchemaPlace("policy", "", "@"), SchemaPlace("policy", "tags", "tags: { @ }"), SchemaPlace("policy", "override", "override: { @ }"),
            SchemaPlace("policy", "rollback", "rollback: { @ }"),
            SchemaPlace("policy", "$defs/gate", "gates: [{ @ }]"), SchemaPlace("policy", "$defs/gate", "defaults: [{ not: { @ } }]"),
            SchemaPlace("policy", "$defs/window", "gates: [{ freeze: { timezone: UTC, deny: [{ @ }] } }]"),
            SchemaPlace("policy", "$defs/gate/provenance/requester", "gates: [{ provenance: { by: [build], requester: { @ } } }]"),
            SchemaPlace("policy", "$defs/exception", "gates: [{ vulnerabilities: { below: low, accept: [{ @ }] } }]"),
        ]
        + YAMLReader.gateKeys.filter { !["name", "allOf", "anyOf", "not"].contains($0) }.map {
            SchemaPlace("policy", "$defs/gate/\($0)", "gates: [{ \($0): { @ } }]")
        }
        + [
            SchemaPlace("cases", "", "cases: [{ name: a, expect: deny, given: { image: a, from: dev, to: staging } }]\n@"),
            SchemaPlace("cases", "$defs/case", "cases: [{ @ }]"), SchemaPlace("cases", "$defs/given", "cases: [{ given: { @ } }]"),
            SchemaPlace("cases", "$defs/finding", "cases: [{ given: { image: a, from: dev, to: staging, scans: [{ findings: [{ @ }] }] } }]"),
            SchemaPlace("cases", "$defs/identity", "cases: [{ given: { requester: { @ } } }]"),
            SchemaPlace("cases", "$defs/given/checks", "cases: [{ given: { image: a, from: dev, to: staging, checks: [{ @ }] } }]"),
            SchemaPlace("cases", "$defs/given/override", "cases: [{ given: { image: a, from: dev, to: staging, override: { @ } } }]"),
        ]
        + [
            SchemaPlace("identities", "", "issuers: { a: { issuer: \"https://a\", audience: b } }\n@"), SchemaPlace("identities", "$defs/issuer", "issuers: { a: { @ } }"),
            SchemaPlace("identities", "$defs/issuer/keys", "issuers: { a: { issuer: \"https://a\", audience: b, keys: { @ } } }"),
            SchemaPlace("identities", "$defs/issuer/login", "issuers: { a: { issuer: \"https://a\", audience: b, login: { @ } } }"),
            SchemaPlace("identities", "$defs/rule", "issuers: { a: { issuer: \"https://a\", audience: b } }\nrules: [{ @ }]"),
            SchemaPlace(
                "identities", "$defs/grant", "issuers: { a: { issuer: \"https://a\", audience: b } }\nrules: [{ name: r, issuer: a, claims: { c: d }, grants: [{ @ }] }]"),
        ]
        + ["platforms", "signatures", "provenance", "sboms", "scans", "evidence", "recentPromotions"].map { key in
            SchemaPlace("cases", "$defs/given/\(key)", "cases: [{ given: { image: a, from: dev, to: staging, \(key): [{ @ }] } }]")
        }

    /// A key that is none: the decoder lists those that are.
    @Test(arguments: places)
    func knowTheKeysThatTheDecoderKnows(_ place: SchemaPlace) throws {
        let properties = try #require(JSONSchema(place.schema).object(place.path)["properties"] as? [String: Any])
        let unknown = place.mistakes("qqqqqqqqqqqqqqqqqqqq: 1").first { $0.problem.contains("has no key 'qqqqqqqqqqqqqqqqqqqq'") }
        let remedy = try #require(unknown).remedy
        #expect(Set(remedy.dropFirst("allowed: ".count).components(separatedBy: ", ")) == Set(properties.keys))
    }

    /// What the schema requires is missed by the decoder too, and nothing else is.
    @Test(arguments: places)
    func requireWhatTheDecoderRequires(_ place: SchemaPlace) throws {
        let object = try JSONSchema(place.schema).object(place.path)
        let required = Set(object["required"] as? [String] ?? [])
        let missed = place.mistakes("").filter { $0.problem.hasPrefix("there is no '") }
            .compactMap { $0.problem.split(separator: "'").dropFirst().first.map(String.init) }
            // What the case around it lacks.
            .filter { place.path == "$defs/case" || !["name", "expect", "image", "from", "to"].contains($0) || place.schema == "policy" }
        // The decoder names these in words of their own.
        let inWords: [String: Set<String>] = [
            "$defs/environment": ["name", "registries"], "$defs/registry": ["url"], "$defs/registry/proxy": ["url"], "$defs/gate/labels": ["require"],
            "$defs/gate/annotations": ["require"], "$defs/gate/platforms": ["require"], "$defs/gate/user": ["root"], "$defs/gate/path": ["through"],
        ]
        let expected = required.subtracting(inWords[place.path] ?? [])
        guard !place.path.isEmpty, place.path != "$defs/given/platforms" else { return }
        if let words = inWords[place.path] {
            #expect(words.isSubset(of: required) && !place.mistakes("").isEmpty)
        } else if place.path == "$defs/window" {
            #expect(missed == ["from"])
        } else {
            // A reader that needs several may stop at the first.
            #expect(
                missed.isEmpty == expected.isEmpty && Set(missed).subtracting(["image", "from", "to"]).isSubset(of: expected),
                "\(missed) of \(expected)")
        }
    }

    private static let choices = [
        ("policy", "mode", "mode: @"), ("policy", "tags/existing", "tags: { existing: @ }"),
        ("policy", "$defs/gate/platforms/others", "gates: [{ platforms: { require: [a/b], others: @ } }]"),
        ("policy", "$defs/gate/user/root", "gates: [{ user: { root: @ } }]"), ("policy", "$defs/gate/age/of", "gates: [{ age: { max: 1d, of: @ } }]"),
        ("policy", "$defs/gate/quota/of", "gates: [{ quota: { max: 1, per: 1d, of: @ } }]"),
        ("policy", "$defs/gate/approvals/requester", "gates: [{ approvals: { from: [ci], requester: @ } }]"),
        ("policy", "$defs/gate/evidence/missing", "gates: [{ evidence: { kind: a, missing: @ } }]"),
        ("policy", "$defs/gate/sbom/missing", "gates: [{ sbom: { missing: @ } }]"),
        ("policy", "$defs/gate/signatures/of", "gates: [{ signatures: { by: [build], of: @ } }]"),
        ("policy", "$defs/gate/signatures/missing", "gates: [{ signatures: { by: [build], missing: @ } }]"),
        ("policy", "$defs/gate/vulnerabilities/below", "gates: [{ vulnerabilities: { below: @ } }]"),
        ("policy", "$defs/gate/vulnerabilities/unknownSeverity", "gates: [{ vulnerabilities: { below: low, unknownSeverity: @ } }]"),
        ("policy", "$defs/gate/vulnerabilities/missing", "gates: [{ vulnerabilities: { below: low, missing: @ } }]"),
        ("policy", "$defs/gate/check/onFailure", "gates: [{ check: { endpoint: a, onFailure: @ } }]"),
        ("cases", "$defs/case/expect", "cases: [{ name: a, expect: @ }]"),
        ("policy", "$defs/gate/approvals/author", "gates: [{ approvals: { from: [ci], author: @ } }]"),
        ("identities", "$defs/issuer/preset", "issuers: { a: { issuer: \"https://a\", audience: b, preset: @ } }"),
        (
            "identities", "$defs/verb",
            "issuers: { a: { issuer: \"https://a\", audience: b } }\nrules: [{ name: r, issuer: a, claims: { c: d }, grants: [{ verbs: @ }] }]"
        ),
    ]

    @Test(arguments: choices)
    func offerTheChoicesThatTheDecoderOffers(_ schema: String, _ path: String, _ file: String) throws {
        let values = try #require(JSONSchema(schema).at(path)["enum"] as? [String])
        let place = SchemaPlace(schema, path, file)
        let refused = place.mistakes("qqqqqqqqqqqqqqqqqqqq").first { $0.problem.contains("can't be 'qqqqqqqqqqqqqqqqqqqq'") }
        #expect(Set(try #require(refused).remedy.dropFirst("use one of: ".count).components(separatedBy: ", ")) == Set(values))
    }

    /// What both must refuse: the schema as it is written, the decoder as it reads.
    @Test(arguments: [
        ("policy", "gates: [{ soak: { for: 1h }, size: { max: 1GB } }]"), ("policy", "gates: [{}]"), ("policy", "gates: { soak: { for: 1h } }"),
        ("environments", "environments: [{ name: a, registries: { url: \"https://a\" } }]"), ("policy", "gates: []"),
        ("policy", "gates: [{ name: a }]"), ("policy", "mode: maybe"),
        ("policy", "gates: [{ soak: { for: long } }]"), ("policy", "gates: [{ size: { max: 5 } }]"),
        ("policy", "gates: [{ quota: { max: 0, per: 1h } }]"), ("policy", "gates: [{ anyOf: [] }]"),
        ("policy", "gates: [{ not: { soak: {} } }]"), ("policy", "gates: [{ freeze: { timezone: UTC } }]"),
        ("policy", "gates: [{ freeze: { timezone: UTC, deny: [{ start: 2026-01-01 }] } }]"),
        ("policy", "gates: [{ baseImages: { digests: [\"sha256:ab\"] } }]"), ("policy", "gates: [{ baseImages: {} }]"),
        ("policy", "gates: [{ tag: {} }]"), ("policy", "labels: {}"),
        ("policy", "labels: { require: {} }"), ("policy", "platforms: { require: [linux] }"), ("policy", "tags: { prerelease: maybe }"),
        ("policy", "tags: []"), ("policy", "tags: { target: [] }"),
        ("policy", "override: { by: [ci] }"), ("policy", "description: [a]"), ("policy", "gates: [{ requesters: {} }]"),
        ("policy", "gates: [{ vulnerabilities: { below: low, accept: [{ id: A }] } }]"),
        ("environments", "environments: []"), ("environments", "environments: [{ name: A, registries: [{ url: \"https://a\" }] }]"),
        ("environments", "environments: [{ name: a, registries: [] }]"),
        ("environments", "environments: [{ name: a, registries: [{ url: ftp://a }] }]"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a/b\" }] }]"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\", repository: b }] }]"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\", credentials: {} }] }]"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\", limits: { concurrency: 0 } }] }]"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\" }] }]\ngroups: { g: {} }"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\" }] }]\ngroups: { g: { claims: { a: b } } }"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\" }] }]\ngroups: {}"),
        ("environments", "environments: [{ name: a, registries: [{ url: \"https://a\" }] }]\ntrust: { s: {} }"),
        (
            "environments",
            "environments: [{ name: a, registries: [{ url: \"https://a\" }] }]\ntrust: { s: { keyFile: a, key: \"-----BEGIN PUBLIC KEY-----\" } }"
        ),
        ("identities", "issuers: {}"), ("identities", "issuers: { a: { issuer: \"https://a\" } }"),
        ("identities", "issuers: { a: { issuer: ftp://a, audience: b } }"), ("identities", "issuers: { a: { issuer: \"https://a?b\", audience: b } }"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b, algorithms: none } }"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b, algorithms: HS256 } }"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b, keys: {} } }"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b, keys: { file: /etc/keys } } }"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b, login: {} } }"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b } }\nrules: [{ name: r, issuer: a, claims: {}, grants: { verbs: read } }]"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b } }\nrules: [{ name: r, issuer: a, claims: { c: [] }, grants: { verbs: read } }]"),
        ("identities", "issuers: { a: { issuer: \"https://a\", audience: b } }\nrules: [{ name: r, issuer: a, claims: { c: d }, grants: { verbs: fly } }]"),
        ("policy", "override: { by: [ci], gates: [a], count: 0 }"), ("policy", "gates: [{ approvals: { from: [ci], author: maybe } }]"),
        ("cases", "cases: []"), ("cases", "cases: [{ name: a, expect: pass }]"),
        ("cases", "cases: [{ name: a, expect: deny, given: { presence: [] } }]"),
        ("cases", "cases: [{ name: a, expect: deny, given: { override: { by: a } } }]"),
    ])
    func refuseWhatTheDecoderRefuses(_ schema: String, _ lines: String) throws {
        let place = SchemaPlace(schema, "", "@")
        #expect(!place.mistakes(lines).isEmpty)
        #expect(try !JSONSchema(schema).accepts(yaml: place.text(lines)))
    }

    /// A policy with everything in it is taken by both.
    @Test func acceptEverythingThatThereIs() throws {
        let place = SchemaPlace("policy", "", "@")
        let everything = """
            description: all of it
            mode: warn
            tags: { semver: ^1, prerelease: false, patterns: "1.*", exclude: [1.4], target: [1.4, "{tag}"], existing: same-digest }
            platforms: { require: linux/amd64, others: forbidden }
            labels: { require: { a: b } }
            gates:
              - tag: { semver: ^1 }
              - labels: { require: { a: "regex:[0-9]+" } }
              - annotations: { require: { a: b } }
              - platforms: { require: [linux/arm/v7] }
              - user: { root: forbidden, numeric: true }
              - baseImages: { names: base/*, digests: "sha256:\(String(repeating: "0a", count: 32))" }
              - mediaTypes: { allow: "application/**" }
              - artifactTypes: { allow: ["**"] }
              - size: { max: 1GiB }
              - age: { max: 30d, of: firstSeen }
              - soak: { for: 24h, in: dev, continuous: false }
              - path: { through: all }
              - path: { through: [dev, staging] }
              - quota: { max: 5, per: 1w, of: requester }
              - requesters: { allow: [ci, "token:1"], deny: managers }
              - approvals: { count: 2, from: managers, expires: 48h, requester: counts, author: excluded }
              - evidence: { kind: e2e, result: "pass*", maxAge: 7d, by: [ci, build], missing: deny }
              - sbom: { formats: spdx, by: build, missing: deny }
              - signatures: { by: [build, second], count: 2, of: artifact-and-platforms, missing: wait }
              - provenance: { by: build, builder: "https://b/*", source: "**", ref: refs/heads/main, workflow: "**", requester: { issuer: a, claim: workflow_ref }, missing: wait }
              - name: no bad ones
                vulnerabilities:
                  below: high
                  onlyFixable: true
                  unknownSeverity: allow
                  scanAge: 3d
                  by: scanner
                  missing: deny
                  accept: [{ id: CVE-1, images: shop/*, until: 2027-01-31, reason: because }]
              - freeze:
                  timezone: Europe/Berlin
                  deny: [{ name: weekend, from: fri 16:00, to: mon 08:00 }, { start: 2026-12-20, end: 2027-01-06T12:00 }]
                  allow: [{ days: [mon-thu, fri], from: "09:00", to: "16:00" }]
              - anyOf: [{ allOf: [{ size: { max: 1B } }] }, { not: { size: { max: 1B } } }]
            defaults: [{ soak: { for: 1h } }]
            override: { by: commanders, gates: [soak, no bad ones], count: 2 }
            """
        #expect(place.mistakes(everything) == [])
        #expect(try JSONSchema("policy").accepts(yaml: place.text(everything)))
    }
}

import Foundation
import OCI
import Testing

@testable import PolicyEngine

@Suite("Mistakes in gates, groups and trust")
struct GateLoadingTests {
    /// Each is a list of gates in line 5: `gates: [ … ]`.
    private static let gates = [
        Mistake("[]", at: 5, 8, "gates is an empty list", "name at least one value"),
        Mistake("[soak]", at: 5, 9, "a gate must be a mapping", "write for example '- soak: { for: 24h }'"),
        Mistake("[{}]", at: 5, 9, "the gate does not say what it asks for", "write each gate as '- KIND: { … }'"),
        Mistake("[{ name: a }]", at: 5, 9, "the gate does not say what it asks for", "write each gate as '- KIND: { … }'"),
        Mistake("[{ soak: { for: 1h }, size: { max: 1B } }]", at: 5, 9, "a gate has one kind", "write each gate as '- KIND: { … }'"),
        Mistake("[{ soka: { for: 1h } }]", at: 5, 11, "a gate has no key 'soka'", "did you mean 'soak'?"),
        Mistake("[{ name: [], soak: { for: 1h } }]", at: 5, 17, "name must be a text", "write one value"),
        Mistake("[{ anyOf: { soak: { for: 1h } } }]", at: 5, 18, "anyOf must be a list", "write its gates as"),
        Mistake("[{ anyOf: [] }]", at: 5, 18, "anyOf is an empty list", "name at least one value"),
        Mistake("[{ not: [{ soak: { for: 1h } }] }]", at: 5, 16, "a gate must be a mapping", "write for example"),
        Mistake(
            "[{ allOf: [{ soak: { in: moon, for: 1h } }] }]", at: 5, 33, "environment 'moon' is not in environments.yaml",
            "known: dev, staging, production"),
        Mistake("[{ tag: {} }]", at: 5, 16, "the gate asks for nothing", "add semver"),
        Mistake("[{ annotations: {} }]", at: 5, 24, "annotations requires none", "add 'require:'"),
        Mistake("[{ platforms: { require: [linux/amd64], others: no } }]", at: 5, 56, "others can't be 'no'", "use one of: allowed, forbidden"),
        Mistake("[{ user: {} }]", at: 5, 17, "user does not say what is forbidden", "write 'root: forbidden'"),
        Mistake("[{ user: { root: allowed } }]", at: 5, 25, "root can't be 'allowed'", "use one of: forbidden"),
        Mistake("[{ baseImages: {} }]", at: 5, 23, "no base image is allowed", "add names, digests, or both"),
        Mistake("[{ baseImages: { digests: [abc] } }]", at: 5, 35, "'abc' is no digest", "write sha256: and 64 hexadecimal digits"),
        Mistake("[{ mediaTypes: {} }]", at: 5, 23, "there is no 'allow'", "add 'allow:' with patterns"),
        Mistake("[{ artifactTypes: { allow: [] } }]", at: 5, 35, "allow is an empty list", "name at least one value"),
        Mistake("[{ size: {} }]", at: 5, 17, "there is no 'max'", "add 'max: 500MiB'"),
        Mistake("[{ size: { max: 500 } }]", at: 5, 24, "'500' is no size", "for example 500MiB"),
        Mistake("[{ age: { max: 30 } }]", at: 5, 23, "'30' is no length of time", "for example 90m, 24h or 7d"),
        Mistake("[{ age: { max: 30d, of: build } }]", at: 5, 32, "of can't be 'build'", "use one of: created, firstSeen"),
        Mistake("[{ soak: {} }]", at: 5, 17, "there is no 'for'", "add 'for: 24h'"),
        Mistake("[{ soak: { for: 1h, continuous: 1 } }]", at: 5, 40, "continuous must be true or false", "write true or false"),
        Mistake("[{ path: {} }]", at: 5, 17, "path does not say through which environments", "write 'through: all'"),
        Mistake("[{ path: { through: [stagin] } }]", at: 5, 29, "environment 'stagin' is not in environments.yaml", "did you mean 'staging'?"),
        Mistake("[{ quota: { per: 1h } }]", at: 5, 18, "there is no 'max'", "add 'max: 5'"),
        Mistake("[{ quota: { max: 0, per: 1h } }]", at: 5, 25, "max must be a whole number", "from 1 to 100000"),
        Mistake("[{ quota: { max: 5 } }]", at: 5, 18, "there is no 'per'", "add 'per: 24h'"),
        Mistake("[{ requesters: {} }]", at: 5, 23, "nobody is named", "add allow, deny, or both"),
        Mistake("[{ requesters: { allow: [manager] } }]", at: 5, 33, "group 'manager' is not in environments.yaml", "did you mean 'managers'?"),
        Mistake("[{ requesters: { allow: [ci, ci] } }]", at: 5, 37, "'ci' stands here twice", "name it once"),
        Mistake("[{ requesters: { allow: [build] } }]", at: 5, 33, "group 'build' is not in environments.yaml", "known: managers, ci, commanders"),
        Mistake("[{ approvals: { count: 2 } }]", at: 5, 22, "there is no 'from'", "add 'from: [release-managers]'"),
        Mistake("[{ approvals: { count: 0, from: [ci] } }]", at: 5, 31, "count must be a whole number", "from 1 to 20"),
        Mistake("[{ approvals: { from: [ci], requester: yes } }]", at: 5, 47, "requester can't be 'yes'", "use one of: excluded, counts"),
        Mistake("[{ evidence: {} }]", at: 5, 21, "there is no 'kind'", "add 'kind: integration-tests'"),
        Mistake("[{ evidence: { kind: e2e, missing: allow } }]", at: 5, 43, "missing can't be 'allow'", "use one of: wait, deny"),
        Mistake("[{ evidence: { kind: e2e, by: [nobody] } }]", at: 5, 39, "group or signer 'nobody' is not in environments.yaml", "known: managers"),
        Mistake("[{ sbom: { formats: [spx] } }]", at: 5, 29, "formats can't be 'spx'", "did you mean 'spdx'?"),
        Mistake("[{ sbom: { by: [managers] } }]", at: 5, 24, "signer 'managers' is not in environments.yaml", "known: build, second, scanner"),
        Mistake("[{ signatures: {} }]", at: 5, 23, "there is no 'by'", "name the signers of the environments file"),
        Mistake("[{ signatures: { by: [buidl] } }]", at: 5, 30, "signer 'buidl' is not in environments.yaml", "did you mean 'build'?"),
        Mistake("[{ signatures: { by: [build], count: 2 } }]", at: 5, 23, "2 of 1 signers can never sign", "name more signers, or lower count"),
        Mistake("[{ provenance: {} }]", at: 5, 23, "there is no 'by'", "name the signers of the environments file"),
        Mistake("[{ vulnerabilities: {} }]", at: 5, 28, "there is no 'below'", "add 'below: high'"),
        Mistake("[{ vulnerabilities: { below: severe } }]", at: 5, 37, "below can't be 'severe'", "use one of: negligible"),
        Mistake(
            "[{ vulnerabilities: { below: high, accept: [{ until: 2027-01-01, reason: a }] } }]", at: 5, 52, "there is no 'id'",
            "add 'id: CVE-2026-1234'"),
        Mistake("[{ vulnerabilities: { below: high, accept: [{ id: A, reason: a }] } }]", at: 5, 52, "there is no 'until'", "an exception ends"),
        Mistake(
            "[{ vulnerabilities: { below: high, accept: [{ id: A, until: 2027-01-01 }] } }]", at: 5, 52, "there is no 'reason'",
            "say why it is accepted"),
        Mistake(
            "[{ vulnerabilities: { below: high, accept: [{ id: A, until: soon, reason: a }] } }]", at: 5, 68, "'soon' is no date",
            "write it as 2027-01-31"),
    ]

    @Test(arguments: gates)
    func ofAGateAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        try expect(Samples.mistakes(Samples.policy("p", "gates: \(mistake.lines)")), mistake)
    }

    private static let overrides = [
        Mistake("{ gates: [soak] }", at: 6, 11, "there is no 'by'", "name the groups that may"),
        Mistake("{ by: [ci] }", at: 6, 11, "there is no 'gates'", "name the gates that it opens"),
        Mistake("{ by: [ci], gates: [saok] }", at: 6, 31, "the policy has no gate 'saok'", "did you mean 'soak'?"),
        Mistake("{ by: [ci], gates: [signatures] }", at: 6, 31, "the policy has no gate 'signatures'", "its gates: soak"),
        Mistake("{ by: [cx], gates: [soak] }", at: 6, 18, "group 'cx' is not in environments.yaml", "did you mean 'ci'?"),
    ]

    @Test(arguments: overrides)
    func ofAnOverrideAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        try expect(Samples.mistakes(Samples.policy("p", "gates: [{ soak: { for: 1h } }]\noverride: \(mistake.lines)")), mistake)
    }

    private static let people = [
        Mistake("groups: {}", at: 6, 9, "groups must be a mapping", "or leave the key out"),
        Mistake("groups: { a: [] }", at: 6, 14, "group a is an empty list", "name at least one value"),
        Mistake("groups: { a: x }", at: 6, 14, "a group's member must be a mapping", "write 'key: value' lines: subject, issuer, claims"),
        Mistake("groups: { a: { claims: { b: c } } }", at: 6, 24, "claims count only with their issuer", "add 'issuer: https://idp.example.com'"),
        Mistake(
            "groups: { a: { issuer: \"https://idp\" } }", at: 6, 14, "the member says nobody in particular", "add subject, or claims with issuer"),
        Mistake("groups: { a: { subject: \"regex:(\" } }", at: 6, 25, "'regex:(' is no pattern", "use a glob"),
        Mistake("groups: { \"a:b\": { subject: c } }", at: 6, 11, "'a:b' has a colon", "what has one is somebody's id"),
        Mistake("trust: { a: {} }", at: 6, 13, "the signer has no key", "write one of key, keyFile, keyless, notation"),
        Mistake("trust: { a: { keyFile: b, key: c } }", at: 6, 13, "the signer has more than one of key, keyFile", "write one of"),
        Mistake("trust: { a: { keyFile: /etc/key } }", at: 6, 24, "'/etc/key' is no path inside the policy folder", "keys/release.pub"),
        Mistake("trust: { a: { keyFile: ../key } }", at: 6, 24, "'../key' is no path inside the policy folder", "keys/release.pub"),
        Mistake("trust: { a: { notation: { trustStore: b } } }", at: 6, 25, "there is no 'subject'", "anybody below the roots could sign"),
        Mistake("trust: { a: { key: c } }", at: 6, 20, "this is no public key in PEM", "-----BEGIN PUBLIC KEY-----"),
        Mistake("trust: { a: { keyless: { subject: b } } }", at: 6, 24, "there is no 'issuer'", "a subject is worth what its issuer is worth"),
        Mistake("trust: { a: { keyless: { issuer: b } } }", at: 6, 24, "there is no 'subject'", "anybody at the issuer could sign"),
        Mistake("trust: { a: { keyFile: b, validUntil: never } }", at: 6, 39, "'never' is no date", "write it as 2027-01-31"),
        Mistake(
            "groups: { a: { subject: b } }\ntrust: { a: { keyFile: b } }", at: 7, 1, "'a' names a group and a signer", "give one of them another name"
        ),
    ]

    @Test(arguments: people)
    func ofGroupsAndTrustAreReportedWithPlaceAndRemedy(_ mistake: Mistake) throws {
        let text = "version: 1\nkind: Environments\nenvironments:\n  - name: a\n    registries: [{ url: \"https://a\" }]\n\(mistake.lines)\n"
        try expect(Samples.mistakes(environments: text), mistake)
    }

    private func expect(_ found: [PolicyDiagnostic], _ mistake: Mistake) throws {
        let first = try #require(found.first)
        #expect("\(first.line):\(first.column)" == "\(mistake.line):\(mistake.column)")
        #expect(first.problem.contains(mistake.problem))
        #expect(first.remedy.contains(mistake.remedy))
    }

    @Test func aPolicyHasAtMostTwoHundredGates() {
        let gates = { (count: Int) in Samples.policy("p", "gates:\n" + Array(repeating: "  - size: { max: 1GB }\n", count: count).joined()) }
        #expect(Samples.mistakes(gates(200)) == [])
        #expect(Samples.mistakes(gates(201)).map(\.problem) == ["gates has 201 gates"])
    }

    @Test func everyKindOfGateIsReadWithItsNameAndPlace() throws {
        let set = try Samples.set(
            Samples.policy(
                "p",
                """
                gates:
                  - labels: { require: { a: x, b: y } }
                  - { name: built by us, labels: { require: { a: x, b: y } } }
                  - evidence: { kind: e2e }
                  - soak: { for: 24h, in: dev, continuous: false }
                  - not: { freeze: { timezone: UTC, deny: [{ name: weekend, from: fri 16:00, to: mon 08:00 }] } }
                """))
        let rules = set.policies[0].gates
        #expect(rules.map(\.name) == ["label a", "label b", "built by us", "evidence e2e", "soak", "not"])
        #expect(rules.map(\.source.line) == [6, 6, 7, 8, 9, 10])
        #expect(
            rules.map(\.text) == [
                "label a matches 'x'", "label b matches 'y'", "label a matches 'x', label b matches 'y'", "evidence e2e with the result 'passed'",
                "at least 24h in dev", "not (closed in: weekend (UTC))",
            ])
    }

    @Test func signersAreRead() throws {
        let pem = "-----BEGIN PUBLIC KEY-----\n      MFkw\n      -----END PUBLIC KEY-----"
        let trust = """
            version: 1
            kind: Environments
            environments: [{ name: a, registries: [{ url: "https://a" }] }]
            trust:
              one: { keyFile: keys/one.pub, validFrom: 2026-01-01, validUntil: 2026-12-31 }
              two:
                key: |
                  \(pem)
              three: { keyless: { issuer: "https://ci", subject: "https://ci/build@*" } }
              four: { notation: { trustStore: [certificates/ca.pem], subject: "CN=release,*" }, repository: "registry.example.com/*" }
            """
        let files = [PolicyFile(path: "environments.yaml", text: trust)]
        let set = try PolicySet(files: files, commit: nil)
        #expect(set.signers["three"]?.files == ["trusted_root.json"] && set.signers["four"]?.files == ["certificates/ca.pem"])
        #expect(try set.signers["four"]?.repository == TextPattern(parsing: "registry.example.com/*") && set.trustMaterial.isEmpty)
        // What a signer is checked with decides as much as the policy does: with another key it is another version.
        let key = PolicyFile(path: "keys/one.pub", text: "key")
        let withKey = try PolicySet(files: files + [key, PolicyFile(path: "unused.pem", text: "x")], commit: nil)
        #expect(withKey.trustMaterial == ["keys/one.pub": key] && withKey.version != set.version)
        #expect(try PolicySet(files: files + [PolicyFile(path: "unused.pem", text: "y")], commit: nil).version == set.version)
        #expect(set.signers["one"]?.verification == .keyFile("keys/one.pub") && set.signers["one"]?.source.line == 5)
        #expect(
            set.signers["one"]?.validFrom == Timestamp.date("2026-01-01T00:00:00Z")
                && set.signers["one"]?.validUntil == Timestamp.date("2027-01-01T00:00:00Z"))
        #expect(set.signers["two"]?.verification == .key("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"))
        #expect(set.signers["three"]?.verification == .keyless(issuer: "https://ci", subject: try TextPattern(parsing: "https://ci/build@*")))
    }
}

@Suite("What has to be known")
struct NeedsTests {
    private func needs(_ gates: String..., image: String = "shop/api") throws -> FactNeeds {
        let set = try Samples.set(Samples.policy("p", gates.isEmpty ? "" : "gates: [\(gates.map { "{ \($0) }" }.joined(separator: ", "))]"))
        let facts = try Samples.facts(image: image)
        return set.needs(for: facts.image, from: facts.from, to: facts.to)
    }

    @Test func isNothingWhereNobodyLooks() throws {
        #expect(try needs() == FactNeeds())
        #expect(try needs("size: { max: 1GB }", "freeze: { timezone: UTC, deny: [{ from: fri 16:00, to: mon 08:00 }] }") == FactNeeds())
        #expect(try needs("labels: { require: { a: x } }", image: "other") == FactNeeds())
    }

    @Test(arguments: [
        "labels: { require: { a: x } }", "user: { root: forbidden }", "age: { max: 1d }", "baseImages: { names: [a] }",
        "not: { user: { root: forbidden } }",
        "anyOf: [{ size: { max: 1B } }, { allOf: [{ user: { root: forbidden } }] }]",
    ])
    func isTheConfigurationWhereAGateLooksIntoIt(_ gate: String) throws { #expect(try needs(gate) == FactNeeds(configurations: true)) }

    @Test func isWhatTheGatesLookAt() throws {
        #expect(try needs("platforms: { require: [linux/amd64] }") == FactNeeds(platforms: true))
        for gate in ["soak: { for: 1h }", "path: { through: all }", "age: { max: 1d, of: firstSeen }"] {
            var expected = FactNeeds()
            expected.presence = true
            #expect(try needs(gate) == expected)
        }
        var approvals = FactNeeds()
        approvals.approvals = true
        approvals.identities = true
        #expect(try needs("approvals: { from: [managers] }") == approvals)
        var identities = FactNeeds()
        identities.identities = true
        #expect(try needs("requesters: { allow: [managers] }") == identities)
        #expect(try needs("quota: { max: 1, per: 1h }", "quota: { max: 5, per: 7d }").recentPromotions?.seconds == 604_800)
    }

    @Test func isWhatDefaultsAndOrdersLookAt() throws {
        let set = try Samples.set(Samples.policy("p", "defaults: [{ user: { root: forbidden } }]\noverride: { by: [commanders], gates: [user] }"))
        let facts = try Samples.facts()
        var expected = FactNeeds(configurations: true)
        expected.identities = true
        #expect(set.needs(for: facts.image, from: facts.from, to: facts.to) == expected)
    }

    @Test func arePlatformsToo() throws {
        // Evidence may be bound to a platform's own manifest.
        var expected = FactNeeds(platforms: true)
        expected.signatures = true
        #expect(try needs("signatures: { by: [build] }") == expected)
        expected.sboms = true
        expected.provenance = true
        expected.scans = true
        expected.evidence = ["e2e", "unit"]
        #expect(
            try needs(
                "signatures: { by: [build] }", "sbom: {}", "provenance: { by: [build] }", "vulnerabilities: { below: high }",
                "evidence: { kind: e2e }", "evidence: { kind: unit }")
                == expected)
    }
}

import Foundation
import OCI
import Testing

@testable import PolicyEngine

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite("Test cases of policies")
struct CaseTests {
    private let policy = Samples.policy(
        "p", "gates: [{ soak: { for: 24h } }, { approvals: { from: [managers] } }, { labels: { require: { team: shop } } }]")

    private func run(_ cases: String) throws -> [CaseResult] {
        let head =
            "version: 1\nkind: Cases\nat: 2026-11-25T13:00:00Z\ngiven: { image: shop/api, from: staging, to: production, tag: 1.4.2, labels: { team: shop } }\ncases:\n"
        return try Samples.set(policy, head + cases).runCases()
    }

    @Test func passWhereTheDecisionIsAsExpected() throws {
        let results = try run(
            """
              - name: allowed
                given: { presence: { staging: 30h ago }, approvals: [user:alice] }
                expect: allow
                targetTags: [1.4.2]
              - name: waits for time and people
                given: { presence: { staging: 23h ago }, approvals: [] }
                expect: wait
                gate: soak
                reason: in staging for 23h of 24h
                gates: { approvals: wait, label team: allow }
                retryAt: 2026-11-25T14:00:00Z
              - name: at another time
                at: in 2h
                given: { presence: { staging: 23h ago }, approvals: [user:alice] }
                expect: wait
                retryAt: 2026-11-25T16:00:00Z
              - name: without the label
                given: { labels: { team: web } }
                expect: deny
                gate: label team
                reason: "regex:.*has 'web'.*"
              - name: without a tag
                given: { tag: unknown }
                expect: deny
                gate: target-tag
                targetTags: []
            """)
        #expect(results.map(\.failures) == [[], [], [], [], []])
        #expect(results.map(\.test.name) == ["allowed", "waits for time and people", "at another time", "without the label", "without a tag"])
        #expect(results.map(\.test.source.line) == [6, 10, 17, 22, 27])
    }

    @Test func failWithWhatIsNotAsExpected() throws {
        let results = try run(
            """
              - { name: outcome, given: { presence: { staging: 30h ago }, approvals: [user:alice] }, expect: deny }
              - { name: gate, given: { presence: { staging: 30h ago }, approvals: [] }, expect: wait, gate: soak }
              - { name: no gate, given: { approvals: [] }, expect: wait, gate: sbom }
              - { name: reason, given: { approvals: [] }, expect: wait, gate: approvals, reason: 3 of 7 }
              - { name: gates, given: { approvals: [] }, expect: wait, gates: { soak: deny, sbom: allow } }
              - { name: tags, given: { presence: { staging: 30h ago }, approvals: [user:alice] }, expect: allow, targetTags: [stable] }
              - { name: time, given: { presence: { staging: 23h ago }, approvals: [user:alice] }, expect: wait, retryAt: in 2h }
            """)
        let soak = "it is not known since when sha256:03473f89a784… is in staging; it must be there for 24h"
        #expect(
            results.map(\.failures) == [
                ["expected deny, decided allow: all 5 gates are open"], ["expected gate soak to wait: soak allow: in staging for 1d 6h of 24h"],
                ["no gate 'sbom' was asked; asked: source, target-tag, soak, approvals, label team"],
                ["no reason matches '**3 of 7**': approvals wait: 0 of 1 approvals by managers"],
                ["expected gate soak to deny: soak wait: \(soak)", "expected gate sbom to allow: it was not asked"],
                ["expected the tags stable, would write 1.4.2"], ["expected to wait until 2026-11-25T15:00:00Z, waits until 2026-11-25T14:00:00Z"],
            ])
        #expect(results.allSatisfy { !$0.hasPassed })
    }

    @Test func rulesThatNoCaseHasSeenClosedAreNamed() throws {
        let results = try run("  - { name: a, given: { presence: { staging: 1h ago }, approvals: [user:alice] }, expect: wait }")
        let set = try Samples.set(policy)
        #expect(set.rulesWithoutCases(results).map(\.gate) == ["approvals", "label team"])
        #expect(set.rulesWithoutCases(results).map(\.source.line) == [5, 5])
        #expect(set.rulesWithoutCases([]).count == 3)
    }

    @Test func decideNothing() throws {
        let cases = "version: 1\nkind: Cases\ncases: [{ name: a, expect: deny, given: { image: shop/api, from: dev, to: staging } }]"
        let (with, without) = (try Samples.set(policy, cases), try Samples.set(policy))
        #expect(with.version == without.version && with.policies.count == 1 && with.cases.count == 1 && without.cases.isEmpty)
    }

    /// Each is the one case in line 4 of its file.
    private static let mistakes = [
        Mistake("cases: []", at: 3, 8, "cases is an empty list", "name at least one value"),
        Mistake("given: {}", at: 1, 1, "there is no 'cases'", "add 'cases:'"),
        Mistake("cases:\n  - { expect: deny }", at: 4, 5, "there is no 'name'", "say what the case shows"),
        Mistake("cases:\n  - { name: a, given: { image: b, from: dev, to: staging } }", at: 4, 5, "there is no 'expect'", "add 'expect: deny'"),
        Mistake("cases:\n  - { name: a, expect: allow }", at: 4, 5, "there is no 'image'", "add 'image: shop/api'"),
        Mistake("cases:\n  - { name: a, expect: pass }", at: 4, 24, "expect can't be 'pass'", "use one of: allow, deny, wait"),
        Mistake("cases:\n  - { name: a, given: { imag: b } }", at: 4, 25, "given has no key 'imag'", "did you mean 'image'?"),
        Mistake(
            "given: { from: Dev }\ncases:\n  - { name: a, expect: deny, given: { image: b, to: staging } }", at: 3, 16,
            "'Dev' is no environment name", "use lowercase"),
        Mistake("at: noon\ncases: [{ name: a }]", at: 3, 5, "'noon' is no time", "write 2026-11-27T17:00:00Z, '30h ago', 'in 5m' or 'now'"),
        Mistake("given: { image: A }\ncases: [{ name: a }]", at: 3, 17, "'A' is no repository name", "write an image such as shop/api"),
        Mistake(
            "given: { presence: [] }\ncases: [{ name: a, given: { image: a, from: dev, to: staging } }]", at: 3, 20, "presence must be a mapping",
            "write 'staging: 30h ago' lines"),
        Mistake(
            "given: { scans: [{ findings: [{ id: A, severity: bad }] }] }\ncases: [{ name: a, given: { image: a, from: dev, to: staging } }]", at: 3,
            50, "severity can't be 'bad'", "use one of"),
        Mistake(
            "given: { override: { by: a } }\ncases: [{ name: a, given: { image: a, from: dev, to: staging } }]", at: 3, 20, "there is no 'reason'",
            "an order needs a reason"),
        Mistake(
            "given: { approvals: [{ verdict: yes }] }\ncases: [{ name: a, given: { image: a, from: dev, to: staging } }]", at: 3, 22,
            "there is no 'by'", "add 'by: oidc:alice'"),
        Mistake(
            "given: { digest: \"sha256:0\" }\ncases: [{ name: a, given: { image: a, from: dev, to: staging } }]", at: 3, 18, "a sha256 digest has 64",
            "write a digest, 'same', or any word"),
    ]

    @Test(arguments: mistakes)
    func thatMakeNoSenseAreRefused(_ mistake: Mistake) throws {
        let found = Samples.mistakes([("environments.yaml", Samples.environments), ("p.cases.yaml", "version: 1\nkind: Cases\n\(mistake.lines)\n")])
        let matching = try #require(found.first { $0.problem.contains(mistake.problem) }, "\(found)")
        #expect("\(matching.file):\(matching.line):\(matching.column)" == "p.cases.yaml:\(mistake.line):\(mistake.column)")
        #expect(matching.remedy.contains(mistake.remedy))
    }

    @Test func theReportIsXMLThatACISystemReads() throws {
        let results = try run(
            """
              - { name: "a <b> & \\"c\\" \\x01", given: { approvals: [] }, expect: allow }
              - { name: fine, given: { approvals: [] }, expect: wait }
            """)
        let report = JUnitReport(results).description
        #expect(report.hasPrefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"2\" failures=\"1\" errors=\"0\""))
        #expect(
            report.contains(
                "<testcase classname=\"p1.yaml\" name=\"a &lt;b&gt; &amp; &quot;c&quot; \u{FFFD}\" file=\"p1.yaml\" line=\"6\" time=\"0\">"))
        #expect(report.contains("<testcase classname=\"p1.yaml\" name=\"fine\" file=\"p1.yaml\" line=\"7\" time=\"0\"/>"))
        #expect(report.contains("<failure message=\"expected allow, decided wait: soak: it is not known since when"))
        let reader = XMLReader()
        #expect(reader.read(report) && reader.elements == ["testsuites", "testsuite", "testcase", "failure", "testcase"])
        #expect(reader.names == ["a <b> & \"c\" \u{FFFD}", "fine"])
    }
}

/// Reads the report as a CI system would.
private final class XMLReader: NSObject, XMLParserDelegate {
    private(set) var elements: [String] = []
    private(set) var names: [String] = []

    func read(_ text: String) -> Bool {
        let parser = XMLParser(data: Data(text.utf8))
        parser.delegate = self
        return parser.parse()
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?, attributes: [String: String] = [:]
    ) {
        elements.append(name)
        if name == "testcase" { names.append(attributes["name"] ?? "") }
    }
}

@Suite("What applies, and what would have been decided")
struct ExplanationTests {
    private let house = """
        version: 1
        kind: Policy
        name: house
        match: { images: ["**"] }
        defaults:
          - soak: { for: 24h }
          - sbom: {}
        """

    @Test func rulesAreNamedWithTheirPlaces() throws {
        let shop = Samples.policy(
            "shop",
            "tags: { semver: \"^1\", existing: same-digest, target: [stable] }\ngates:\n  - size: { max: 1GB }\ndefaults:\n  - soak: { for: 1h }\noverride: { by: [commanders], gates: [soak] }"
        )
        let set = try Samples.set(house, shop)
        let facts = try Samples.facts()
        let explanation = set.explain(facts.image, from: facts.from, to: facts.to)
        #expect(explanation.isOpen && explanation.targetTags == ["stable"] && explanation.immutableTags == ["v*"])
        #expect(explanation.immutableTagsSource == SourceLocation(file: "environments.yaml", line: 8))
        #expect(explanation.parts.map(\.policy) == ["house", "shop"] && explanation.parts.map(\.opensStep) == [false, true])
        let rules = explanation.parts.flatMap(\.rules)
        #expect(rules.map(\.gate) == ["soak", "sbom", "tag", "target-tag", "size", "soak"])
        #expect(rules.map(\.source.description) == ["p0.yaml:6", "p0.yaml:7", "p1.yaml:3", "p1.yaml:3", "p1.yaml:7", "p1.yaml:9"])
        #expect(rules.map(\.replacedBy) == [["shop"], [], [], [], [], []] && rules.map(\.overridableBy) == [[], [], [], [], [], ["commanders"]])
        #expect(
            rules.map(\.text).suffix(4) == [
                "version in ^1", "no tag moves", "at most 953.6 MiB", "at least 1h without a break in the source environment",
            ])
    }

    @Test func aClosedStepIsExplainedToo() throws {
        let set = try Samples.set(house)
        let facts = try Samples.facts()
        let explanation = set.explain(facts.image, from: facts.from, to: facts.to)
        #expect(!explanation.isOpen && explanation.parts.map(\.policy) == ["house"])
        let unknown = try #require(EnvironmentName(parsing: "moon"))
        #expect(!set.explain(facts.image, from: facts.from, to: unknown).isOpen)
    }

    @Test func theOpenStepsIntoAnEnvironmentAreKnown() throws {
        let set = try Samples.set(house, Samples.policy("shop"), Samples.policy("direct").replacing("from: staging", with: "from: dev"))
        let facts = try Samples.facts()
        #expect(set.steps(for: facts.image, to: facts.to).map(\.description) == ["dev", "staging"])
        #expect(set.steps(for: try ImageName(parsing: "other"), to: facts.to).isEmpty)
    }

    @Test func aReplayNamesWhatWouldComeOutOtherwise() throws {
        let before = try Samples.set(Samples.policy("p", "gates: [{ approvals: { from: [managers] } }]"))
        let after = try Samples.set(Samples.policy("p", "tags: { semver: \">=1.4.2\" }\ngates: [{ approvals: { from: [managers] } }]"))
        let records = try ["1.4.1", "1.4.2", "1.4.3"].map { tag in
            var facts = try Samples.facts(tag: tag)
            facts.approvals = [
                ApprovalFact(
                    by: Identity(id: "user:alice"), verdict: .approve, at: Samples.now, digest: facts.digest,
                    policyVersion: before.version.description)
            ]
            return RecordedDecision(id: tag, facts: facts, at: Samples.now, decision: before.evaluate(facts, at: Samples.now))
        }
        #expect(records.allSatisfy { $0.decision.outcome == .allow } && before.replay(records).isEmpty)
        let differences = after.replay(records)
        #expect(differences.map(\.recorded.id) == ["1.4.1"] && differences.map(\.replayed.outcome) == [.deny])
        #expect(differences.flatMap(\.gates).map(\.reason).contains("version 1.4.1 is not in the range '>=1.4.2'"))
        // Other tags are a difference too.
        let renamed = try Samples.set(Samples.policy("p", "tags: { target: [stable] }"))
        #expect(renamed.replay(records).count == 3)
    }
}

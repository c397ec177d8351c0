import Foundation
import OCI
import Testing

@testable import PolicyEngine

@Suite("Gates on people")
struct PeopleGateTests {
    private static let ci = "{ id: \"oidc:ci/1\", issuer: \"https://ci.example.test\", claims: { repository: shop/api, ref: refs/heads/main } }"

    private static let requesters = [
        GateExample("requesters: { allow: [managers] }", "requester: user:alice", .allow, "asked for by user:alice"),
        GateExample("requesters: { allow: [managers, ci] }", "requester: \(ci)", .allow, "asked for by oidc:ci/1"),
        GateExample("requesters: { allow: [\"token:7\"] }", "requester: token:7", .allow, "asked for by token:7"),
        GateExample("requesters: { allow: [\"token:7\"] }", "requester: token:77", .deny, "token:77 may not ask for this; one of token:7 may"),
        GateExample("requesters: { allow: [managers, ci] }", "requester: token:7", .deny, "token:7 may not ask for this; one of managers, ci may"),
        GateExample("requesters: { deny: [ci] }", "requester: token:7", .allow, "asked for by token:7"),
        GateExample("requesters: { deny: [ci] }", "requester: \(ci)", .deny, "oidc:ci/1 may not ask for this; not allowed: ci"),
        // Deny wins.
        GateExample(
            "requesters: { allow: [managers], deny: [commanders] }", "requester: user:carol", .deny,
            "user:carol may not ask for this; not allowed: commanders"),
        GateExample(
            "requesters: { allow: [managers] }",
            "requester: { id: \"oidc:9\", name: Alice, issuer: \"https://idp.example.test\", claims: { groups: [dev, release-managers] } }",
            .allow, "asked for by Alice (oidc:9)"),
        // Each of these lacks something: the issuer, the right issuer, one of the claims, the whole value.
        GateExample(
            "requesters: { allow: [managers] }", "requester: { id: \"oidc:9\", claims: { groups: release-managers } }", .deny,
            "oidc:9 may not ask for this; one of managers may"),
        GateExample(
            "requesters: { allow: [managers] }", "requester: { id: \"oidc:9\", issuer: \"https://evil.test\", claims: { groups: release-managers } }",
            .deny,
            "oidc:9 may not ask for this; one of managers may"),
        GateExample(
            "requesters: { allow: [ci] }", "requester: { id: \"oidc:9\", issuer: \"https://ci.example.test\", claims: { repository: shop/api } }",
            .deny,
            "oidc:9 may not ask for this; one of ci may"),
        GateExample(
            "requesters: { allow: [ci] }",
            "requester: { id: \"oidc:9\", issuer: \"https://ci.example.test\", claims: { repository: evil/shop/api, ref: refs/heads/main } }", .deny,
            "oidc:9 may not ask for this; one of ci may"),
    ]

    @Test(arguments: requesters)
    func requestersSay(_ example: GateExample) throws { try example.check() }

    private static let two = "approvals: { count: 2, from: [managers], expires: 48h }"

    private static let approvals = [
        GateExample(two, "approvals: [user:alice, user:bob]", .allow, "approved by user:alice, user:bob"),
        GateExample("approvals: { from: [managers] }", "approvals: [user:bob]", .allow, "approved by user:bob"),
        GateExample(two, "approvals: [user:alice]", .wait, "1 of 2 approvals by managers: user:alice"),
        GateExample(two, "approvals: []", .wait, "0 of 2 approvals by managers"),
        GateExample(two, "", .wait, "no approval is known of sha256:03473f89a784…; 2 by managers needed"),
        // One person is one, however often they approve.
        GateExample(
            two, "approvals: [{ by: user:alice, at: 1h ago }, { by: user:alice, at: 2h ago }]", .wait, "1 of 2 approvals by managers: user:alice"),
        GateExample(
            two, "approvals: [user:alice, token:7]", .wait, "1 of 2 approvals by managers: user:alice; not counted: token:7 is not in managers"),
        GateExample(
            two, "requester: user:bob, approvals: [user:alice, user:bob]", .wait,
            "1 of 2 approvals by managers: user:alice; not counted: user:bob is the requester"),
        GateExample(
            "approvals: { from: [managers], requester: counts }", "requester: user:bob, approvals: [user:bob]", .allow, "approved by user:bob"),
        GateExample(
            two, "approvals: [user:alice, { by: user:bob, digest: other }]", .wait,
            "1 of 2 approvals by managers: user:alice; not counted: user:bob spoke of sha256:d9298a10d1b0…"),
        GateExample(
            two, "approvals: [user:alice, { by: user:bob, policyVersion: old }]", .wait,
            "1 of 2 approvals by managers: user:alice; not counted: user:bob spoke under another policy version"),
        GateExample(
            two, "approvals: [user:alice, { by: user:bob, at: 49h ago }]", .wait,
            "1 of 2 approvals by managers: user:alice; not counted: user:bob approved at 2026-11-23T12:00:00Z, more than 48h ago"),
        GateExample(two, "approvals: [user:alice, { by: user:bob, at: 48h ago }]", .allow, "approved by user:bob, user:alice"),
        GateExample(
            two, "approvals: [user:alice, user:bob, { by: user:carol, verdict: reject, comment: too late in the day }]", .deny,
            "rejected by user:carol: too late in the day"),
        // The last word counts.
        GateExample(
            two, "approvals: [{ by: user:bob, at: 2h ago, verdict: reject }, { by: user:bob, at: 1h ago }, { by: user:alice, at: 3h ago }]", .allow,
            "approved by user:alice, user:bob"),
        GateExample(
            "approvals: { from: [managers] }", "approvals: [{ by: user:bob, at: 1h ago, verdict: reject }, { by: user:bob, at: 2h ago }]", .deny,
            "rejected by user:bob"),
        // Somebody who has no say can't reject either; the requester can.
        GateExample(
            "approvals: { from: [managers] }", "approvals: [user:bob, { by: token:7, verdict: reject }]", .allow, "approved by user:bob"),
        GateExample(
            "approvals: { from: [managers] }", "requester: user:carol, approvals: [user:bob, { by: user:carol, verdict: reject }]", .deny,
            "rejected by user:carol"),
    ]

    /// The same person by a token, by a session, by a pipeline's token that was declared to be theirs.
    private static let owned = [
        GateExample(
            two, "approvals: [user:alice, { by: { id: \"user:alice-2\", owner: \"user:alice\" } }]", .wait, "1 of 2 approvals by managers: user:alice"),
        GateExample(
            "approvals: { from: [managers] }", "requester: { id: \"token:1\", owner: \"user:bob\" }, approvals: [user:bob]", .wait,
            "0 of 1 approvals by managers; not counted: user:bob is the requester"),
        GateExample(
            "approvals: { from: [managers, \"token:1\"] }", "requester: user:bob, approvals: [{ by: { id: \"token:1\", owner: \"user:bob\" } }]", .wait,
            "0 of 1 approvals by managers, token:1; not counted: token:1 is the requester"),
        GateExample(
            "approvals: { from: [managers, \"token:1\"] }", "requester: user:bob, approvals: [{ by: { id: \"token:1\", owner: \"user:eve\" } }]", .allow,
            "approved by token:1"),
    ]

    @Test(arguments: owned)
    func onePersonCountsOnceWhateverTheyComeWith(_ example: GateExample) throws { try example.check() }

    private static let byAda = "policyAuthor: \"Ada <Ada@example.test>\""
    private static func manager(_ email: String) -> String {
        "{ by: { id: \"oidc:9\", issuer: \"https://idp.example.test\", claims: { groups: release-managers\(email) } } }"
    }
    private static let notTheAuthor = "approvals: { from: [managers], author: excluded }"
    private static let authors = [
        GateExample(notTheAuthor, "\(byAda), approvals: [\(manager(", email: bob@example.test"))]", .allow, "approved by oidc:9"),
        GateExample(notTheAuthor, "\(byAda), approvals: [\(manager(", email: ada@EXAMPLE.test"))]", .wait, "0 of 1 approvals by managers; not counted: oidc:9 wrote the policy"),
        GateExample(
            notTheAuthor, "\(byAda), approvals: [\(manager(", email: [bob@example.test, ada@example.test]"))]", .wait,
            "0 of 1 approvals by managers; not counted: oidc:9 wrote the policy"),
        GateExample(
            notTheAuthor, "\(byAda), approvals: [\(manager(""))]", .wait,
            "0 of 1 approvals by managers; not counted: oidc:9 may have written the policy: the claim 'email' is missing"),
        GateExample(
            notTheAuthor, "approvals: [\(manager(", email: bob@example.test"))]", .wait,
            "0 of 1 approvals by managers; not counted: oidc:9 may have written the policy: it comes from no commit with an author's address"),
        GateExample("approvals: { from: [managers] }", "\(byAda), approvals: [\(manager(", email: ada@example.test"))]", .allow, "approved by oidc:9"),
    ]

    @Test(arguments: authors)
    func whoWroteThePolicyCanBeExcluded(_ example: GateExample) throws { try example.check() }

    /// An order that needs two persons is opened by two, and by nobody twice.
    @Test func twoPersonsMustOrderWhatTheirPolicySaysTwoMust() throws {
        let set = try Samples.set(Samples.policy("p", "gates: [{ approvals: { from: [managers] } }]\noverride: { by: [managers, \"token:1\"], gates: [approvals], count: 2 }"))
        func outcome(_ orders: OverrideFact...) throws -> Decision {
            var facts = try Samples.facts()
            facts.approvals = []
            (facts.override, facts.overrides) = (orders.last, orders)
            return set.evaluate(facts, at: Samples.now)
        }
        func order(_ id: String, owner: String? = nil, _ reason: String = "outage") -> OverrideFact {
            OverrideFact(by: Identity(id: id, owner: owner), reason: reason, at: Samples.now)
        }
        let one = try outcome(order("user:alice"))
        #expect(one.outcome == .wait && one.gates.contains { $0.reason.contains("1 of 2 orders to open it: user:alice") })
        #expect(try outcome(order("user:alice"), order("user:alice")).outcome == .wait)
        #expect(try outcome(order("user:alice"), order("token:1", owner: "user:alice")).outcome == .wait)
        #expect(try outcome(order("user:alice"), order("token:7")).outcome == .wait)
        #expect(try outcome(order("user:alice"), order("user:bob", " ")).outcome == .wait)
        let both = try outcome(order("user:alice"), order("user:bob", "outage, confirmed"))
        #expect(both.outcome == .allow && both.gates.contains { $0.isOverridden && $0.reason.contains("user:bob: outage, confirmed") })
    }

    @Test(arguments: approvals)
    func approvalsSay(_ example: GateExample) throws { try example.check() }

    @Test func theRequesterIsKnownByIdAndByIdentity() throws {
        let set = try Samples.set(Samples.policy("p", "gates: [{ approvals: { from: [managers] } }]"))
        var facts = try Samples.facts()
        facts.requesterIdentity = Identity(id: "user:dave", issuer: nil, claims: [:])
        for id in ["user:dave", facts.requester] {
            facts.approvals = [
                ApprovalFact(by: Identity(id: id), verdict: .approve, at: Samples.now, digest: facts.digest, policyVersion: set.version.description)
            ]
            #expect(set.evaluate(facts, at: Samples.now).outcome == .wait)
        }
    }

    @Test func anApprovalUnderTheFormerPolicyDoesNotCount() throws {
        let before = try Samples.set(Samples.policy("p", "gates: [{ approvals: { from: [managers] } }]"))
        let after = try Samples.set(Samples.policy("p", "gates: [{ approvals: { from: [managers, commanders] } }]"))
        var facts = try Samples.facts()
        facts.approvals = [
            ApprovalFact(
                by: Identity(id: "user:alice"), verdict: .approve, at: Samples.now, digest: facts.digest, policyVersion: before.version.description)
        ]
        #expect(before.evaluate(facts, at: Samples.now).outcome == .allow && after.evaluate(facts, at: Samples.now).outcome == .wait)
    }

    @Test func claimsWithoutAnIssuerMakeNobodyAMember() throws {
        // A group that asks for claims and names no issuer can't be loaded; were there one, it would have nobody in it.
        let member = GroupMember(subject: nil, issuer: nil, claims: ["a": try TextPattern(parsing: "*")])
        #expect(!member.matches(Identity(id: "x", issuer: nil, claims: ["a": ["b"]])))
    }
}

import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// What could go on, what is missing, and what other policies would have said: the commands as people use them.
@Suite(.inTurn) struct NextAndReplayTests {
    @Test func whatIsMissingIsSaidAndGivenOnTheCommandLine() async throws {
        let lift = try await Lift.make()
        try lift.folder.write(
            """
            version: 1
            kind: Policy
            name: shop
            match: { images: ["shop/**"], from: dev, to: test }
            gates:
              - approvals: { from: [managers] }
              - evidence: { kind: tests }
              - vulnerabilities: { below: high }
            """, to: "policies/shop.yaml")
        let environments = try String(contentsOfFile: lift.folder.path("policies/environments.yaml"), encoding: .utf8)
        try lift.folder.write(environments + "\ngroups:\n  managers: [{ issuer: shiplift, claims: { groups: managers } }]\n", to: "policies/environments.yaml")
        try await lift.shared.push(try ImageFixture.index(labels: Lift.labels, seed: 1), to: "dev/shop/api", tag: "1.0.0")
        try await lift.shared.push(try ImageFixture.index(labels: Lift.labels, seed: 2), to: "dev/shop/api", tag: "1.1.0")
        try await lift.shared.push(try ImageFixture.index(seed: 3), to: "dev/shop/api", tag: "0.9.0")
        let service = try await lift.start()

        let before = try await lift.command("next", "shop/api", "--to", "test")
        #expect(before.status == .exited(5), "\(before.errors)")
        #expect(before.output.contains("shop/api: dev → test") && before.output.contains("evidence tests: no tests is known") && before.output.contains("(shop.yaml:"))
        let states: PageResource<EligibilityResource> = try await lift.json(["next", "shop/api", "--to", "test"])
        let items = states.items.flatMap(\.items)
        #expect(Dictionary(items.map { ($0.tag ?? "", $0.state) }) { $1 } == ["1.0.0": "waiting", "1.1.0": "waiting", "0.9.0": "denied"])
        let paged: EligibilityResource = try await Caller.admin(of: lift).answer("GET", "/v1/eligibility?image=shop/api&to=test&limit=2")
        #expect(paged.items.count == 2 && paged.next != nil)
        let rest: EligibilityResource = try await Caller.admin(of: lift).answer("GET", "/v1/eligibility?image=shop/api&to=test&limit=2&cursor=\(paged.next ?? "")")
        #expect(Set((paged.items + rest.items).compactMap(\.tag)) == ["0.9.0", "1.0.0", "1.1.0"] && rest.next == nil)

        let promotion = try await lift.request("shop/api:1.0.0", from: "dev", to: "test")
        let admin = try Caller.admin(of: lift)
        _ = try await admin.waiting(promotion.id)
        let status = try await lift.command("status", promotion.id)
        for part in ["1 of managers: shiplift approve \(promotion.id)", "shiplift evidence post \(promotion.digest) --kind tests", "shiplift scan post FILE"] {
            #expect(status.output.contains(part), "\(status.output)")
        }
        let posted = try await lift.command("evidence", "post", promotion.digest, "--kind", "tests")
        #expect(posted.status == .exited(0) && posted.output.contains("counts for evidence tests of shop") && posted.output.contains(promotion.id))
        let report = #"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Target":"a","Class":"os-pkgs"}]}"#
        try lift.folder.write(report, to: "report.json")
        let scan = try await lift.command("scan", "post", lift.folder.path("report.json"), "--digest", promotion.digest)
        #expect(scan.status == .exited(0) && scan.output.contains("nothing found") && scan.output.contains("counts for vulnerabilities of shop"), "\(scan.errors)")
        let listed = try await lift.command("evidence", "list", promotion.digest)
        #expect(listed.output.contains("tests") && listed.output.contains("scan by trivy"))

        let made = try await lift.command("token", "create", "ada", "--role", "approver", "--group", "managers")
        try lift.folder.write(made.output, to: "ada")
        let refused = try await lift.command("approve", promotion.id)
        #expect(refused.status == .exited(3) && refused.errors.contains("is in none of managers"))
        let approved = try await lift.command("approve", promotion.id, "--comment", "read it", "--wait", "--token-file", lift.folder.path("ada"))
        #expect(approved.status == .exited(0) && approved.output.contains("succeeded"), "\(approved.output)\(approved.errors)")
        let after: PageResource<EligibilityResource> = try await lift.json(["next", "shop/api:1.0.0", "--to", "test"])
        #expect(after.items.first?.items.first?.state == "present")
        try await replay(lift, promotion)
        try await service.terminate()
    }

    private func replay(_ lift: Lift, _ promotion: PromotionResource) async throws {
        let same = try await lift.command("policy", "replay", "--since", "1h", lift.folder.path("policies"))
        #expect(same.status == .exited(0) && same.output.contains("0 would differ"), "\(same.output)\(same.errors)")
        for file in ["environments.yaml", "dev-to-test.yaml"] {
            try lift.folder.write(try String(contentsOfFile: lift.folder.path("policies/\(file)"), encoding: .utf8), to: "changed/\(file)")
        }
        try lift.folder.write(
            "version: 1\nkind: Policy\nname: small\nmatch: { images: ['shop/**'], to: test }\ngates: [{ size: { max: 1KiB } }]\n", to: "changed/small.yaml")
        let changed = try await lift.command("policy", "replay", "--since", "1h", lift.folder.path("changed"), "-o", "json")
        #expect(changed.status == .exited(4))
        struct Result: Codable {
            struct Difference: Codable {
                let promotion: String
                let before: String
                let after: String
                let gates: [GateResource]
            }
            let decisions: Int
            let differences: [Difference]
        }
        let result = try APIJSON.decoder().decode(Result.self, from: Data(changed.output.utf8))
        #expect(result.decisions >= 2 && result.differences.allSatisfy { $0.promotion == promotion.id && $0.after == "deny" })
        #expect(Set(result.differences.map(\.before)) == ["wait", "allow"])
        #expect(result.differences.first?.gates.contains { $0.gate == "size" && $0.reason.contains("1 KiB") } == true)
    }
}

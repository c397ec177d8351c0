import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Each kind of gate with each of its outcomes through the real API, on real registries: the table of Tests/README.md.
@Suite(.inTurn) struct GateTests {
    private let hand = SigningHand()
    private let seen = SeenOutcomes()

    /// Policies about what people and pipelines give, and about what has happened.
    private static let live = [
        "approvals": "approvals: { count: 2, from: [release-managers], expires: 1h }",
        "rejected": "approvals: { count: 1, from: [release-managers] }",
        "evidence": "evidence: { kind: integration-tests, by: [pipelines] }",
        "failing": "evidence: { kind: integration-tests }",
        "vulnerabilities": "vulnerabilities: { below: high, scanAge: 24h, accept: [{ id: CVE-2024-24790, until: 2099-12-31, reason: not reachable }] }",
        "requesters": "requesters: { allow: [pipelines], deny: [release-managers] }",
        "soak": "soak: { for: 2s }",
        "quota": "quota: { max: 1, per: 1h }",
        "path": "path: { through: [dev] }",
        "fresh": "age: { max: 30d, of: firstSeen }",
        "check": "check: { endpoint: ticket }",
    ]

    private static let groups = """

        groups:
          release-managers: [{ issuer: shiplift, claims: { groups: release-managers } }]
          incident-commanders: [{ issuer: shiplift, claims: { groups: incident-commanders } }]
          pipelines: [{ issuer: shiplift, claims: { groups: pipelines } }]

        """

    private func lift(check port: Int, _ gates: [StaticGate]) async throws -> Lift {
        let lift = try await Lift.make()
        let environments = try String(contentsOfFile: lift.folder.path("policies/environments.yaml"), encoding: .utf8)
        try lift.folder.write("correct horse battery staple, and more\n", to: "secret")
        let more = """
            trust: { release: { keyFile: keys/release.pub } }
            checks:
              ticket: { url: "http://127.0.0.1:\(port)/", plainHTTP: true, timeout: 5s, secret: { fromFile: "\(lift.folder.path("secret"))" } }

            """
        try lift.folder.write(environments + Self.groups + more, to: "policies/environments.yaml")
        try lift.folder.write(hand.publicKey, to: "policies/keys/release.pub")
        for gate in gates {
            try lift.folder.write(gate.policy, to: "policies/gate-\(gate.name).yaml")
            for test in gate.cases {
                try await lift.shared.push(test.image, to: "dev/gates/\(gate.name)", tag: test.tag)
                if !test.attached.isEmpty { try await lift.shared.attach(test.attached, to: test.image.root, in: "dev/gates/\(gate.name)") }
            }
        }
        for (name, rule) in Self.live {
            try lift.folder.write(Self.policy(name, rule), to: "policies/live-\(name).yaml")
            for (index, tag) in ["1.0.0", "2.0.0", "3.0.0"].enumerated() {
                try await lift.shared.push(try GateImages.image(UInt64(100 + index)), to: "dev/live/\(name)", tag: tag)
            }
        }
        try lift.folder.write(
            Self.policy(
                "override", "freeze: { timezone: UTC, deny: [{ name: moving, start: 2020-01-01, end: 2099-12-30 }] }",
                "\noverride: { by: [incident-commanders], gates: [freeze] }"), to: "policies/live-override.yaml")
        try lift.folder.write(Self.policy("warned", "user: { root: forbidden }", "\nmode: warn"), to: "policies/live-warned.yaml")
        for (name, tag) in [("override", "1.0.0"), ("override", "2.0.0"), ("warned", "1.0.0")] {
            try await lift.shared.push(try GateImages.image(200 + UInt64(tag.first == "2" ? 1 : 0)), to: "dev/live/\(name)", tag: tag)
        }
        try lift.folder.write(
            "version: 1\nkind: Policy\nname: warned-step\nmatch: { images: [live/warned], from: dev, to: test }\n", to: "policies/live-warned-step.yaml")
        return lift
    }

    private static func policy(_ name: String, _ rule: String, _ more: String = "") -> String {
        "version: 1\nkind: Policy\nname: \(name)\nmatch: { images: [live/\(name)], from: dev, to: test }\ngates:\n  - \(rule)\(more)\n"
    }

    private func expect(
        _ decision: DecisionResource?, _ gate: String, _ outcome: String, _ reason: String = "", kind: String? = nil, location: SourceLocation = #_sourceLocation
    ) {
        let found = decision?.gates.first { $0.gate == gate }
        seen.note(kind ?? Self.kind(of: gate), found?.outcome)
        let shown = "\(gate): \(found?.outcome ?? "none") \(found?.reason ?? "")"
        #expect(found?.outcome == outcome && (reason.isEmpty || found?.reason.contains(reason) == true), "\(shown)", sourceLocation: location)
        #expect(found?.source.contains(".yaml:") == true, sourceLocation: location)
    }

    /// The key in policy files of a gate whose rule has no name of its own.
    private static func kind(of gate: String) -> String {
        let first = gate.split(separator: " ").first.map(String.init) ?? gate
        return ["label": "labels", "annotation": "annotations"][first] ?? first
    }

    @Test func eachKindGivesItsOutcomesThroughTheAPI() async throws {
        let gates = try StaticGate.all() + StaticGate.attached(signedBy: hand)
        let port = try FreePort.take()
        let lift = try await lift(check: port, gates)
        let service = try await lift.start()
        let admin = try Caller.admin(of: lift)
        for gate in gates {
            for test in gate.cases {
                expect(try await admin.decision("gates/\(gate.name)", test.tag), gate.gate, test.outcome, test.reason, kind: gate.kind)
            }
        }
        try await time(admin, lift)
        try await check(admin, lift, port)
        try await approvals(admin, lift)
        try await rejection(admin)
        try await evidence(admin)
        try await scans(admin)
        try await requesters(admin)
        try await override(admin, lift)
        try await warning(admin)
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
        for (kind, cells) in try GateTable.rows() {
            for (outcome, cell) in cells {
                let isPossible = cell == "✓"
                #expect(isPossible || cell.hasPrefix("– "), "\(kind) \(outcome): ✓, or why it can't be")
                #expect(seen.has(kind, outcome) == isPossible, "\(kind) \(outcome)")
            }
        }
    }

    /// A service outside that says what it is told to say.
    private func check(_ admin: Caller, _ lift: Lift, _ port: Int) async throws {
        try lift.folder.write("allow", to: "answer")
        let server = try ChildProcess(
            "python3", ["-c", ExternalCheckTests.server, lift.folder.path("secret"), "\(port)", lift.folder.path("seen"), lift.folder.path("answer")],
            environment: ["PATH": "/usr/bin:/bin"], logs: lift.folder, name: "check")
        defer { server.signal(SIGKILL) }
        try await eventually("the check to listen", within: .seconds(20)) {
            do { return try await LoopbackHTTP.send("GET", "/", port: port).status == 501 } catch is HarnessError { return false }
        }
        for (answer, word) in [("allow", "yes"), ("deny", "no"), ("wait", "not yet")] {
            try lift.folder.write(answer, to: "answer")
            expect(try await admin.decision("live/check", "1.0.0"), "check ticket", answer, "ticket says \(word): ticket CHG-7")
        }
    }

    /// Soak time, path and quota: what Shiplift has seen itself.
    private func time(_ admin: Caller, _ lift: Lift) async throws {
        // By digest nobody has seen it under a tag yet.
        let fresh = try GateImages.image(100)
        let unseen: DryRunResource = try await admin.answer(
            "POST", "/v1/promotions",
            PromotionRequestBody(image: "live/fresh", from: "dev", to: "test", digest: fresh.digest.description, targetTags: ["9.0.0"], dryRun: true))
        expect(unseen.decision, "age", "wait", "it is not known when")
        expect(try await admin.decision("live/fresh", "1.0.0"), "age", "allow", "first seen")
        let waiting = try await admin.promote("live/soak", "1.0.0")
        expect(try await admin.promotion(waiting.id, wait: 10).decision, "soak", "allow", "of 2s")
        #expect(try await admin.promotion(waiting.id, wait: 10).state == "succeeded")
        expect(try await admin.decision("live/path", "1.0.0"), "path", "allow", "has been in dev")
        let counted = try await admin.promote("live/quota", "1.0.0", wait: 10)
        #expect(counted.state == "succeeded")
        expect(counted.decision, "quota", "allow", "0 of 1")
        let full = try await admin.decision("live/quota", "2.0.0")
        expect(full, "quota", "wait", "1 of 1 in 1h")
        #expect(full.retryAt != nil && full.gates.first { $0.gate == "quota" }?.retryAt == full.retryAt)
    }

    private func approvals(_ admin: Caller, _ lift: Lift) async throws {
        let pipeline = try await admin.colleague("shop-ci", role: "promoter", groups: ["release-managers"])
        let ada = try await admin.colleague("ada", role: "approver", groups: ["release-managers"])
        let bob = try await admin.colleague("bob", role: "approver", groups: ["release-managers"])
        let eve = try await admin.colleague("eve", role: "approver")
        let promotion = try await pipeline.promote("live/approvals", "1.0.0")
        let path = "/v1/promotions/\(promotion.id)"
        let waiting = try await pipeline.waiting(promotion.id)
        expect(waiting.decision, "approvals", "wait", "0 of 2 approvals by release-managers")
        #expect(waiting.requests?.first?.wishes == [GateRequestResource.Wish(give: "approval", by: ["release-managers"], count: 2)])
        let refused = [(pipeline, "a token of a pipeline"), (eve, "somebody in no group"), (admin, "an administrator in no group")]
        for (caller, who) in refused { #expect(try await caller.send("POST", path + "/approve").status == 403, "\(who)") }
        // The same person twice is one.
        for comment in ["looks good", "still looks good"] {
            let _: PromotionResource = try await ada.answer("POST", path + "/approve", VerdictBody(comment: comment), status: 202)
        }
        try await eventually("the first approval to be seen") {
            try await admin.promotion(promotion.id).decision?.gates.contains { $0.reason.contains("1 of 2 approvals by release-managers: ada") } == true
        }
        _ = try await admin.waiting(promotion.id)
        let start = ContinuousClock.now
        let _: PromotionResource = try await bob.answer("POST", path + "/approve", status: 202)
        let end = try await admin.promotion(promotion.id, wait: 10)
        #expect(end.state == "succeeded", "\(end.decision?.summary ?? "")")
        #expect(ContinuousClock.now - start < .seconds(5), "it goes on at once")
        expect(end.decision, "approvals", "allow", "approved by ada")
        #expect(try await bob.send("POST", path + "/approve").status == 409)
        let verdicts: PageResource<VerdictResource> = try await admin.answer("GET", path + "/verdicts")
        #expect(verdicts.items.map(\.comment) == ["looks good", "still looks good", nil] && verdicts.items.map(\.name) == ["ada", "ada", "bob"])
        #expect(verdicts.items.allSatisfy { $0.digest == promotion.digest && $0.policyVersion == end.policyVersion })
        #expect(try await lift.acts(of: promotion.id).filter { $0 == "promotion.approved" }.count == 3)
    }

    private func rejection(_ admin: Caller) async throws {
        let manager = try await admin.colleague("carol", role: "approver", groups: ["release-managers"])
        let promotion = try await admin.promote("live/rejected", "1.0.0")
        _ = try await admin.waiting(promotion.id)
        let _: PromotionResource = try await manager.answer(
            "POST", "/v1/promotions/\(promotion.id)/reject", VerdictBody(comment: "not before the migration"), status: 202)
        let end = try await admin.promotion(promotion.id, wait: 10)
        #expect(end.state == "denied")
        expect(end.decision, "approvals", "deny", "rejected by carol")
        #expect(end.decision?.summary.contains("not before the migration") == true)
        // Who asks may withdraw, and neither say yes nor break the glass, whatever the rights.
        let own = try await admin.colleague("heidi", role: "admin", groups: ["release-managers", "incident-commanders"])
        let asked = try await own.promote("live/rejected", "2.0.0")
        _ = try await own.waiting(asked.id)
        let refused = try await own.send("POST", "/v1/promotions/\(asked.id)/approve")
        #expect(refused.status == 403 && refused.text.contains("who asks for a promotion can't approve it"))
        let _: PromotionResource = try await own.answer("POST", "/v1/promotions/\(asked.id)/reject", status: 202)
        #expect(try await own.promotion(asked.id, wait: 10).state == "denied")
        let frozen = try await own.promote("live/override", "2.0.0")
        _ = try await own.waiting(frozen.id)
        let glass = try await own.send("POST", "/v1/promotions/\(frozen.id)/override", VerdictBody(reason: "INC-1"))
        #expect(glass.status == 403 && glass.text.contains("a second person must"))
    }

    private func evidence(_ admin: Caller) async throws {
        let pipeline = try await admin.colleague("tests", role: "reporter", groups: ["pipelines"], images: ["live/*"])
        let stranger = try await admin.colleague("stranger", role: "reporter")
        let promotion = try await admin.promote("live/evidence", "1.0.0")
        let waiting = try await admin.waiting(promotion.id)
        expect(waiting.decision, "evidence integration-tests", "wait", "post integration-tests with the result 'passed' as pipelines")
        var body = EvidenceBody(digest: promotion.digest, kind: "integration-tests", result: "passed", url: "https://ci.example.test/1")
        // Anybody's word is kept; whose counts, the policy says.
        let ignored: PostedResource = try await stranger.answer("POST", "/v1/evidence", body, status: 201)
        #expect(ignored.promotions.contains(promotion.id) && ignored.gates.contains { $0.policy == "evidence" && !$0.counts })
        try await eventually("the stranger's word to be seen") {
            try await admin.promotion(promotion.id).decision?.summary.contains("by somebody who counts") == true
        }
        #expect(try await pipeline.send("POST", "/v1/evidence", body).status == 403, "a token for some images must name one")
        body.image = "live/evidence"
        body.details = .object(["run": .integer(17)])
        let counted: PostedResource = try await pipeline.answer("POST", "/v1/evidence", body, status: 201)
        #expect(counted.gates.map(\.policy) == ["evidence"] && counted.gates.allSatisfy(\.counts))
        let end = try await admin.promotion(promotion.id, wait: 10)
        #expect(end.state == "succeeded")
        expect(end.decision, "evidence integration-tests", "allow", "said 'passed'")
        #expect(end.decision?.gates.first { $0.gate == "evidence integration-tests" }?.evidence == [counted.statement.content ?? ""])
        let listed: PageResource<StatementResource> = try await admin.answer("GET", "/v1/evidence?digest=\(promotion.digest)")
        #expect(listed.items.map(\.postedByName) == ["tests", "stranger"] && listed.items.first?.details == .object(["run": .integer(17)]))
        // The same digest under another name: the pipeline spoke of one image, the stranger of the digest wherever it is.
        let failing = try await admin.decision("live/failing", "1.0.0")
        expect(failing, "evidence integration-tests", "allow", "said 'passed'")
        body.result = "failed"
        body.image = "live/failing"
        let _: PostedResource = try await pipeline.answer("POST", "/v1/evidence", body, status: 201)
        expect(try await admin.decision("live/failing", "1.0.0"), "evidence integration-tests", "deny", "said 'failed'")
    }

    private func scans(_ admin: Caller) async throws {
        let scanner = try await admin.colleague("trivy", role: "reporter")
        let promotion = try await admin.promote("live/vulnerabilities", "2.0.0")
        _ = try await admin.waiting(promotion.id)
        let path = "/v1/evidence/scans?digest=\(promotion.digest)"
        func report(_ id: String, _ severity: String, of digest: String? = nil) -> String {
            let subject = digest.map { #","Metadata":{"RepoDigests":["a/b@\#($0)"]}"# } ?? ""
            return
                #"{"SchemaVersion":2,"ArtifactName":"a"\#(subject),"Results":[{"Target":"a","Class":"os-pkgs","Vulnerabilities":[{"VulnerabilityID":"\#(id)","PkgName":"libc6","FixedVersion":"2","Severity":"\#(severity)"}]}]}"#
        }
        #expect(try await scanner.send("POST", path, raw: "{}").status == 422)
        #expect(try await scanner.send("POST", path, raw: report("CVE-2024-1", "LOW", of: "sha256:" + String(repeating: "0", count: 64))).status == 422, "of another image")
        // An accepted one does not close the gate, nor does one below.
        let posted: PostedResource = try await scanner.answer("POST", path, raw: report("CVE-2024-24790", "CRITICAL", of: promotion.digest), status: 201)
        #expect(posted.statement.findings == ["critical": 1] && posted.statement.format == "trivy" && posted.gates.contains { $0.policy == "vulnerabilities" && $0.counts })
        let end = try await admin.promotion(promotion.id, wait: 10)
        #expect(end.state == "succeeded", "\(end.decision?.summary ?? "")")
        expect(end.decision, "vulnerabilities", "allow", "accepted: CVE-2024-24790")
        let other: DryRunResource = try await admin.answer(
            "POST", "/v1/promotions", PromotionRequestBody(image: "live/vulnerabilities", from: "dev", to: "test", tag: "3.0.0", dryRun: true))
        expect(other.decision, "vulnerabilities", "wait", "no scan")
        let bad = #"{"matches":[{"vulnerability":{"id":"CVE-2024-9","severity":"High","fix":{"versions":[]}},"artifact":{"name":"openssl"}}],"descriptor":{"name":"grype"}}"#
        let _: PostedResource = try await scanner.answer("POST", "/v1/evidence/scans?digest=\(other.digest)", raw: bad, status: 201)
        expect(try await admin.decision("live/vulnerabilities", "3.0.0"), "vulnerabilities", "deny", "CVE-2024-9 (high in openssl)")
    }

    private func requesters(_ admin: Caller) async throws {
        let allowed = try await admin.colleague("ci", role: "promoter", groups: ["pipelines"])
        let denied = try await admin.colleague("dave", role: "promoter", groups: ["pipelines", "release-managers"])
        let accepted = try await allowed.promote("live/requesters", "1.0.0", wait: 10)
        #expect(accepted.state == "succeeded")
        expect(accepted.decision, "requesters", "allow", "asked for by ci")
        let refused = try await denied.promote("live/requesters", "2.0.0", wait: 10)
        #expect(refused.state == "denied")
        expect(refused.decision, "requesters", "deny", "not allowed: release-managers")
        expect(try await admin.decision("live/requesters", "1.0.0"), "requesters", "deny", "one of pipelines may")
    }

    private func override(_ admin: Caller, _ lift: Lift) async throws {
        let commander = try await admin.colleague("frank", role: "approver", groups: ["incident-commanders"])
        let manager = try await admin.colleague("gina", role: "approver", groups: ["release-managers"])
        let promotion = try await admin.promote("live/override", "1.0.0")
        let waiting = try await admin.waiting(promotion.id)
        expect(waiting.decision, "freeze", "wait", "moving")
        #expect(waiting.requests?.first?.overridableBy == ["incident-commanders"])
        let path = "/v1/promotions/\(promotion.id)/override"
        #expect(try await commander.send("POST", path, VerdictBody(reason: "  ")).status == 422)
        #expect(try await manager.send("POST", path, VerdictBody(reason: "INC-1")).status == 403)
        let _: PromotionResource = try await commander.answer("POST", path, VerdictBody(reason: "INC-4711"), status: 202)
        let end = try await admin.promotion(promotion.id, wait: 10)
        #expect(end.state == "succeeded")
        expect(end.decision, "freeze", "allow", "overridden by frank")
        #expect(end.decision?.gates.first { $0.gate == "freeze" }?.overridden == true)
        #expect(try await lift.acts(of: promotion.id).contains("promotion.overridden"))
    }

    private func warning(_ admin: Caller) async throws {
        let end = try await admin.promote("live/warned", "1.0.0", wait: 10)
        #expect(end.state == "succeeded")
        expect(end.decision, "user", "deny", "root")
        #expect(end.decision?.gates.first { $0.gate == "user" }?.warning == true && end.decision?.summary.contains("warning: user") == true)
    }
}

import APIModel
import Foundation
import TestSupport
import Testing

/// Policies from a git repository, as the service lives with them.
@Suite(.inTurn) struct PolicyGitTests {
    private struct Repository {
        let lift: Lift
        let path: String
        let key: String
        private let environment: [String: String]

        /// The lift's own policies, in a repository, signed.
        init(_ lift: Lift) async throws {
            self.lift = lift
            path = lift.folder.path("repository")
            key = lift.folder.path("signing-key")
            environment = [
                "PATH": "/usr/bin:/bin", "HOME": lift.folder.path, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@acme.test",
                "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@acme.test",
            ]
            try await Tool.check("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key])
            try lift.folder.write("alice@acme.test namespaces=\"git\" \(try String(contentsOfFile: key + ".pub", encoding: .utf8))", to: "allowed")
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: lift.folder.path("policies"), toPath: path + "/policies")
            try await git("init", "--quiet", "--initial-branch=main")
        }

        @discardableResult
        private func git(_ arguments: String...) async throws -> String {
            try await Tool.check("git", ["-C", path] + arguments, environment: environment).trimmingCharacters(in: .whitespacesAndNewlines)
        }

        func commit(_ message: String, signed: Bool = true) async throws -> String {
            try await git("add", "--all")
            if signed {
                try await git("-c", "gpg.format=ssh", "-c", "user.signingKey=\(key)", "commit", "--quiet", "--allow-empty", "-S", "-m", message)
            } else {
                try await git("commit", "--quiet", "--allow-empty", "-m", message)
            }
            return try await git("rev-parse", "HEAD")
        }
    }

    private static func settings(_ folder: String) -> [String: String] {
        [
            "SHIPLIFT_POLICIES": "", "SHIPLIFT_POLICIES_GIT": "file://\(folder)/repository", "SHIPLIFT_POLICIES_GIT_FOLDER": "policies",
            "SHIPLIFT_POLICIES_GIT_SECONDS": "3600", "SHIPLIFT_POLICIES_GIT_SIGNERS": "\(folder)/allowed",
        ]
    }

    private func refusals(_ lift: Lift) async throws -> Int {
        struct Item: Codable {
            struct Entry: Codable { let action: String }
            let entry: Entry
        }
        let page: PageResource<Item> = try await lift.json(["audit", "--action", "policy.refused"])
        return page.items.count
    }

    @Test func aCommitIsTheVersionAndABadOneLeavesTheLastGoodInForce() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let repository = try await Repository(lift)
        let first = try await repository.commit("Open the way")
        var service = try await lift.start(with: Self.settings(lift.folder.path))

        let status: PolicyStatusResource = try await lift.json(["policy", "status"])
        #expect(status.version == first && status.commit?.id == first && status.commit?.subject == "Open the way")
        #expect(status.commit?.signature?.signer == "alice@acme.test" && status.commit?.signature?.scheme == "ssh")
        #expect(status.source.kind == "git" && status.source.folder == "policies" && status.refused == nil && status.since != nil)
        let promoted = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(promoted.state == "succeeded" && promoted.decision?.policyVersion == first)

        // Unsigned: refused, however often it is looked at written down once; the service stays ready.
        let unsigned = try await repository.commit("Who are you?", signed: false)
        for _ in 0..<2 { #expect(try await lift.command("policy", "refresh").status == .exited(4)) }
        let refused: PolicyStatusResource = try await lift.json(["policy", "status"])
        #expect(refused.version == first && refused.refused?.revision == unsigned && refused.refused?.mistakes.first?.problem == "the commit is not signed")
        #expect(try await refusals(lift) == 1)
        #expect(try await LoopbackHTTP.send("GET", "/readyz", port: lift.port).status == 200)

        // A mistake: file and line.
        try lift.folder.write("version: 1\nkind: Policy\nname: x\nmach: {}\n", to: "repository/policies/x.yaml")
        let mistaken = try await repository.commit("Break it")
        let wrong: PolicyStatusResource = try await lift.json(["policy", "refresh"])
        #expect(wrong.version == first && wrong.refused?.revision == mistaken && wrong.refused?.commit?.subject == "Break it")
        #expect(wrong.refused?.mistakes.first?.file == "x.yaml" && wrong.refused?.mistakes.first?.line == 4)
        #expect(try await refusals(lift) == 2)

        // A restart while the repository is away: what was last in force, and why nothing newer.
        try await service.terminate()
        try FileManager.default.moveItem(atPath: repository.path, toPath: repository.path + "-away")
        service = try await lift.start(with: Self.settings(lift.folder.path))
        let alone: PolicyStatusResource = try await lift.json(["policy", "status"])
        #expect(alone.version == first && alone.commit?.signature?.signer == "alice@acme.test" && alone.unreachable != nil)
        #expect(try await lift.promote("shop/api:1.0.0", from: "test", to: "staging").decision?.policyVersion == first)

        // Back, and mended.
        try FileManager.default.moveItem(atPath: repository.path + "-away", toPath: repository.path)
        try FileManager.default.removeItem(atPath: repository.path + "/policies/x.yaml")
        let last = try await repository.commit("Mend it")
        let mended = try await lift.command("policy", "refresh")
        #expect(mended.status == .exited(0) && mended.output.contains(last), "\(mended.output)\(mended.errors)")
        #expect(try await lift.auditIsIntact())
        try await service.terminate()
    }
}

/// A service outside that has a say: another implementation of the signatures, in another language.
@Suite(.inTurn) struct ExternalCheckTests {
    static let server = """
        import base64, hashlib, hmac, http.server, json, sys, time
        key, port, seen, answer = open(sys.argv[1]).read().strip().encode(), int(sys.argv[2]), sys.argv[3], sys.argv[4]
        def sign(id, at, body): return "v1," + base64.b64encode(hmac.new(key, f"{id}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
        class Check(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                id, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
                question = json.loads(body)
                with open(seen, "a") as file: file.write(json.dumps({"path": self.path, "good": hmac.compare_digest(sign(id, at, body), self.headers["webhook-signature"]), "question": question}) + "\\n")
                mode = open(answer).read().strip()
                if mode == "redirect":
                    self.send_response(302); self.send_header("Location", f"http://127.0.0.1:{port}/elsewhere"); self.send_header("Content-Length", "0"); self.end_headers(); return
                reply = json.dumps({"type": "shiplift.check.answer", "id": id, "digest": question["digest"], "outcome": mode.replace("forged-", ""), "reason": "ticket CHG-7"}).encode()
                now = str(int(time.time()))
                self.send_response(200)
                for name, value in {"webhook-id": id, "webhook-timestamp": now, "webhook-signature": sign(id, now, reply if "forged" not in mode else reply + b" "), "Content-Length": str(len(reply))}.items(): self.send_header(name, value)
                self.end_headers(); self.wfile.write(reply)
            def log_message(self, *_): pass
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Check).serve_forever()
        """

    @Test func theServiceIsAskedAndOnlyASignedAnswerCounts() async throws {
        let lift = try await Lift.make()
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let port = try FreePort.take()
        try lift.folder.write("correct horse battery staple, and more\n", to: "secret")
        let (answer, seen) = (lift.folder.path("answer"), lift.folder.path("seen"))
        func answers(_ mode: String) throws { try lift.folder.write(mode, to: "answer") }
        try answers("deny")
        let server = try ChildProcess(
            "python3", ["-c", Self.server, lift.folder.path("secret"), "\(port)", seen, answer], environment: ["PATH": "/usr/bin:/bin"], logs: lift.folder,
            name: "check")
        defer { server.signal(SIGKILL) }
        let environments = try String(contentsOfFile: lift.folder.path("policies/environments.yaml"), encoding: .utf8)
        try lift.folder.write(
            environments
                + "\nchecks:\n  ticket: { url: \"http://127.0.0.1:\(port)/check?team=shop\", plainHTTP: true, timeout: 2s, secret: { fromFile: \"\(lift.folder.path("secret"))\" } }\n",
            to: "policies/environments.yaml")
        func policy(_ onFailure: String) throws {
            try lift.folder.write(
                "version: 1\nkind: Policy\nname: ticket\nmatch: { images: [\"shop/**\"], to: test }\ngates: [{ check: { endpoint: ticket, onFailure: \(onFailure) } }]\n",
                to: "policies/ticket.yaml")
        }
        try policy("deny")
        let service = try await lift.start()
        try await eventually("the check to listen", within: .seconds(20)) {
            do { return try await LoopbackHTTP.send("GET", "/", port: port).status == 501 } catch is HarnessError { return false }
        }
        func gate() async throws -> GateResource {
            let promotion: DryRunResource = try await lift.json(["promote", "shop/api:1.0.0", "--from", "dev", "--to", "test", "--dry-run"])
            guard let found = promotion.decision.gates.first(where: { $0.gate == "check ticket" }) else {
                throw HarnessError.unexpectedAnswer(request: "dry run", status: 0, body: promotion.decision.summary)
            }
            return found
        }

        let denied = try await gate()
        #expect(denied.outcome == "deny" && denied.reason == "ticket says no: ticket CHG-7", "\(denied.reason)")
        for (mode, words) in [("forged-allow", "does not verify"), ("redirect", "status 302")] {
            try answers(mode)
            let failed = try await gate()
            #expect(failed.outcome == "deny" && failed.reason.contains(words), "\(failed.reason)")
        }
        try answers("wait")
        #expect(try await gate().outcome == "wait")
        try answers("allow")
        let promoted = try await lift.promote("shop/api:1.0.0", from: "dev", to: "test")
        #expect(promoted.state == "succeeded", "\(promoted.decision?.summary ?? "")")

        struct Seen: Decodable {
            struct Question: Decodable {
                let type: String
                let image: String
                let to: String
                let targetTags: [String]
            }
            let path: String
            let good: Bool
            let question: Question
        }
        let asked = try String(contentsOfFile: seen, encoding: .utf8).split(separator: "\n").map { try JSONDecoder().decode(Seen.self, from: Data($0.utf8)) }
        #expect(asked.count >= 5 && asked.allSatisfy { $0.good && $0.path == "/check?team=shop" }, "every question is signed, and no redirect is followed")
        #expect(asked.last?.question.type == "shiplift.check" && asked.last?.question.image == "shop/api" && asked.last?.question.targetTags == ["1.0.0"])

        // Nobody answers: closed, or open and written down, as the policy says.
        try server.stop(with: SIGKILL)
        let closed = try await gate()
        #expect(closed.outcome == "deny" && closed.reason.contains("could not be asked"), "\(closed.reason)")
        try policy("allow")
        try await eventually("the lenient policy to decide") { try await gate().outcome == "allow" }
        #expect(try await gate().reason.contains("the policy lets pass what it can't ask"))
        try await service.terminate()
    }
}

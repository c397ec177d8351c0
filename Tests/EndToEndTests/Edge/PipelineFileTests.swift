import APIModel
import Foundation
import TestSupport
import Testing
import Yams

/// The shell in the files of examples/, taken out of them and run against a real service.
@Suite(.inTurn) struct PipelineFileTests {
    private let lift: Lift
    private let tools: TemporaryFolder

    init() async throws {
        lift = try await Lift.make()
        tools = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(atPath: tools.path("shiplift"), withDestinationPath: try ShipliftProcess.executable())
        for (file, text) in [
            "environments": """
            version: 1
            kind: Environments
            groups: { release-managers: [{ issuer: shiplift, claims: { groups: release-managers } }] }
            environments:
              - { name: dev, registries: [{ name: dev, url: "\(lift.shared.url)", plainHTTP: true, repository: "dev/{image}" }] }
              - { name: staging, registries: [{ name: staging, url: "\(lift.staging.url)", plainHTTP: true, repository: "staging/{image}" }] }
              - { name: production, registries: [{ name: production, url: "\(lift.shared.url)", plainHTTP: true, repository: "prod/{image}" }] }
            """,
            "staging": """
            version: 1
            kind: Policy
            name: dev-to-staging
            match: { images: ["shop/**"], from: dev, to: staging }
            labels: { require: { org.opencontainers.image.source: "https://git.example.test/**" } }
            """,
            "production": """
            version: 1
            kind: Policy
            name: staging-to-production
            match: { images: ["shop/**"], from: staging, to: production }
            gates: [{ approvals: { count: 1, from: [release-managers] } }]
            """,
        ] {
            try lift.folder.write(text, to: "policies/\(file).yaml")
        }
        for old in ["dev-to-test", "test-to-staging", "dev-to-staging"] { try FileManager.default.removeItem(atPath: lift.folder.path("policies/\(old).yaml")) }
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "v1.4.2")
        try await lift.shared.push(try ImageFixture.image(seed: 9), to: "dev/shop/api", tag: "v9.9.9")
    }

    private var url: String { "http://127.0.0.1:\(lift.port)" }

    /// A pipeline's token: it may promote shop's images to both environments.
    private func token() async throws -> String {
        let body = TokenRequestBody(name: "ci", role: "promoter", images: ["shop/**"], environments: ["staging", "production"])
        let made: TokenResource = try await Caller.admin(of: lift).answer("POST", "/v1/tokens", body, status: 201)
        return try #require(made.secret)
    }

    private func run(_ script: String, _ environment: [String: String], shell: String = "bash") async throws -> ToolResult {
        let file = try tools.write(script, to: "script-\(UUID()).sh")
        let variables = environment.merging(["PATH": "\(tools.path):/usr/bin:/bin", "HOME": tools.path]) { $1 }
        // As the systems call it: GitHub and Jenkins stop at the first failure.
        return try await Tool.run(
            "/usr/bin/env", ["-i", "--chdir=\(tools.path)"] + variables.map { "\($0)=\($1)" } + ["/bin/\(shell)", "-e", file], within: .seconds(120))
    }

    private func example(_ path: String) throws -> String { try String(contentsOfFile: Lift.repositoryFolder + "/examples/" + path, encoding: .utf8) }

    private func approve() async throws {
        let ada = try await Caller.admin(of: lift).colleague("ada", role: "approver", groups: ["release-managers"])
        let open: PageResource<PromotionResource> = try await ada.answer("GET", "/v1/promotions?state=waiting")
        for promotion in open.items { let _: PromotionResource = try await ada.answer("POST", "/v1/promotions/\(promotion.id)/approve", VerdictBody()) }
    }

    @Test func theGitHubAction() async throws {
        let service = try await lift.start()
        let action = try #require(try Yams.load(yaml: example("github/promote/action.yml")) as? [String: Any])
        let steps = try #require((action["runs"] as? [String: Any])?["steps"] as? [[String: Any]])
        let step = try #require(steps.first)
        let (script, names) = (try #require(step["run"] as? String), try #require(step["env"] as? [String: String]))
        #expect(!script.contains("${{"), "what GitHub puts into a script would be run: inputs come by the environment")
        let secret = try await token()
        // GitHub's endpoint for id tokens, which answers to the job's own word alone.
        let issuer = try ScriptedPeer { request in
            guard request["authorization"] == "Bearer the-job", request.target.hasSuffix("&audience=shiplift") else { return .answer(PeerResponse(403)) }
            return .answer(PeerResponse(200, body: Array(#"{"value": "\#(secret)"}"#.utf8)))
        }
        defer { issuer.stop() }
        func act(_ inputs: [String: String], jobToken: String = "the-job", attempt: Int = 1) async throws -> (result: ToolResult, summary: String, outputs: String) {
            let (summary, outputs) = (tools.path("summary-\(UUID())"), tools.path("outputs-\(UUID())"))
            var environment = [
                "GITHUB_RUN_ID": "17", "GITHUB_RUN_ATTEMPT": String(attempt), "GITHUB_STEP_SUMMARY": summary, "GITHUB_OUTPUT": outputs,
                "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:\(issuer.port)/token?api=1", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": jobToken,
            ]
            let given = ["url": url, "token": "", "audience": "shiplift", "reason": "run 17", "timeout": "30"].merging(inputs) { $1 }
            for (name, value) in names { environment[name] = given.reduce(value) { $0.replacing("${{ inputs.\($1.key) }}", with: $1.value) } }
            let result = try await run(script, environment)
            func text(_ file: String) throws -> String { FileManager.default.fileExists(atPath: file) ? try String(contentsOfFile: file, encoding: .utf8) : "" }
            return (result, try text(summary), try text(outputs))
        }

        let staged = try await act(["image": "shop/api:v1.4.2", "from": "dev", "to": "staging"])
        #expect(staged.result.status == .exited(0), "\(staged.result.output)\(staged.result.errors)")
        #expect(staged.outputs.contains("state=succeeded") && staged.outputs.contains("digest=sha256:"))
        #expect(staged.summary.contains("**succeeded**"))
        #expect(staged.result.output.contains("\(url)/v1/promotions/"))
        let repeated = try await act(["image": "shop/api:v1.4.2", "from": "dev", "to": "staging"])
        #expect(repeated.outputs == staged.outputs, "the same attempt is the same promotion")

        let denied = try await act(["image": "shop/api:v9.9.9", "from": "dev", "to": "staging"])
        #expect(denied.result.status == .exited(3) && denied.summary.contains("**denied**") && denied.summary.contains("label"), "\(denied.summary)")
        let waiting = try await act(["image": "shop/api:v1.4.2", "from": "staging", "to": "production", "timeout": "1"])
        #expect(waiting.result.status == .exited(5) && waiting.result.output.contains("approvals"), "\(waiting.result.output)\(waiting.result.errors)")
        try await approve()
        let approved = try await act(["image": "shop/api:v1.4.2", "from": "staging", "to": "production"])
        #expect(approved.result.status == .exited(0), "\(approved.result.output)")
        let forbidden = try await act(["image": "tools/lint:v1", "from": "dev", "to": "staging"], attempt: 2)
        #expect(forbidden.result.status == .exited(3), "\(forbidden.result.output)")
        let stranger = try await act(["image": "shop/api:v1.4.2", "from": "dev", "to": "staging"], jobToken: "somebody-else")
        #expect(stranger.result.status != .exited(0))
        for text in [staged, denied, waiting, approved] { #expect(!(text.result.output + text.result.errors + text.summary + text.outputs).contains(secret)) }
        try await service.terminate()
    }

    @Test func theGitLabJob() async throws {
        let service = try await lift.start()
        let file = try #require(try Yams.load(yaml: example("gitlab/.gitlab-ci.yml")) as? [String: Any])
        let job = try #require(file[".promote"] as? [String: Any])
        let script = try #require(job["script"] as? [String]).joined(separator: "\n")
        let secret = try await token()
        func act(_ name: String, tag: String = "v1.4.2", job: Int, timeout: String? = nil) async throws -> ToolResult {
            let variables = try #require((file[name] as? [String: Any])?["variables"] as? [String: Any]).mapValues { "\($0)" }
            var environment = ["SHIPLIFT_URL": url, "SHIPLIFT_TOKEN": secret, "CI_COMMIT_TAG": tag, "CI_JOB_ID": String(job), "CI_PIPELINE_URL": "https://git.example.test/p/1"]
            environment.merge(variables) { $1 }
            if let timeout { environment["TIMEOUT"] = timeout }
            return try await run(script, environment, shell: "sh")
        }
        let staged = try await act("staging", job: 1)
        #expect(staged.status == .exited(0) && staged.output.contains("link       \(url)/v1/promotions/"), "\(staged.output)\(staged.errors)")
        #expect(try await act("staging", tag: "v9.9.9", job: 2).status == .exited(3))
        #expect(try await act("production", job: 3, timeout: "1").status == .exited(5), "as allow_failure of the file says")
        #expect(((file["production"] as? [String: Any])?["allow_failure"] as? [String: Any])?["exit_codes"] as? [Int] == [5])
        try await approve()
        #expect(try await act("production", job: 3).status == .exited(0))
        let summary = try String(contentsOfFile: tools.path("promotion.md"), encoding: .utf8)
        #expect(summary.contains("### ✅") && summary.contains("### ⛔") && summary.contains("### ⏳"), "each adds its own: \(summary)")
        try await service.terminate()
    }

    @Test func theJenkinsfile() async throws {
        let service = try await lift.start()
        let scripts = try example("jenkins/Jenkinsfile").matches(of: /sh '''([\s\S]*?)'''/).map { String($0.output.1) }
        #expect(scripts.count == 2)
        let environment = [
            "SHIPLIFT_URL": url, "SHIPLIFT_TOKEN": try await token(), "IMAGE": "shop/api", "BUILD_TAG": "jenkins-shop-7", "BUILD_URL": "https://ci.example.test/7",
        ]
        func act(_ index: Int, _ tag: String, build: String, timeout: String? = nil) async throws -> ToolResult {
            let script = timeout.map { scripts[index].replacing(/--timeout \d+/, with: "--timeout \($0)") } ?? scripts[index]
            return try await run(script, environment.merging(["TAG_NAME": tag, "BUILD_TAG": build]) { $1 }, shell: "sh")
        }
        #expect(try await act(0, "v9.9.9", build: "6").status == .exited(3))
        #expect(try await act(0, "v1.4.2", build: "7").status == .exited(0))
        let waiting = try await act(1, "v1.4.2", build: "7", timeout: "1")
        #expect(waiting.status == .exited(0) && waiting.output.contains("waits for approval"))
        try await approve()
        let done = try await act(1, "v1.4.2", build: "7", timeout: "60")
        #expect(done.status == .exited(0) && done.output.contains("state      succeeded"), "\(done.output)")
        try await service.terminate()
    }

    @Test func theTektonTask() async throws {
        let service = try await lift.start()
        let documents = Array(try Yams.load_all(yaml: example("tekton/promote.yaml"))).compactMap { $0 as? [String: Any] }
        let spec = try #require(documents.first { $0["kind"] as? String == "Task" }?["spec"] as? [String: Any])
        let step = try #require((spec["steps"] as? [[String: Any]])?.first)
        let script = try #require(step["script"] as? String)
        #expect(!script.contains("$(" + "params"), "parameters come by the environment")
        let token = try tools.write(try await token(), to: "token")
        func act(_ image: String, from: String = "dev", to: String = "staging", run id: String) async throws -> (result: ToolResult, digest: String) {
            let digest = tools.path("digest-\(id)")
            let result = try await run(
                script,
                [
                    "SHIPLIFT_URL": url, "SHIPLIFT_TOKEN_FILE": token, "IMAGE": image, "FROM": from, "TO": to, "TIMEOUT": "30", "RUN": id, "DIGEST_RESULT": digest,
                    "ID_RESULT": tools.path("id-\(id)"),
                ], shell: "sh")
            return (result, FileManager.default.fileExists(atPath: digest) ? try String(contentsOfFile: digest, encoding: .utf8) : "")
        }
        let staged = try await act("shop/api:v1.4.2", run: "a")
        #expect(staged.result.status == .exited(0) && staged.digest.wholeMatch(of: /sha256:[0-9a-f]{64}/) != nil, "\(staged)")
        let denied = try await act("shop/api:v9.9.9", run: "b")
        #expect(denied.result.status == .exited(3) && denied.result.output.contains("label"), "\(denied.result.output)\(denied.result.errors)")
        #expect(try await act("tools/lint:v1", run: "c").result.status == .exited(3), "not permitted")
        try await service.terminate()
    }
}

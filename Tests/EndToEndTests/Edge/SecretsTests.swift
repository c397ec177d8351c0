import APIModel
import Foundation
import Synchronization
import TestSupport
import Testing

/// One run with a credential of every kind; afterwards all that anybody can read is searched for each of them.
@Suite(.inTurn) struct SecretsTests {
    /// Where text came from, and the text.
    private typealias Trace = (place: String, text: String)

    private static let password = (
        database: "hidden-database-0b3f", registry: RegistryOptions.Account.deployer.password, git: "hidden-git-token-77ac",
        proxy: "hidden-proxy-word-91fe"
    )

    private let lift: Lift
    private let authority: TestAuthority
    private let registry: RegistryServer
    private let squid: SquidServer
    private let git: ChildProcess
    private let gitPort: Int

    init() async throws {
        let (lift, authority) = (try await Lift.make(), try TestAuthority())
        registry = try await RegistryServer.start(RegistryOptions(access: .basic))
        let gitPort = try FreePort.take()
        squid = try await SquidServer.start(
            hosts: ["registry.test": "127.0.0.1", "git.test": "127.0.0.1"], account: (name: "shiplift", password: Self.password.proxy)
        ) { port, accounts in
            """
            http_port 127.0.0.1:\(port)
            auth_param basic program /usr/lib/squid/basic_ncsa_auth \(accounts)
            acl known proxy_auth REQUIRED
            http_access allow known
            http_access deny all
            cache deny all
            """
        }
        try authority.issue("git", alternativeNames: "DNS:git.test")
        let repository = lift.folder.path("repositories/work")
        try FileManager.default.createDirectory(atPath: repository, withIntermediateDirectories: true)
        try lift.folder.write(
            """
            version: 1
            kind: Environments
            environments:
              - { name: dev, registries: [{ name: dev, url: "\(lift.shared.url)", plainHTTP: true, repository: "dev/{image}" }], attest: true }
              - name: staging
                attest: true
                registries: [{ name: staging, url: "http://registry.test:\(registry.port)", plainHTTP: true, repository: "staging/{image}", credentials: { fromFile: "\(lift.folder.path("registry-login"))" } }]
              - name: broken
                registries: [{ name: broken, url: "http://registry.test:\(registry.port)", plainHTTP: true, repository: "broken/{image}", credentials: { fromEnv: BROKEN_LOGIN } }]
            """, to: "repositories/work/environments.yaml")
        for to in ["staging", "broken"] {
            try lift.folder.write(
                "version: 1\nkind: Policy\nname: to-\(to)\nmatch: { images: [\"shop/**\"], from: dev, to: \(to) }\n", to: "repositories/work/to-\(to).yaml")
        }
        let environment = [
            "PATH": "/usr/bin:/bin", "HOME": lift.folder.path, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@acme.test",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@acme.test",
        ]
        for arguments in [["init", "--quiet", "--initial-branch=main"], ["add", "--all"], ["commit", "--quiet", "-m", "policies"]] {
            try await Tool.check("git", ["-C", repository] + arguments, environment: environment)
        }
        git = try ChildProcess(
            "python3",
            [
                "-c", GitOverHTTPS.program, "\(gitPort)", lift.folder.path("repositories"), authority.path("git.pem"), authority.path("git.key"), lift.folder.path("git-log"),
                "reader:\(Self.password.git)",
            ], environment: ["PATH": "/usr/bin:/bin"], logs: lift.folder, name: "git-https")
        try lift.folder.write("\(RegistryOptions.Account.deployer.name):\(Self.password.registry)\n", to: "registry-login")
        try lift.folder.write(Self.password.git + "\n", to: "git-token")
        try lift.folder.write("shiplift:\(Self.password.proxy)\n", to: "proxy-login")
        (self.lift, self.authority, self.gitPort) = (lift, authority, gitPort)
    }

    private func settings() -> [String: String] {
        [
            "DATABASE_URL": lift.databaseURL.replacing("@/", with: ":\(Self.password.database)@/"), "SHIPLIFT_POLICIES": "",
            "SHIPLIFT_POLICIES_GIT": "https://git.test:\(gitPort)/work/.git", "SHIPLIFT_POLICIES_GIT_USER": "reader",
            "SHIPLIFT_POLICIES_GIT_TOKEN_FILE": lift.folder.path("git-token"), "SHIPLIFT_POLICIES_GIT_CA": authority.path("ca.pem"),
            "SHIPLIFT_PROXY": "http://127.0.0.1:\(squid.port)", "SHIPLIFT_PROXY_CREDENTIALS_FILE": lift.folder.path("proxy-login"),
            "SHIPLIFT_NO_PROXY": "127.0.0.1", "BROKEN_LOGIN": "deployer:\(Self.brokenPassword)", "SHIPLIFT_TLS_CERTIFICATE": authority.path("server.pem"),
            "SHIPLIFT_TLS_KEY": authority.path("server.key"), "SHIPLIFT_LOG_LEVEL": "trace", "SWIFT_BACKTRACE": "enable=yes,color=no,symbolicate=off,threads=crashed,timeout=30s",
        ]
    }

    private static let brokenPassword = "hidden-and-wrong-5d5d"

    /// What each secret looks like on the way: as it is, and in Basic's Base64.
    private func secrets(_ tokens: [String]) throws -> [String: [String]] {
        func basic(_ user: String, _ password: String) -> [String] { [password, Data("\(user):\(password)".utf8).base64EncodedString()] }
        func lines(_ file: String) throws -> [String] {
            try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init).filter { !$0.hasPrefix("---") && $0.count > 20 }
        }
        var secrets = [
            "database password": [Self.password.database], "registry password": basic(RegistryOptions.Account.deployer.name, Self.password.registry),
            "wrong registry password": basic("deployer", Self.brokenPassword), "git token": basic("reader", Self.password.git),
            "proxy password": basic("shiplift", Self.password.proxy), "signing key": try lines(lift.folder.path("data/signing-key.pem")),
            "checkpoint key": try lines(lift.folder.path("data/checkpoint-key")), "TLS key": try lines(authority.path("server.key")),
        ]
        for (index, token) in tokens.enumerated() { secrets["API token \(index)"] = [token] }
        #expect(secrets.values.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.count >= 12 } })
        return secrets
    }

    /// Names of secrets, each with the place where it was found.
    private func findings(_ secrets: [String: [String]], in traces: [Trace]) -> Set<String> {
        var found: Set<String> = []
        for (name, forms) in secrets {
            for trace in traces where forms.contains(where: { trace.text.contains($0) }) { found.insert("\(name) in \(trace.place)") }
        }
        return found
    }

    /// Command lines of the service and of all that descends from it, and of our own command.
    private static func commandLines(of service: Int32) -> String {
        var (parents, lines): ([Int32: Int32], [Int32: String]) = ([:], [:])
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {  // processes come and go: what is gone is not looked at
            guard let id = Int32(name), let status = try? String(contentsOfFile: "/proc/\(name)/stat", encoding: .utf8),
                let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline"), let end = status.lastIndex(of: ")")
            else { continue }
            parents[id] = status[end...].split(separator: " ").dropFirst(2).first.flatMap { Int32($0) }
            lines[id] = String(decoding: line, as: UTF8.self)
        }
        func isOurs(_ id: Int32) -> Bool {
            var next: Int32? = id
            while let current = next, current > 1 {
                if current == service { return true }
                next = parents[current]
            }
            return lines[id]?.hasPrefix("/") == true && lines[id]?.split(separator: "\0").first?.hasSuffix("/shiplift") == true
        }
        return lines.filter { isOurs($0.key) }.map(\.value).joined(separator: "\n")
    }

    @Test func nothingThatAnybodyCanReadHoldsASecret() async throws {
        defer {
            git.signal(SIGKILL)
            authority.remove()
        }
        try await eventually("git's server", within: .seconds(20)) {
            try await Tool.run("curl", ["-sk", "-o", "/dev/null", "https://127.0.0.1:\(gitPort)/"]).status == .exited(0)
        }
        try await lift.shared.push(try ImageFixture.image(labels: Lift.labels), to: "dev/shop/api", tag: "1.0.0")
        let service = try await lift.launch(with: settings())
        _ = try await service.line(containing: "listening")
        let limits = try String(contentsOfFile: "/proc/\(service.child.processID)/limits", encoding: .utf8)
        #expect(limits.firstMatch(of: /Max core file size\s+0\s+0/) != nil, "a core file would hold everything")

        let seen = Mutex("")
        let id = service.child.processID
        let watch = Task {
            while !Task.isCancelled {
                let lines = Self.commandLines(of: id)
                seen.withLock { if !$0.contains(lines) { $0 += lines + "\n" } }
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        let base = "https://127.0.0.1:\(lift.port)"
        let admin = try String(contentsOfFile: lift.folder.path("data/admin-token"), encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        var responses: [String] = []
        func command(_ arguments: String..., with environment: [String: String] = [:]) async throws -> ToolResult {
            let result = try await ShipliftProcess.run(
                arguments,
                environment: ["SHIPLIFT_URL": base, "SHIPLIFT_CA_FILE": authority.path("ca.pem"), "SHIPLIFT_TOKEN": admin].merging(environment) { $1 },
                within: .seconds(120))
            responses.append(result.output + result.errors)
            return result
        }
        // A token is shown to who makes it, once.
        let made = try await ShipliftProcess.run(
            ["token", "create", "ci", "--role", "promoter", "--image", "shop/**"],
            environment: ["SHIPLIFT_URL": base, "SHIPLIFT_CA_FILE": authority.path("ca.pem"), "SHIPLIFT_TOKEN": admin])
        let token = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let wrong = String(token.dropLast(6)) + "AAAAAA"

        let planted = "planted-for-the-search-\(UUID())"
        let promoted = try await command(
            "promote", "shop/api:1.0.0", "--from", "dev", "--to", "staging", "--wait", "--timeout", "60", "--reason", planted, with: ["SHIPLIFT_TOKEN": token])
        #expect(promoted.status == .exited(0), "\(promoted.output)\(promoted.errors)")
        #expect(try await command("promote", "shop/api:1.0.0", "--from", "dev", "--to", "broken", "--wait", "--timeout", "60").status == .exited(4))
        #expect(try await command("promotions", with: ["SHIPLIFT_TOKEN": wrong]).status == .exited(3))
        #expect(try await command("policy", "refresh").status == .exited(0))
        func ask(_ path: String, _ authorization: String = "Bearer \(admin)", _ more: [String] = []) async throws {
            let field = try lift.folder.write("Authorization: \(authorization)\n", to: "field-\(UUID())")
            responses.append(
                try await Tool.check("curl", ["-sS", "-i", "--max-time", "30", "--cacert", authority.path("ca.pem"), "-H", "@\(field)"] + more + [base + path]))
        }
        for path in [
            "/v1/promotions", "/v1/images", "/v1/environments", "/v1/registries", "/v1/policies", "/v1/audit?limit=100", "/v1/audit/export", "/v1/audit/checkpoint",
            "/v1/audit/verification", "/v1/keys", "/v1/tokens", "/v1/decisions", "/v1/eligibility?to=staging", "/v1/tags?image=shop/api", "/metrics", "/readyz",
        ] { try await ask(path) }
        // Where tokens don't belong: the log must not keep what it refuses.
        try await ask("/v1/promotions?access_token=\(token)&token=\(token)", "Basic \(token)", ["-H", "X-Request-Id: \(planted)"])
        try await ask("/v1/promotions", "Bearer \(wrong)")
        try await ask("/v1/promotions", "Bearer \(admin)", ["-H", "Content-Type: application/json", "-d", #"{"token": "\#(token)"}"#])

        // It crashes in the middle.
        service.signal(SIGABRT)
        // A signal from outside comes back to no faulting instruction: it lives on after the report, and is ended.
        _ = try await service.line(containing: "Backtrace took", within: .seconds(60))
        try await service.kill9()
        watch.cancel()
        let database = try #require(lift.databaseURL.firstMatch(of: /@\/([^?]+)/).map { String($0.output.1) })
        let dump = try await Tool.check("pg_dump", ["-h", lift.postgres.socketFolder, "-U", PostgresServer.superuser, database])
        let (output, errors) = (try service.output(), try service.errors())
        #expect(errors.contains("crashed") || errors.contains("SIGABRT") || errors.contains("Abort"), "there is crash output to be searched")
        let traces: [Trace] = [
            ("the service's output", output), ("the service's log", errors), ("answers", responses.joined(separator: "\n")), ("the database", dump),
            ("command lines", seen.withLock { $0 }),
        ]
        // What was put in on purpose is found in every one of them: the search looks where it says.
        let plantings = findings(["planted": [planted]], in: traces)
        #expect(plantings == ["planted in the service's log", "planted in answers", "planted in the database", "planted in command lines"])
        #expect(output.contains("admin-token"), "it says where the first token is")
        #expect(seen.withLock { $0.contains("git") }, "git was seen at work")

        let found = findings(try secrets([admin, token, wrong]), in: traces)
        #expect(found.isEmpty, "\(found.sorted())")
    }
}

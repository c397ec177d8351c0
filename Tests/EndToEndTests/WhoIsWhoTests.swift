import APIModel
import Foundation
import OCI
import TestSupport
import Testing

/// Who is who, through the real service: an issuer with real keys behind a real JWKS endpoint, real registries, a real PostgreSQL.
@Suite(.inTurn) struct WhoIsWhoTests {
    /// dev, test, staging of the lift, and production behind an approval.
    private struct Bench {
        let lift: Lift
        let issuer: TokenIssuer

        static func make() async throws -> Bench {
            let (lift, issuer) = (try await Lift.make(), try TokenIssuer())
            let environments = try String(contentsOfFile: lift.folder.path("policies/environments.yaml"), encoding: .utf8)
            try lift.folder.write(
                environments + """

                      - { name: production, registries: [{ name: production, url: "\(lift.toShared.url)", plainHTTP: true, repository: "production/{image}" }] }
                    groups:
                      release-managers: [{ issuer: "\(issuer.url)", claims: { groups: release-managers } }]

                    """, to: "policies/environments.yaml")
            try lift.folder.write(
                """
                version: 1
                kind: Policy
                name: to-production
                match: { images: ["shop/**"], from: staging, to: production }
                gates: [{ approvals: { from: [release-managers] } }, { freeze: { timezone: UTC, deny: [{ start: 2020-01-01, end: 2020-01-02 }] } }]
                """, to: "policies/to-production.yaml")
            let bench = Bench(lift: lift, issuer: issuer)
            try bench.identities()
            try await lift.shared.push(try ImageFixture.image(labels: Lift.labels, seed: 1), to: "dev/shop/api", tag: "1.4.2")
            return bench
        }

        func identities(url: String? = nil, more: String = "") throws {
            try lift.folder.write(
                """
                version: 1
                kind: Identities
                issuers:
                  ci: { issuer: "\(url ?? issuer.url)", plainHTTP: true, audience: shiplift, login: { clientID: shiplift, scopes: [openid, groups] } }
                rules:
                  - name: shop pipelines
                    issuer: ci
                    claims: { repository_id: "7", repository: acme/shop }
                    grants: [{ verbs: promote, images: shop/*, environments: [test, staging, production] }]
                  - name: managers
                    issuer: ci
                    claims: { groups: release-managers }
                    grants: [{ verbs: [promote, approve, override], images: "**", environments: all }]
                \(more)
                """, to: "policies/identities.yaml")
        }

        static let pipeline = #""sub":"repo:acme/shop:ref:refs/heads/main","repository_id":"7","repository":"acme/shop","run_id":"4711""#

        func caller(_ claims: String) throws -> Caller { Caller(port: lift.port, secret: try issuer.token(claims), id: "") }
        func person(_ name: String) throws -> Caller { try caller(#""sub":"\#(name)","name":"\#(name)","groups":["release-managers"]"#) }
    }

    private struct AuditItem: Codable {
        struct Entry: Codable {
            let action: String
            let actor: String
            let authentication: String?
            let details: Details?
        }
        struct Details: Codable {
            let kind: String?
            let count: Int?
            let rules: [String]?
        }
        let entry: Entry
    }

    /// Nothing is stored in the pipeline: a shell, curl, and the token of the job.
    @Test func aPipelineWithNothingButCurl() async throws {
        let bench = try await Bench.make()
        let service = try await bench.lift.start()
        func script(_ from: String, _ to: String, image: String = "shop/api", claims: String = Bench.pipeline, seconds: Int = 30) async throws -> ToolResult {
            try await Tool.run(
                "/bin/sh", [Lift.repositoryFolder + "/examples/promote-with-curl.sh", image, "1.4.2", from, to, String(seconds)],
                environment: [
                    "PATH": "/usr/bin:/bin", "SHIPLIFT_URL": "http://127.0.0.1:\(bench.lift.port)", "SHIPLIFT_TOKEN": try bench.issuer.token(claims),
                    "CI_PIPELINE_ID": "4711",
                ])
        }
        let staging = try await script("dev", "staging")
        #expect(staging.status == .exited(0) && staging.output.contains("shop/api:1.4.2 to staging: succeeded"), "\(staging.output) \(staging.errors)")
        let refused = try await script("staging", "production", seconds: 3)
        #expect(refused.status == .exited(5) && refused.output.contains("0 of 1 approvals by release-managers"), "\(refused.output) \(refused.errors)")
        let id = try #require(refused.output.firstRange(of: "/v1/promotions/").map { String(refused.output[$0.upperBound...].prefix(36)) })
        let ada = try bench.person("ada")
        #expect(try await bench.caller(Bench.pipeline).send("POST", "/v1/promotions/\(id)/approve").status == 403, "a pipeline does not approve")
        let _: PromotionResource = try await ada.answer("POST", "/v1/promotions/\(id)/approve", VerdictBody(comment: "go"), status: 202)
        #expect(try await ada.promotion(id, wait: 20).state == "succeeded")
        let done = try await script("staging", "production")
        #expect(done.status == .exited(0) && done.output.contains("production: succeeded") && done.output.contains(id), "\(done.output) \(done.errors)")
        // Another repository's token, and an image beside the pattern.
        let other = try await script("dev", "staging", claims: Bench.pipeline.replacing("\"7\"", with: "\"8\""))
        #expect(other.status == .exited(3) && other.output.contains("no rule gives"), "\(other.output)")
        for image in ["shop/a/b", "shopx/a"] { #expect(try await script("dev", "staging", image: image).status == .exited(3)) }
        let admin = try Caller.admin(of: bench.lift)
        let entries: PageResource<AuditItem> = try await admin.answer("GET", "/v1/audit?promotion=\(id)")
        let asked = try #require(entries.items.first { $0.entry.action == "promotion.requested" })
        #expect(asked.entry.actor == "oidc:\(bench.issuer.url)#repo:acme/shop:ref:refs/heads/main" && asked.entry.details?.rules == ["shop pipelines"])
        #expect(bench.issuer.looks == 1, "the keys were asked for once")
        #expect(try await bench.lift.auditIsIntact())
        try await service.terminate()
    }

    /// Attacks through the real service: rotated keys, redirects, metadata that leads away, refusals that are counted.
    @Test func attackTheIssuersKeys() async throws {
        let bench = try await Bench.make()
        let other = try ScriptedPeer { _ in .answer(PeerResponse(200, json: "{}")) }
        let service = try await bench.lift.start()
        let status = { (claims: String) async throws -> Int in try await bench.caller(claims).send("GET", "/v1/whoami").status }
        #expect(try await status(Bench.pipeline) == 200)
        // An attacker's key under a name of the issuer's, and claims that were changed.
        let first = try #require(bench.issuer.keys.first)
        let forged = try IssuerKey(first.id).token(claims: "{\"iss\":\"\(bench.issuer.url)\",\"aud\":\"shiplift\",\"iat\":1,\"exp\":2,\(Bench.pipeline)}")
        for _ in 0..<30 { #expect(try await Caller(port: bench.lift.port, secret: forged, id: "").send("GET", "/v1/whoami").status == 401) }
        for audience in ["other", "shiplift.evil.test"] {
            let token = try bench.issuer.token(Bench.pipeline, audience: audience)
            #expect(try await Caller(port: bench.lift.port, secret: token, id: "").send("GET", "/v1/whoami").status == 401)
        }
        let expired = try bench.issuer.token(Bench.pipeline, life: -120)
        #expect(try await Caller(port: bench.lift.port, secret: expired, id: "").send("GET", "/v1/whoami").text.contains("expired"))
        // Another issuer: one that is known is asked, and one that a token names is not.
        let stranger = try TokenIssuer()
        let theirs = Caller(port: bench.lift.port, secret: try stranger.token(Bench.pipeline), id: "")
        #expect(try await theirs.send("GET", "/v1/whoami").text.contains("is not trusted here") && stranger.peer.requests.isEmpty)
        // A trusted issuer that leads elsewhere: by its metadata, by a redirect, to a metadata service; and one that floods.
        let elsewhere = "{\"issuer\":\"\(stranger.url)\",\"jwks_uri\":\"http://\(other.host)/jwks\"}"
        let answers: [(String, PeerResponse)] = [
            ("/.well-known/openid-configuration", PeerResponse(200, json: elsewhere)),
            ("/.well-known/openid-configuration", PeerResponse(302, ["Location": "http://\(other.host)/x"])),
            ("/jwks", PeerResponse(302, ["Location": "http://169.254.169.254/latest/meta-data"])), ("/jwks", PeerResponse(307, ["Location": "http://\(other.host)/jwks"])),
            ("/jwks", PeerResponse(200, body: Array(repeating: 0x20, count: 1 << 20))), ("/jwks", PeerResponse(200, json: #"{"keys":[]}"#)), ("/jwks", PeerResponse(500)),
        ]
        for (index, (path, answer)) in answers.enumerated() {
            stranger.change { $0.answers = [path: answer] }
            // Another skew makes it another issuer, of whom nothing is remembered.
            try bench.lift.folder.write(
                """
                version: 1
                kind: Identities
                issuers: { ci: { issuer: "\(stranger.url)", plainHTTP: true, audience: shiplift, skew: \(index + 1)s } }
                rules: [{ name: r, issuer: ci, claims: { repository_id: "7" }, grants: { verbs: read } }]
                """, to: "policies/identities.yaml")
            try await eventually("the policy with skew \(index + 1) to be in force", within: .seconds(10), every: .milliseconds(100)) {
                try await theirs.send("GET", "/v1/whoami").status == 503
            }
        }
        #expect(other.requests.isEmpty, "a host that no file names was asked")
        stranger.change { $0.answers = [:] }
        try await eventually("the issuer to be asked again", within: .seconds(15)) { try await theirs.send("GET", "/v1/whoami").status == 200 }
        let admin = try Caller.admin(of: bench.lift)
        let refusals = try await eventualValue("refusals in the log", within: .seconds(20)) {
            let page: PageResource<AuditItem> = try await admin.answer("GET", "/v1/audit?action=authentication.refused")
            return page.items.contains { $0.entry.details?.kind == "signature" } ? page.items : nil
        }
        #expect(refusals.first { $0.entry.details?.kind == "signature" }?.entry.details?.count == 30, "thirty refusals are one entry")
        try await service.terminate()
    }

    @Test func attackAKeyTakenBackAndANewOne() async throws {
        let bench = try await Bench.make()
        let service = try await bench.lift.start()
        let before = try bench.caller(Bench.pipeline)
        #expect(try await before.send("GET", "/v1/whoami").status == 200)
        bench.issuer.change { $0.keys = [] }
        try bench.issuer.change { $0.keys = [try IssuerKey("second", .p256)] }
        // Only RS256 is allowed here: the new key is of another kind, and counts for nothing.
        let after = try bench.caller(Bench.pipeline)
        #expect(try await after.send("GET", "/v1/whoami").text.contains("algorithm 'ES256' is not allowed"))
        try bench.issuer.change { $0.keys = [try IssuerKey("third")] }
        let third = try bench.caller(Bench.pipeline)
        try await eventually("the new key to be found", within: .seconds(40), every: .seconds(1)) { try await third.send("GET", "/v1/whoami").status == 200 }
        #expect(try await before.send("GET", "/v1/whoami").text.contains("no key 'first'"))
        try await service.terminate()
    }

    /// Tokens of ours: two replicas on one database.
    @Test func attackRevokedAndRotatedTokens() async throws {
        let bench = try await Bench.make()
        let service = try await bench.lift.start()
        let port = try FreePort.take()
        let second = try await ShipliftProcess.start(
            ["serve"],
            environment: [
                "DATABASE_URL": bench.lift.databaseURL, "SHIPLIFT_DATA": bench.lift.folder.path("data"), "SHIPLIFT_POLICIES": bench.lift.folder.path("policies"),
                "SHIPLIFT_MIGRATIONS": Lift.repositoryFolder + "/Migrations", "SHIPLIFT_LISTEN": "127.0.0.1:\(port)", "SHIPLIFT_PROBE_REGISTRIES": "false",
            ])
        try await second.ready(port: port)
        let admin = try Caller.admin(of: bench.lift)
        let made: TokenResource = try await admin.answer(
            "POST", "/v1/tokens", TokenRequestBody(name: "bot", role: "scoped", grants: [GrantResource(verbs: ["promote"], images: ["shop/*"], environments: ["test"])]),
            status: 201)
        func works(_ secret: String?) async throws -> [Int] {
            var statuses: [Int] = []
            for port in [bench.lift.port, port] { statuses.append(try await Caller(port: port, secret: secret ?? "", id: "").send("GET", "/v1/whoami").status) }
            return statuses
        }
        #expect(try await works(made.secret) == [200, 200])
        let bot = Caller(port: port, secret: made.secret ?? "", id: "")
        #expect(try await bot.send("POST", "/v1/promotions", PromotionRequestBody(image: "shop/a/b", from: "dev", to: "test", tag: "1")).status == 403)
        // Its bearer rotates it at one replica: both secrets count at both, for two seconds.
        let rotated: TokenResource = try await bot.answer("POST", "/v1/tokens/\(made.id)/rotate", TokenRotationBody(overlapSeconds: 2))
        #expect(rotated.id == made.id && rotated.secret != made.secret && rotated.expiresAt == made.expiresAt)
        #expect(try await works(made.secret) == [200, 200])
        #expect(try await works(rotated.secret) == [200, 200])
        // And a second for what is remembered.
        try await Task.sleep(for: .milliseconds(3_200))
        #expect(try await works(made.secret) == [401, 401])
        let stranger = try await admin.colleague("stranger", role: "promoter")
        #expect(try await stranger.send("POST", "/v1/tokens/\(made.id)/rotate").status == 403)
        #expect(try await Caller(port: port, secret: rotated.secret ?? "", id: "").send("POST", "/v1/tokens/\(made.id)/rotate", raw: #"{"expiresInDays":365}"#).status == 403)
        // Rotated with an overlap of a day and revoked: both secrets end, at once, everywhere.
        let again: TokenResource = try await admin.answer("POST", "/v1/tokens/\(made.id)/rotate", TokenRotationBody(overlapSeconds: 86_400))
        #expect(try await works(rotated.secret) == [200, 200])
        let _: TokenResource = try await admin.answer("DELETE", "/v1/tokens/\(made.id)")
        #expect(try await works(rotated.secret) == [401, 401])
        #expect(try await works(again.secret) == [401, 401])
        #expect(try await admin.send("POST", "/v1/tokens/\(made.id)/rotate").status == 404)
        let cli = try await bench.lift.command("token", "create", "cli-bot", "--role", "scoped", "--grant", "promote,report:shop/**:test", "-o", "json")
        let made2 = try APIJSON.decoder().decode(TokenResource.self, from: Data(cli.output.utf8))
        #expect(made2.grants == [GrantResource(verbs: ["promote", "report"], images: ["shop/**"], environments: ["test"])])
        let rotation = try await bench.lift.command("token", "rotate", made2.id, "--overlap", "0")
        #expect(rotation.output.hasPrefix("shp_"))
        #expect(try await works(made2.secret) == [401, 401])
        try await second.terminate()
        try await service.terminate()
    }

    /// Approving one's own, by whatever way one comes; and an approval of one digest for another.
    @Test func attackApprovals() async throws {
        let bench = try await Bench.make()
        let service = try await bench.lift.start()
        let admin = try Caller.admin(of: bench.lift)
        let (ada, bob) = (try bench.person("ada"), try bench.person("bob"))
        #expect(try await bench.caller(Bench.pipeline).promote("shop/api", "1.4.2", from: "dev", to: "staging", wait: 30).state == "succeeded")
        // Ada asks, by a token that was made for her.
        let made: TokenResource = try await admin.answer(
            "POST", "/v1/tokens", TokenRequestBody(name: "ada's", role: "promoter", owner: "oidc:\(bench.issuer.url)#ada"), status: 201)
        let asked = try await Caller(port: bench.lift.port, secret: made.secret ?? "", id: "").promote("shop/api", "1.4.2", from: "staging", to: "production")
        _ = try await admin.waiting(asked.id)
        for (caller, way) in [(ada, "a new token of hers"), (try bench.person("ada"), "another one")] {
            let answer = try await caller.send("POST", "/v1/promotions/\(asked.id)/approve")
            #expect(answer.status == 403 && answer.text.contains("who asks for a promotion can't approve it"), "\(way): \(answer.text)")
        }
        let _: PromotionResource = try await bob.answer("POST", "/v1/promotions/\(asked.id)/approve", status: 202)
        #expect(try await admin.promotion(asked.id, wait: 20).state == "succeeded")
        // The same tag names something else now: Bob's word was about another digest.
        try await bench.lift.staging.push(try ImageFixture.image(labels: Lift.labels, seed: 2), to: "staging/shop/api", tag: "2.0.0")
        let next = try await bench.caller(Bench.pipeline).promote("shop/api", "2.0.0", from: "staging", to: "production")
        let waiting = try await admin.waiting(next.id)
        #expect(next.digest != asked.digest && waiting.decision?.gates.contains { $0.reason.contains("0 of 1 approvals") } == true)
        let verdicts: PageResource<VerdictResource> = try await admin.answer("GET", "/v1/promotions/\(next.id)/verdicts")
        #expect(verdicts.items.isEmpty)
        try await service.terminate()
    }

    /// A browser: code, PKCE, state, nonce, a session, its end; and what a stolen cookie is worth.
    @Test func peopleLogInWithABrowser() async throws {
        let bench = try await Bench.make()
        let origin = "http://127.0.0.1:\(bench.lift.port)"
        let service = try await bench.lift.start(with: ["SHIPLIFT_PUBLIC_URL": origin])
        let port = bench.lift.port
        let begun = try await LoopbackHTTP.send("GET", "/auth/login?return=/where", port: port)
        let place = try #require(begun.value("Location"))
        let attempt = try #require(begun.value("Set-Cookie")).prefix { $0 != ";" }
        #expect(begun.status == 303 && begun.value("Set-Cookie")?.contains("HttpOnly; SameSite=Lax") == true && place.hasPrefix(bench.issuer.url + "/authorize?"))
        #expect(place.contains("code_challenge_method=S256") && place.contains("nonce=") && !place.contains("verifier"))
        let issued = try await LoopbackHTTP.send("GET", String(place.dropFirst(bench.issuer.url.count)), port: bench.issuer.peer.port)
        let back = try #require(issued.value("Location"))
        #expect(back.hasPrefix(origin + "/auth/callback?code="))
        let target = String(back.dropFirst(origin.count))
        // Another browser, another state, another issuer's answer: refused, and the code is not spent.
        #expect(try await LoopbackHTTP.send("GET", target, port: port).status == 400)
        let cookie = HeaderField("Cookie", String(attempt))
        #expect(try await LoopbackHTTP.send("GET", target.replacing("state=", with: "state=0"), port: port, fields: [cookie]).status == 400)
        #expect(try await LoopbackHTTP.send("GET", target.replacing("&iss=http://", with: "&iss=http://evil."), port: port, fields: [cookie]).status == 403)
        let done = try await LoopbackHTTP.send("GET", target, port: port, fields: [cookie])
        #expect(done.status == 303 && done.value("Location") == "/where", "\(done.text)")
        let session = HeaderField(
            "Cookie", String(try #require(done.fields.first { $0.name.lowercased() == "set-cookie" && $0.value.contains("session") }).value.prefix { $0 != ";" }))
        #expect(try await LoopbackHTTP.send("GET", target, port: port, fields: [cookie]).status == 403, "a code counts once")
        let answer = try await LoopbackHTTP.send("GET", "/v1/whoami", port: port, fields: [session])
        let who = try APIJSON.decoder().decode(WhoamiResource.self, from: Data(answer.body))
        #expect(who.subject == "oidc:\(bench.issuer.url)#ada" && who.authentication == "session" && who.rules == ["managers"] && who.claims["groups"] == ["release-managers"])
        let body = Array(#"{"image":"shop/api","from":"dev","to":"test","tag":"1.4.2"}"#.utf8)
        let json = HeaderField("Content-Type", "application/json")
        #expect(try await LoopbackHTTP.send("POST", "/v1/promotions", port: port, fields: [session, json], body: body).status == 403, "the cookie alone asks for nothing")
        let token = HeaderField("X-CSRF-Token", try #require(who.csrfToken))
        #expect(try await LoopbackHTTP.send("POST", "/v1/promotions", port: port, fields: [session, token, json], body: body).status == 202)
        #expect(try await LoopbackHTTP.send("POST", "/auth/logout", port: port, fields: [session, token]).status == 204)
        #expect(try await LoopbackHTTP.send("GET", "/v1/whoami", port: port, fields: [session]).status == 401)
        let admin = try Caller.admin(of: bench.lift)
        for action in ["session.started", "session.ended"] {
            let page: PageResource<AuditItem> = try await admin.answer("GET", "/v1/audit?action=\(action)")
            #expect(page.items.count == 1 && page.items.first?.entry.actor == who.subject)
        }
        let log = try service.errors() + service.output()
        let secrets = [session.value, token.value, String(attempt), target].map { $0.split(separator: "=").last.map(String.init) ?? $0 }
        for secret in secrets where secret.count > 20 && !secret.hasPrefix("http") { #expect(!log.contains(secret)) }
        try await service.terminate()
    }

    @Test func peopleLogInOnTheCommandLine() async throws {
        let bench = try await Bench.make()
        let service = try await bench.lift.start(with: ["SHIPLIFT_PUBLIC_URL": "http://127.0.0.1:\(bench.lift.port)"])
        let url = "http://127.0.0.1:\(bench.lift.port)"
        let environment = ["HOME": bench.lift.folder.path("home"), "SHIPLIFT_URL": url]
        func run(_ arguments: String...) async throws -> ToolResult { try await ShipliftProcess.run(arguments, environment: environment) }
        #expect(try await run("whoami").status == .exited(2))
        let login = try await run("login")
        #expect(login.status == .exited(0) && login.errors.contains("enter the code WXYZ-1234") && login.output.contains("logged in as Ada"), "\(login.output) \(login.errors)")
        let file = bench.lift.folder.path("home/.config/shiplift/credentials.json")
        #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
        let who = try await run("whoami")
        #expect(
            who.output.contains("(oidc:\(bench.issuer.url)#ada), by oidc") && who.output.contains("approve, override, promote: **; all environments"), "\(who.output) \(who.errors)"
        )
        // A file that others can read is not used.
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        #expect(try await run("whoami").errors.contains("can be read by others"))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        #expect(try await run("logout").output.contains("logged out"))
        #expect(try await run("whoami").status == .exited(2))
        try await service.terminate()
    }
}

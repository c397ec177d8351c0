import API
import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PolicyEngine
import Testing

@testable import PromotionCore

/// Ways around authentication, and through a browser in which somebody has logged in.
@Suite("Attacks on access")
struct AccessTests {
    private struct Answer {
        let status: Int
        let headers: HTTPFields
        let body: String
        var cookies: [String] { headers[values: .setCookie] }
    }

    private static func secret() -> APITokenSecret {
        var random = SystemRandomNumberGenerator()
        return APITokenSecret(random: &random)
    }

    private func send(
        _ services: APIServices, _ method: HTTPRequest.Method, _ path: String, _ fields: [(String, String)] = [], body: String? = nil
    ) async throws -> Answer {
        try await Application(router: services.router()).test(.router) { client in
            var headers = HTTPFields()
            for (name, value) in fields { headers.append(HTTPField(name: try #require(HTTPField.Name(name)), value: value)) }
            return try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) { response in
                Answer(status: Int(response.status.code), headers: response.headers, body: String(buffer: response.body))
            }
        }
    }

    @Test func attackTokenInTheQuery() async throws {
        let secret = Self.secret()
        let services = StubServices.make(grant: .admin, secret: secret)
        for name in ["access_token", "token"] {
            let answer = try await send(services, .get, "/v1/tokens?\(name)=\(secret.reveal())")
            #expect(answer.status == 401 && answer.body.contains("counts nowhere") && !answer.body.contains(secret.reveal()))
            // Beside a good header too: it was given away.
            #expect(try await send(services, .get, "/v1/tokens?\(name)=x", [("Authorization", "Bearer \(secret.reveal())")]).status == 401)
        }
    }

    /// Paths that a proxy or a careless router could take for another one: none leads past authentication.
    @Test(arguments: [
        "/v1/tokens", "//v1/tokens", "/v1//tokens", "/v1/tokens/", "/%761/tokens", "/v1/%74okens", "/V1/tokens", "/v1/./tokens", "/healthz/../v1/tokens", "/healthz/..%2fv1/tokens",
        "/healthz;/v1/tokens", "/v1/tokens;x", "/v1/tokens%00", "/v1/tokens%20", "/v1%2ftokens", "/v1/tokens?x=/healthz", "/v1\\tokens", "/auth/../v1/tokens",
        "/auth/methods/../../v1/tokens",
        "/v1/tokens#/healthz", "/metrics/../v1/tokens", "/./v1/tokens", "/v1/tokens/..;/tokens",
    ])
    func attackPathsAroundAuthorization(_ path: String) async throws {
        let secret = Self.secret()
        let services = StubServices.make(grant: .reader, secret: secret)
        let stranger = try await send(services, .get, path)
        #expect([400, 401, 404].contains(stranger.status), "\(path): \(stranger.status)")
        // And none leads a reader to what is an administrator's.
        let reader = try await send(services, .get, path, [("Authorization", "Bearer \(secret.reveal())")])
        #expect([400, 403, 404].contains(reader.status), "\(path): \(reader.status)")
    }

    @Test func attackHeadersThatSayTwoThings() async throws {
        let secret = Self.secret()
        let services = StubServices.make(grant: .admin, secret: secret)
        let good = "Bearer \(secret.reveal())"
        #expect(try await send(services, .get, "/v1/tokens", [("Authorization", good)]).status == 200)
        for other in [good, "Bearer x", "Basic eDp5"] {
            #expect(try await send(services, .get, "/v1/tokens", [("Authorization", good), ("Authorization", other)]).status == 401)
        }
        for value in [
            "bearer\t\(secret.reveal())", "Bearer  \(secret.reveal())", "Bearer \(secret.reveal()) x", "Bearer \(secret.reveal()),Bearer x", secret.reveal(), "Bearer", "Bearer ",
            "Basic \(secret.reveal())", "Token \(secret.reveal())",
        ] {
            #expect(try await send(services, .get, "/v1/tokens", [("Authorization", value)]).status == 401, "\(value.prefix(12))")
        }
        // Who stands between us and the caller says nothing about who the caller is.
        for (name, value) in [
            ("X-Forwarded-User", "admin"), ("X-Remote-User", "admin"), ("X-Original-URL", "/v1/tokens"), ("X-Rewrite-URL", "/v1/tokens"), ("X-HTTP-Method-Override", "GET"),
            ("Forwarded", "for=127.0.0.1"), ("X-Shiplift-Subject", "system:service"),
        ] {
            #expect(try await send(services, .get, "/v1/tokens", [(name, value)]).status == 401, "\(name)")
            #expect(try await send(services, .get, "/healthz", [(name, value)]).status == 200)
        }
    }

    /// The database looks a token up by its hash: no part of a wrong token is compared with a part of the right one.
    @Test func attackTimingOfAWrongToken() async throws {
        let secret = Self.secret()
        let services = StubServices.make(grant: .admin, secret: secret)
        let text = secret.reveal()
        // With all but one letter right the checksum does not fit, and nothing is asked of the database.
        for index in text.indices.dropFirst(4).prefix(30) {
            let wrong = text[..<index] + (text[index] == "A" ? "B" : "A") + text[text.index(after: index)...]
            #expect(APITokenSecret(parsing: String(wrong)) == nil)
        }
        #expect(try await send(services, .get, "/v1/tokens", [("Authorization", "Bearer \(Self.secret().reveal())")]).status == 401)
        let (one, other) = (Self.secret(), Self.secret())
        #expect(one.sha256 != other.sha256 && one.sha256.count == 32)
    }

    // MARK: browsers

    private static func session(idle: Double = 0, age: Double = 60, ended: Bool = false, groups: [String] = ["staff"]) -> (
        secret: SessionSecret, stored: (sha256: [UInt8], record: SessionRecord)
    ) {
        var random = SystemRandomNumberGenerator()
        let secret = SessionSecret(random: &random)
        let now = Date()
        let record = SessionRecord(
            id: UUID(), subject: .oidc(issuer: "https://idp.example.test", subject: "ada"), issuer: "https://idp.example.test", claims: ["groups": groups],
            createdAt: now.addingTimeInterval(-age), lastSeenAt: now.addingTimeInterval(-idle), expiresAt: now.addingTimeInterval(-age + SignIn.lifetime),
            endedAt: ended ? now : nil)
        return (secret, (secret.sha256, record))
    }

    private static let rotate = "/v1/tokens/00000000-0000-4000-8000-000000000000/rotate"

    @Test func attackCrossSiteRequests() async throws {
        let (secret, stored) = Self.session()
        let services = StubServices.make(session: stored)
        let cookie = ("Cookie", "__Host-shiplift-session=\(secret.reveal())")
        let who = try await send(services, .get, "/v1/whoami", [cookie])
        #expect(who.status == 200 && who.body.contains("\"session\"") && who.body.contains(secret.antiForgeryToken) && !who.body.contains(secret.reveal()))
        let (token, site) = (("X-CSRF-Token", secret.antiForgeryToken), ("Sec-Fetch-Site", "same-origin"))
        let origin = ("Origin", "https://shiplift.example.test")
        // It gets as far as the stub, which has no token.
        #expect(try await send(services, .post, Self.rotate, [cookie, token, site, origin]).status == 404)
        for fields in [
            [cookie, site, origin], [cookie, ("X-CSRF-Token", "x"), site, origin], [cookie, ("X-CSRF-Token", secret.reveal()), site, origin],
            [cookie, token, ("Sec-Fetch-Site", "cross-site")], [cookie, token, ("Sec-Fetch-Site", "same-site")], [cookie, token, site, ("Origin", "https://evil.test")],
            [cookie, token, site, ("Origin", "null")], [cookie, token, site, ("Origin", "https://shiplift.example.test.evil.test")],
        ] {
            let answer = try await send(services, .post, Self.rotate, fields)
            #expect(answer.status == 403 && answer.body.contains("cross-site"), "\(fields)")
        }
        #expect(try await send(services, .post, "/auth/logout", [cookie]).status == 403, "nobody else's page logs somebody out")
    }

    @Test func attackSessionsThatAreOver() async throws {
        for (name, made) in [
            ("idle", Self.session(idle: SignIn.idle + 1)), ("old", Self.session(age: SignIn.lifetime + 1)), ("ended", Self.session(ended: true)),
        ] {
            let answer = try await send(StubServices.make(session: made.stored), .get, "/v1/whoami", [("Cookie", "__Host-shiplift-session=\(made.secret.reveal())")])
            #expect(answer.status == 401 && answer.body.contains("the session is over"), "\(name)")
        }
        // The rules in force decide at each request, whatever they said at the log-in.
        let left = Self.session(groups: ["others"])
        #expect(try await send(StubServices.make(session: left.stored), .get, "/v1/whoami", [("Cookie", "__Host-shiplift-session=\(left.secret.reveal())")]).status == 403)
        let (secret, stored) = Self.session()
        for cookie in [
            "shiplift-session=\(secret.reveal())", "__Host-shiplift-session=x; __Host-shiplift-session=\(secret.reveal())",
            "__Host-shiplift-session=\(secret.reveal().uppercased())",
        ] {
            #expect(try await send(StubServices.make(session: stored), .get, "/v1/whoami", [("Cookie", cookie)]).status == 401, "\(cookie.prefix(30))")
        }
    }

    @Test func attackLogInsThatThisBrowserDidNotBegin() async throws {
        let services = StubServices.make()
        for path in ["/auth/callback", "/auth/callback?code=x", "/auth/callback?code=x&state=y"] {
            #expect(try await send(services, .get, path).status == 400)
            #expect(try await send(services, .get, path, [("Cookie", "__Host-shiplift-login=e30")]).status == 400)
        }
        #expect(try await send(services, .get, "/auth/login?issuer=nobody").status == 400)
        #expect(try await send(services, .get, "/auth/login").status == 503, "the issuer is not there")
    }

    @Test(arguments: [
        "https://evil.test", "//evil.test", "/\\evil.test", "/\t/evil.test", "javascript:alert(1)", "", "evil", "/\u{e9}", "/a\r\nSet-Cookie: x=y",
    ])
    func attackWaysBackThatLeadElsewhere(_ path: String) { #expect(!SignIn.isPathHere(path)) }

    @Test func attackAScopedTokenBeyondItsScopes() async throws {
        let secret = Self.secret()
        let shop = try #require(EnvironmentName(parsing: "test"))
        let services = StubServices.make(grant: .scoped([Permission(verbs: [.promote], images: ["shop/*"], environments: [shop])]), secret: secret)
        func status(_ image: String, _ to: String) async throws -> Int {
            try await send(
                services, .post, "/v1/promotions", [("Authorization", "Bearer \(secret.reveal())"), ("Content-Type", "application/json")],
                body: #"{"image":"\#(image)","from":"dev","to":"\#(to)","tag":"1"}"#
            ).status
        }
        // Not in a registry: the right was there.
        #expect(try await status("shop/a", "test") == 404)
        for (image, to) in [("shop/a/b", "test"), ("shopx/a", "test"), ("shop/a", "dev"), ("other/a", "test")] { #expect(try await status(image, to) == 403, "\(image) \(to)") }
        for (method, path) in [(HTTPRequest.Method.get, "/v1/tokens"), (.post, "/v1/tokens"), (.post, Self.rotate), (.post, "/v1/policies/refresh")] {
            #expect(try await send(services, method, path, [("Authorization", "Bearer \(secret.reveal())")], body: "{}").status == 403, "\(path)")
        }
    }
}

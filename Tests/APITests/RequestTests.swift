import API
import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PolicyEngine
import PromotionCore
import Testing

@Suite struct RequestTests {
    private static let promotion = #"{"image":"shop/api","from":"dev","to":"test","tag":"1.0.0"}"#

    private func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, as grant: Grant? = .admin, token: String? = nil, fields: HTTPFields = [:],
        metrics: MetricsAccess = .loopback
    ) async throws -> (status: Int, problem: ProblemResource?, headers: HTTPFields, body: Data) {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let application = Application(router: StubServices.make(grant: grant, secret: secret, metrics: metrics).router())
        return try await application.test(.router) { client in
            var headers = fields
            if let token { headers[.authorization] = token } else if grant != nil { headers[.authorization] = "Bearer \(secret.reveal())" }
            return try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) { response in
                let data = Data(response.body.readableBytesView)
                let isProblem = response.headers[.contentType] == "application/problem+json"
                return (Int(response.status.code), isProblem ? try APIJSON.decoder().decode(ProblemResource.self, from: data) : nil, response.headers, data)
            }
        }
    }

    @Test(
        arguments: [
            ("{", nil), ("[]", nil), ("null", nil), (#"{"image":"shop/api"}"#, "from"),
            (#"{"image":"Shop","from":"dev","to":"test","tag":"1"}"#, "image"), (#"{"image":"shop/api","from":"Dev!","to":"test","tag":"1"}"#, "from"),
            (#"{"image":"shop/api","from":"dev","to":"test","tag":"/"}"#, "tag"), (#"{"image":"shop/api","from":"dev","to":"test"}"#, "tag"),
            (#"{"image":"shop/api","from":"dev","to":"test","tag":"1","digest":"sha256:00"}"#, "tag"),
            (#"{"image":"shop/api","from":"dev","to":"test","digest":"sha256:00"}"#, "digest"),
            (#"{"image":"shop/api","from":"dev","to":"test","tag":"1","targetTag":"x"}"#, "targetTag"),
            (#"{"image":7,"from":"dev","to":"test","tag":"1"}"#, "image"), (#"{"image":"shop/api","from":"dev","to":"test","tag":"1","reason":"\u0000"}"#, "reason"),
        ] as [(String, String?)])
    func badBodiesNameTheFieldAtFault(_ body: String, _ field: String?) async throws {
        let answer = try await send(.post, "/v1/promotions", body)
        #expect(answer.status == 400)
        #expect(answer.problem?.field == field)
        #expect(answer.problem?.type.hasPrefix("https://") == true && answer.problem?.requestId != nil)
        #expect(answer.problem?.detail.isEmpty == false)
    }

    @Test(arguments: [
        (#"{"items":[]}"#, "items"), (#"{"items":{}}"#, "items"), (#"{}"#, "items"), (#"{"items":[1]}"#, "items.0"), (#"{"items":[],"x":1}"#, "x"),
        (#"{"items":[{"image":"shop/api","from":"dev","to":"test","tag":"1","dryRun":true}]}"#, "items.0.dryRun"),
        (#"{"items":[{"image":"shop/api","from":"dev","to":"test","tag":"1"},{"imag":"shop/api"}]}"#, "items.1.imag"),
    ]) func badBatchesNameTheItemAtFault(_ body: String, _ field: String) async throws {
        let answer = try await send(.post, "/v1/promotions/batch", body)
        #expect(answer.status == 400)
        #expect(answer.problem?.field == field)
    }

    @Test func aBatchHasAnAnswerForEachItem() async throws {
        let items = [
            #"{"image":"shop/api","from":"dev","to":"test","tag":"1"}"#, #"{"image":"shop/api","from":"dev","to":"nowhere","tag":"1"}"#,
            #"{"image":"Shop","from":"dev","to":"test","tag":"1"}"#,
        ]
        let answer = try await send(.post, "/v1/promotions/batch", #"{"items":[\#(items.joined(separator: ","))]}"#)
        #expect(answer.status == 200)
        let batch = try APIJSON.decoder().decode(PromotionBatchResource.self, from: answer.body)
        #expect(batch.items.map(\.status) == [404, 422, 400])
        #expect(batch.items[2].problem?.field == "image")
    }

    @Test func aBodyOverTheLimitIsRefused() async throws {
        #expect(try await send(.post, "/v1/promotions", String(repeating: " ", count: (1 << 20) + 1)).status == 413)
    }

    @Test func whatDoesNotExistIsSaidClearly() async throws {
        let image = try await send(.post, "/v1/promotions", Self.promotion)
        #expect(image.status == 404 && image.problem?.detail.contains("shop/api:1.0.0") == true && image.problem?.detail.contains("dev") == true)
        let environment = try await send(.post, "/v1/promotions", Self.promotion.replacing("dev", with: "nowhere"))
        #expect(environment.status == 422 && environment.problem?.detail.contains("dev, test") == true)
        #expect(try await send(.get, "/v1/promotions/\(UUID())").status == 404)
        #expect(try await send(.get, "/v1/promotions/x").status == 404)
        #expect(try await send(.get, "/v2/nothing").status == 404)
    }

    @Test(arguments: ["", "Bearer", "Bearer ", "Bearer x", "Basic c2hwXzp4", "Bearer shp_000000000000000000000000000000000000"])
    func withoutAValidTokenThereIsNothing(_ header: String) async throws {
        for (method, path) in [
            (HTTPRequest.Method.get, "/v1/promotions"), (.post, "/v1/promotions"), (.get, "/v1/audit"), (.get, "/v1/registries"), (.post, "/v1/registries/dev/probe"),
            (.get, "/v1/tokens"), (.get, "/v1/environments"),
        ] {
            let answer = try await send(method, path, Self.promotion, as: nil, token: header)
            #expect(answer.status == 401)
            #expect(answer.headers[.wwwAuthenticate]?.hasPrefix("Bearer") == true)
        }
    }

    @Test func rolesAreHeld() async throws {
        let test = try #require(EnvironmentName(parsing: "test"))
        #expect(try await send(.post, "/v1/promotions", Self.promotion, as: .reader).status == 403)
        #expect(try await send(.post, "/v1/promotions", Self.promotion, as: .promoter(images: ["other/*"], environments: [])).status == 403)
        #expect(try await send(.post, "/v1/promotions", Self.promotion, as: .promoter(images: ["shop/*"], environments: [test])).status == 404)
        for grant in [Grant.reader, .promoter(images: [], environments: [])] {
            #expect(try await send(.get, "/v1/tokens", as: grant).status == 403)
            #expect(try await send(.post, "/v1/tokens", #"{"name":"a","role":"admin"}"#, as: grant).status == 403)
            #expect(try await send(.delete, "/v1/tokens/\(UUID())", as: grant).status == 403)
        }
        #expect(try await send(.get, "/v1/audit", as: .reader).status == 200)
    }

    @Test(arguments: [
        "/v1/promotions?limit=0", "/v1/promotions?limit=1001", "/v1/promotions?limit=x", "/v1/promotions?state=done", "/v1/promotions?digest=x",
        "/v1/audit?since=yesterday", "/v1/audit?promotion=x", "/v1/tags", "/v1/tags?image=UP", "/v1/artifacts", "/v1/artifacts?digest=sha256:1",
    ])
    func badQueriesAreRefused(_ path: String) async throws { #expect(try await send(.get, path).status == 400) }

    @Test func registriesAreListedAndProbed() async throws {
        let list = try await send(.get, "/v1/registries", as: .reader)
        let page = try APIJSON.decoder().decode(PageResource<RegistryResource>.self, from: list.body)
        #expect(page.items.map(\.name) == ["dev"] && page.items[0].profile == [RegistryTraitResource(name: "mount", value: "any", source: "probed")])
        #expect(page.items[0].rateLimit?.remaining == 3 && page.items[0].allowance == 8)
        #expect(try await send(.post, "/v1/registries/dev/probe").status == 200)
        #expect(try await send(.post, "/v1/registries/nowhere/probe").status == 404)
        let down = try await send(.post, "/v1/registries/down/probe")
        #expect(down.status == 502 && down.problem?.retryable == true)
        for grant in [Grant.reader, .promoter(images: [], environments: [])] {
            #expect(try await send(.post, "/v1/registries/dev/probe", as: grant).status == 403)
        }
        #expect(try await send(.get, "/v1/registries", as: nil).status == 401)
    }

    /// Who is not known to come from this machine shows a token, unless everybody may read them.
    @Test func metricsAreNotForEverybody() async throws {
        for access in [MetricsAccess.loopback, .token] {
            #expect(try await send(.get, "/metrics", as: nil, metrics: access).status == 401)
            let read = try await send(.get, "/metrics", as: .reader, metrics: access)
            #expect(read.status == 200 && read.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(String(decoding: read.body, as: UTF8.self) == "up 1\n")
        }
        #expect(try await send(.get, "/metrics", as: nil, metrics: .open).status == 200)
    }

    @Test func healthNeedsNoTokenAndSaysNoMoreThanItShould() async throws {
        #expect(try await send(.get, "/healthz", as: nil).status == 200)
        #expect(try await send(.get, "/readyz", as: nil).status == 503)
    }

    @Test func theCallersRequestIDComesBackUnlessItIsHostile() async throws {
        let name = try #require(HTTPField.Name("X-Request-Id"))
        #expect(try await send(.get, "/healthz", fields: [name: "run-7"]).headers[name] == "run-7")
        #expect(try await send(.get, "/healthz", fields: [name: "a b"]).headers[name] != "a b")
    }

    @Test(arguments: ["", String(repeating: "k", count: 256), "a b", "ä"])
    func badIdempotencyKeysAreRefused(_ key: String) async throws {
        let name = try #require(HTTPField.Name("Idempotency-Key"))
        #expect(try await send(.post, "/v1/promotions", Self.promotion, fields: [name: key]).problem?.field == "Idempotency-Key")
    }
}

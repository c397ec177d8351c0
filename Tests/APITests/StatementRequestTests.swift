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

/// What pipelines and people post: refused with the field at fault, and by role.
@Suite struct StatementRequestTests {
    private static let digest = "sha256:" + String(repeating: "a", count: 64)
    private static let clean = #"{"matches":[],"descriptor":{"name":"grype","timestamp":"2026-01-01T00:00:00Z"}}"#

    private func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, as grant: Grant = .admin
    ) async throws -> (status: Int, problem: ProblemResource?, body: Data) {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let application = Application(router: StubServices.make(grant: grant, secret: secret).router())
        return try await application.test(.router) { client in
            let headers: HTTPFields = [.authorization: "Bearer \(secret.reveal())"]
            return try await client.execute(uri: path, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) }) { response in
                let data = Data(response.body.readableBytesView)
                let isProblem = response.headers[.contentType] == "application/problem+json"
                return (Int(response.status.code), isProblem ? try APIJSON.decoder().decode(ProblemResource.self, from: data) : nil, data)
            }
        }
    }

    private func evidence(_ members: String) -> String { #"{"digest":"\#(Self.digest)","kind":"tests","result":"passed"\#(members)}"# }

    @Test func evidenceIsKeptAsItWasGiven() async throws {
        let answer = try await send(.post, "/v1/evidence", evidence(#","image":"shop/api","details":{"run":17,"ok":true,"list":[1.5,null]},"url":"https://ci.example.test/1""#))
        #expect(answer.status == 201)
        let posted = try APIJSON.decoder().decode(PostedResource.self, from: answer.body)
        #expect(posted.statement.details == .object(["run": .integer(17), "ok": .bool(true), "list": .array([.number(1.5), .null])]))
        #expect(posted.statement.kind == "tests" && posted.statement.content?.hasPrefix("sha256:") == true)
    }

    @Test(arguments: [
        (#","kin":"x""#, "kin"), (#","image":"Shop""#, "image"), (#","details":[1]"#, "details"),
        (#","url":"javascript:alert(1)""#, "url"), (#","url":"https://a b""#, "url"),
    ]) func badEvidenceNamesTheFieldAtFault(_ members: String, _ field: String) async throws {
        let answer = try await send(.post, "/v1/evidence", evidence(members))
        #expect(answer.status == 400 && answer.problem?.field == field, "\(answer.problem?.detail ?? "")")
    }

    @Test func emptyAndEndlessWordsAreRefused() async throws {
        for (kind, result, field) in [
            ("", "passed", "kind"), (String(repeating: "k", count: 101), "passed", "kind"), ("a\\u0007", "passed", "kind"), ("tests", "", "result"),
            ("tests", String(repeating: "r", count: 201), "result"),
        ] {
            let answer = try await send(.post, "/v1/evidence", #"{"digest":"\#(Self.digest)","kind":"\#(kind)","result":"\#(result)"}"#)
            #expect(answer.status == 400 && answer.problem?.field == field)
        }
        for value in [String(repeating: "x", count: 40_000), "\\u0000"] {
            let answer = try await send(.post, "/v1/evidence", evidence(#","details":{"a":"\#(value)"}"#))
            #expect(answer.status == 422 && answer.problem?.field == "details")
        }
    }

    @Test(arguments: [
        ("?digest=sha256:1", "digest"), ("", "digest"), ("?digest=\(digest)&scaner=x", "scaner"), ("?digest=\(digest)&image=UP", "image"),
        ("?digest=\(digest)&completedAt=yesterday", "completedAt"),
    ]) func badScanQueriesAreRefused(_ query: String, _ field: String) async throws {
        let answer = try await send(.post, "/v1/evidence/scans" + query, Self.clean)
        #expect(answer.status == 400 && answer.problem?.field == field)
    }

    @Test func aReportThatIsNoneIsRefused() async throws {
        let path = "/v1/evidence/scans?digest=\(Self.digest)"
        #expect(try await send(.post, path, Self.clean).status == 201)
        for body in ["", "{}", "[]", Self.clean.replacing("2026-01-01", with: "2999-01-01")] {
            #expect(try await send(.post, path, body).status == 422)
        }
        let other = Self.clean.replacing(
            #""descriptor""#, with: #""source":{"type":"image","target":{"repoDigests":["a@sha256:\#(String(repeating: "b", count: 64))"]}},"descriptor""#)
        let answer = try await send(.post, path, other)
        #expect(answer.status == 422 && answer.problem?.field == "digest")
        #expect(try await send(.post, path, String(repeating: " ", count: ScanReport.maximumBytes + 1)).status == 413)
    }

    @Test func whoMayPostIsHeld() async throws {
        let cases: [(Grant, Int, Int)] = [
            (.reader, 403, 403), (.approver(images: [], environments: []), 403, 403), (.reporter(images: []), 201, 201),
            (.promoter(images: [], environments: []), 201, 201), (.reporter(images: ["shop/*"]), 403, 201), (.reporter(images: ["other/*"]), 403, 403),
        ]
        for (grant, everywhere, shop) in cases {
            #expect(try await send(.post, "/v1/evidence", evidence(""), as: grant).status == everywhere, "\(grant)")
            #expect(try await send(.post, "/v1/evidence", evidence(#","image":"shop/api""#), as: grant).status == shop, "\(grant)")
            #expect(try await send(.post, "/v1/evidence/scans?digest=\(Self.digest)", Self.clean, as: grant).status == everywhere, "\(grant)")
        }
        #expect(try await send(.get, "/v1/evidence?digest=\(Self.digest)", as: .reader).status == 200)
    }

    @Test(arguments: [
        "/v1/eligibility", "/v1/eligibility?image=shop/api", "/v1/eligibility?to=test", "/v1/eligibility?image=UP&to=test", "/v1/eligibility?image=shop/api&to=T!",
        "/v1/eligibility?image=shop/api&to=test&tag=1&digest=\(digest)", "/v1/eligibility?image=shop/api&to=test&limit=51",
        "/v1/eligibility?image=shop/api&to=test&tags=1", "/v1/decisions", "/v1/decisions?since=90d", "/v1/decisions?since=2026-03-01T00:00:00Z&limit=201",
        "/v1/evidence", "/v1/evidence?digest=x",
    ]) func badQuestionsAreRefused(_ path: String) async throws { #expect(try await send(.get, path).status == 400) }

    @Test func eligibilityNamesWhatIsNotThere() async throws {
        #expect(try await send(.get, "/v1/eligibility?image=shop/api&to=nowhere").status == 422)
        #expect(try await send(.get, "/v1/eligibility?image=shop/api&to=test").status == 409, "no policy opens a step")
        #expect(try await send(.get, "/v1/eligibility?image=shop/api&to=test&from=dev&tag=1.0.0").status == 404)
    }

    @Test func verdictsNeedAPromotionAndASoundBody() async throws {
        for verb in ["approve", "reject", "override"] { #expect(try await send(.post, "/v1/promotions/\(UUID())/\(verb)").status == 404) }
        #expect(try await send(.get, "/v1/promotions/\(UUID())/verdicts").status == 404)
        for body in [#"{"comment":7}"#, #"{"reason":"x"}"#, #"{"comment":"\u0000"}"#, "[]"] {
            #expect(try await send(.post, "/v1/promotions/\(UUID())/approve", body).status == 400, "\(body)")
        }
    }

    @Test func tokensForPeopleAndScanners() async throws {
        for body in [
            #"{"name":"a","role":"approver","images":["shop/**"],"environments":["test"],"groups":["managers"]}"#, #"{"name":"a","role":"reporter","images":["shop/**"]}"#,
        ] { #expect(try await send(.post, "/v1/tokens", body).status == 201) }
        for (body, field) in [
            (#"{"name":"a","role":"reporter","environments":["test"]}"#, "environments"), (#"{"name":"a","role":"reader","groups":[""]}"#, "groups"),
            (#"{"name":"a","role":"approver","images":["regex:("]}"#, "images"), (#"{"name":"a","role":"king"}"#, "role"),
        ] {
            let answer = try await send(.post, "/v1/tokens", body)
            #expect([400, 422].contains(answer.status) && answer.problem?.field == field, "\(body): \(answer.problem?.detail ?? "")")
        }
    }
}

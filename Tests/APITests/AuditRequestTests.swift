import AuditLog
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PromotionCore
import Testing

@testable import API

@Suite struct AuditRequestTests {
    private func get(_ path: String, accept: String? = nil) async throws -> (status: Int, type: String, body: String) {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let application = Application(router: StubServices.make(grant: .reader, secret: secret).router())
        return try await application.test(.router) { client in
            var headers: HTTPFields = [.authorization: "Bearer \(secret.reveal())"]
            headers[.accept] = accept
            return try await client.execute(uri: path, method: .get, headers: headers) { response in
                (Int(response.status.code), response.headers[.contentType] ?? "", String(buffer: response.body))
            }
        }
    }

    @Test(arguments: [
        "/v1/audit?colour=red", "/v1/audit?actorAuth=magic", "/v1/audit?outcome=maybe", "/v1/audit?order=random", "/v1/audit?format=xml", "/v1/audit/proof",
        "/v1/audit/proof?entry=x", "/v1/audit/proof?entry=-1", "/v1/audit/proof?entry=1&format=xml", "/v1/audit/consistency", "/v1/audit/consistency?from=0",
    ])
    func malformedQuestionsAreRefused(_ path: String) async throws { #expect(try await get(path).status == 400) }

    @Test(arguments: [
        "/v1/audit?q=ab", "/v1/audit?q=freeze", "/v1/audit?tag=1.0", "/v1/audit?requestId=r-1", "/v1/audit?after=-2", "/v1/audit?after=1&cursor=x",
        "/v1/audit?action=a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u", "/v1/audit/consistency?from=5&to=4",
    ])
    func questionsThatDontCountAreRefused(_ path: String) async throws { #expect(try await get(path).status == 422) }

    @Test(arguments: [
        "/v1/audit?q=freeze&image=shop/api", "/v1/audit?tag=1.0&since=2026-03-01T00:00:00Z", "/v1/audit?requestId=r-1&actor=token:ci", "/v1/audit?after=-1",
        "/v1/audit?action=promotion.succeeded,promotion.failed&order=oldest",
    ])
    func questionsThatAnIndexBoundsAreAnswered(_ path: String) async throws { #expect(try await get(path).status == 200) }

    @Test func whatIsNotThereIsNotFound() async throws {
        #expect(try await get("/v1/audit/proof?entry=4").status == 404)
        #expect(try await get("/v1/audit/consistency?from=4").status == 404)
    }

    @Test func streamsAsLinesAndAsTable() async throws {
        let lines = try await get("/v1/audit?format=ndjson")
        #expect(lines.type == "application/x-ndjson" && lines.body.hasPrefix("{\"index\":7,") && lines.body.hasSuffix("}\n"))
        let table = try await get("/v1/audit", accept: "text/csv")
        let rows = table.body.components(separatedBy: "\r\n")
        #expect(table.type.hasPrefix("text/csv") && rows.count == 3 && rows[0].hasPrefix("index,time,actor,"))
        #expect(rows[1].hasPrefix("7,2027-01-15T08:00:00.000Z,token:ci,token,promotion.requested,success,shop/api,,,,1.0 1,"))
        // A spreadsheet must not take a reason for a formula.
        #expect(rows[1].contains(",\"'=HYPERLINK(\"\"http://x\"\")\","))
    }

    @Test(arguments: [
        ("plain", "plain"), ("", ""), ("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("=1+1", "\"'=1+1\""), ("+1", "\"'+1\""), ("-1", "\"'-1\""), ("@x", "\"'@x\""),
        ("\t=1", "\"'\t=1\""), ("\r\n=1", "\"'\r\n=1\""), ("a\n=1", "\"a\n=1\""), ("\u{FF1D}1", "\"'\u{FF1D}1\""), ("x=1", "x=1"),
    ])
    func cellsAreNoFormulas(_ text: String, _ cell: String) { #expect(AuditCSV.cell(text) == cell) }
}

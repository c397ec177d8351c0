import Foundation
import HTTPTransport
import OCI
import Testing

@testable import Registry

/// What is taken from a registry's error response.
struct ErrorResponseTests {
    private func response(_ status: Int, _ body: String, _ fields: KeyValuePairs<String, String> = [:]) throws -> HTTPResponse {
        HTTPResponse(
            head: HTTPResponseHead(status: status, fields: try HTTPFields(fields), url: try HTTPURL(parsing: "http://registry.test/v2/")),
            body: Array(body.utf8))
    }

    @Test func readsCodeMessageAndEveryDigest() throws {
        let digests = (0..<3).map { Digest(hashing: Data("\($0)".utf8)) } + [Digest(hashing: Data("x".utf8), with: .sha512)]
        let items = digests.map { #"{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"Digest":"\#($0)"}}"# }
        let answer = ErrorResponse.answer(try response(400, #"{"errors":[\#((items + items).joined(separator: ","))]}"#))
        #expect(answer.code == "MANIFEST_BLOB_UNKNOWN")
        #expect(answer.message == "blob unknown to registry")
        #expect(answer.digests == digests)
    }

    @Test(arguments: [
        ("", "", ""), ("not json", "", ""), ("{}", "", ""), (#"{"errors":[]}"#, "", ""), (#"{"errors":"no list"}"#, "", ""),
        (#"{"details":"incorrect username"}"#, "", "incorrect username"), (#"{"message":"access denied"}"#, "", "access denied"),
        (#"{"errors":[{"code":"DENIED","message":null}]}"#, "DENIED", ""),
    ])
    func copesWithAnyBody(body: String, code: String, message: String) throws {
        let answer = ErrorResponse.answer(try response(418, body))
        #expect((answer.code, answer.message) == (code, message))
    }

    @Test func keepsMessagesShortAndPrintable() throws {
        let answer = ErrorResponse.answer(
            try response(400, #"{"errors":[{"code":"A\u0000B","message":"one\n\u001b[31mtwo\u007f\#(String(repeating: "x", count: 5000))"}]}"#))
        #expect(answer.code == "AB")
        #expect(answer.message.hasPrefix("one[31mtwoxxx"))
        #expect(answer.message.unicodeScalars.count == 1024)
    }

    @Test(arguments: [
        ("0", 0.0), ("7", 7), ("  7 ", 7), ("-5", 0), ("1.5", 1.5), ("999999", 3600), ("Tue, 24 Nov 2026 00:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 23:00:00 GMT", 0), ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
    ])
    func readsRetryAfter(field: String, seconds: Double) throws {
        let now = Date(timeIntervalSince1970: 1_795_478_400)  // 2026-11-24 00:00:00 UTC
        #expect(ErrorResponse.retryAfter(try response(429, "", ["Retry-After": field]), now: now) == seconds)
    }

    @Test(arguments: ["", "soon", "nan", "inf", "Tue"]) func ignoresAMeaninglessRetryAfter(field: String) throws {
        #expect(ErrorResponse.retryAfter(try response(429, "", ["Retry-After": field])) == nil)
    }

    @Test func namesEachStatus() throws {
        let place = RegistryPlace(registry: "staging-eu")
        func error(_ status: Int, _ fields: KeyValuePairs<String, String> = [:]) throws -> RegistryError {
            ErrorResponse.error(try response(status, #"{"errors":[{"code":"CODE","message":"words"}]}"#, fields), at: place)
        }
        let answer = { RegistryAnswer(status: $0, code: "CODE", message: "words") }
        #expect(try error(401) == .unauthorized(place, answer(401)))
        #expect(try error(403) == .forbidden(place, answer(403)))
        #expect(try error(404) == .notFound(place, answer(404)))
        #expect(try error(408) == .timedOut(place))
        #expect(try error(412) == .refused(place, answer(412)))
        #expect(try error(429) == .rateLimited(place, answer(429), retryAfter: nil))
        #expect(try error(429, ["Retry-After": "3"]) == .rateLimited(place, answer(429), retryAfter: 3))
        #expect(try error(503) == .serverError(place, answer(503)))
        #expect(try error(503, ["Retry-After": "3"]) == .rateLimited(place, answer(503), retryAfter: 3))
        #expect(try error(500) == .serverError(place, answer(500)))
        #expect(try error(412).description == "registry staging-eu: the registry refused (412 CODE words)")
    }

    @Test func saysWhatMayPassByItself() throws {
        let place = RegistryPlace(registry: "r")
        let answer = RegistryAnswer(status: 0, message: "")
        #expect(RegistryError.serverError(place, answer).isTransient)
        #expect(RegistryError.rateLimited(place, answer, retryAfter: nil).isTransient)
        #expect(RegistryError.unreachable(place, .connect(url: "")).isTransient)
        #expect(!RegistryError.unreachable(place, .tls(url: "", message: "")).isTransient)
        #expect(!RegistryError.refused(place, answer).isTransient)
        #expect(!RegistryError.unauthorized(place, answer).isTransient)
        #expect(!RegistryError.cancelled(place).isTransient)
    }
}

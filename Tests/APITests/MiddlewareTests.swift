import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import NIOCore
import PolicyEngine
import PromotionCore
import Testing

@testable import API

/// What goes around every request: names, traces, limits, origins, compression.
@Suite struct MiddlewareTests {
    private func send(
        _ path: String, _ fields: HTTPFields = [:], method: HTTPRequest.Method = .get, settings: APISettings = APISettings(), samples: Samples? = nil
    ) async throws -> (status: Int, headers: HTTPFields, body: [UInt8]) {
        var random = SystemRandomNumberGenerator()
        let secret = APITokenSecret(random: &random)
        let application = Application(router: StubServices.make(grant: .admin, secret: secret, settings: settings, samples: samples).router())
        return try await application.test(.router) { client in
            var headers = fields
            if headers[.authorization] == nil { headers[.authorization] = "Bearer \(secret.reveal())" }
            return try await client.execute(uri: path, method: method, headers: headers) { response in
                (Int(response.status.code), response.headers, Array(response.body.readableBytesView))
            }
        }
    }

    private func name(_ text: String) throws -> HTTPField.Name { try #require(HTTPField.Name(text)) }

    @Test func everyAnswerHasItsNameAndTrace() async throws {
        for path in ["/healthz", "/nowhere", "/v1/promotions?limit=x", "/v1/keys", "/readyz"] {
            let answer = try await send(path, [try name("X-Request-Id"): "build-7"])
            #expect(answer.headers[try name("X-Request-Id")] == "build-7", "\(path)")
            #expect(answer.headers[try name("traceparent")]?.hasPrefix("00-") == true)
        }
        let long = try await send("/healthz", [try name("X-Request-Id"): String(repeating: "a", count: 129)])
        #expect(UUID(uuidString: long.headers[try name("X-Request-Id")] ?? "") != nil)
    }

    @Test func aTraceGoesOnWithASpanOfOurs() async throws {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        let answer = try await send("/healthz", [try name("traceparent"): "00-\(trace)-\(span)-01", try name("tracestate"): "vendor=1,other=2"])
        let parts = try #require(answer.headers[try name("traceparent")]).split(separator: "-")
        #expect(parts.count == 4 && parts[1] == trace && parts[2] != span && parts[3] == "01")
        #expect(answer.headers[try name("tracestate")] == "vendor=1,other=2")
        #expect(answer.headers[try name("X-Request-Id")] == trace, "what is written down leads to the caller's trace")
        let later = try await send("/healthz", [try name("traceparent"): "01-\(trace)-\(span)-00-more"])
        #expect(later.headers[try name("traceparent")]?.contains(trace) == true, "a later version's is understood as far as it is known")
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01", "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ]) func anInvalidTraceIsReplaced(_ given: String) async throws {
        let answer = try await send("/healthz", [try name("traceparent"): given, try name("tracestate"): "vendor=1"])
        let parent = try #require(answer.headers[try name("traceparent")])
        #expect(answer.status == 200 && parent.wholeMatch(of: /00-[0-9a-f]{32}-[0-9a-f]{16}-00/) != nil)
        #expect(!parent.contains("0af7651916cd43dd8448eb211c80319c"))
        #expect(answer.headers[try name("tracestate")] == nil, "another trace's state says nothing about ours")
    }

    @Test func pagesOfOthersReadNothingUnlessTheirOriginIsNamed() async throws {
        let origin: HTTPFields = [.origin: "https://deploy.example.test"]
        #expect(try await send("/healthz", origin).headers[.accessControlAllowOrigin] == nil)
        var settings = APISettings()
        settings.origins = ["https://deploy.example.test"]
        let named = try await send("/v1/keys", origin, settings: settings)
        #expect(named.headers[.accessControlAllowOrigin] == "https://deploy.example.test" && named.headers[.accessControlAllowCredentials] == nil)
        #expect(named.headers[values: .vary].contains("Origin"))
        let other = try await send("/v1/keys", [.origin: "https://deploy.example.test.evil.test"], settings: settings)
        #expect(other.status == 200 && other.headers[.accessControlAllowOrigin] == nil)
        var asking = origin
        asking[.accessControlRequestMethod] = "POST"
        let asked = try await send("/v1/promotions", asking, method: .options, settings: settings)
        #expect(asked.status == 204 && asked.headers[.accessControlAllowHeaders]?.contains("Idempotency-Key") == true)
        asking[.origin] = "null"
        #expect(try await send("/v1/promotions", asking, method: .options, settings: settings).headers[.accessControlAllowOrigin] == nil)
    }

    @Test(arguments: [
        ("gzip", true), ("GZIP, br", true), ("br, gzip;q=0.5", true), ("*", true), ("gzip;q=0", false), ("*, gzip;q=0", false), ("identity", false), ("br", false),
        ("*;q=0", false), ("", false), ("gzip;q=0.001", true),
    ]) func largeAnswersAreCompressedWhereItIsAccepted(_ accepted: String, _ isCompressed: Bool) async throws {
        let answer = try await send("/docs", [.acceptEncoding: accepted])
        #expect((answer.headers[.contentEncoding] == "gzip") == isCompressed)
        #expect(answer.body.starts(with: [0x1F, 0x8B]) == isCompressed)
        #expect(answer.headers[values: .vary].contains("Accept-Encoding"))
        #expect(try await send("/healthz", [.acceptEncoding: accepted]).headers[.contentEncoding] == nil, "small ones are not")
        let events = try await send("/v1/promotions/\(Samples.ended)/events", [.acceptEncoding: accepted], samples: try Samples())
        #expect(events.headers[.contentEncoding] == nil && !events.body.isEmpty)
    }

    @Test func headIsGetWithoutTheBody() async throws {
        for path in ["/healthz", "/openapi.yaml", "/v1/keys"] {
            let (get, head) = (try await send(path), try await send(path, method: .head))
            #expect(head.status == get.status && head.body.isEmpty && head.headers[.contentType] == get.headers[.contentType])
        }
    }

    @Test func aBodyOfTooManyBytesIsRefusedBeforeItIsRead() async throws {
        let answer = try await send("/v1/promotions", [.contentLength: "70000", .contentType: "application/json"], method: .post)
        #expect(answer.status == 413)
        #expect(try await send("/v1/promotions", [.contentLength: "10", .contentType: "application/json", .contentEncoding: "gzip"], method: .post).status == 415)
    }

    @Test func onlyTheVersionThatWasSeenIsChanged() async throws {
        for (tag, status) in [("\"3\"", 200), ("*", 200), ("\"1\", \"3\"", 200), ("\"2\"", 412), ("W/\"3\"", 412), ("x", 412), ("\"x\"", 412)] {
            let answer = try await send("/v1/promotions/\(Samples.ended)/cancel", [.ifMatch: tag], method: .post, samples: try Samples())
            #expect(answer.status == status, "\(tag)")
            if status == 412 { #expect(answer.headers[.eTag] == "\"3\"") }
        }
        let known = try await send("/v1/promotions/\(Samples.ended)", [.ifNoneMatch: "\"3\""], samples: try Samples())
        #expect(known.status == 304 && known.body.isEmpty)
        // What is under way changes without a new version.
        #expect(try await send("/v1/promotions/\(Samples.waiting)", [.ifNoneMatch: "\"3\""], samples: try Samples()).status == 200)
    }

    @Test(arguments: [
        ("*/*", true), ("application/json", true), ("application/*", true), ("text/html, application/json;q=0.1", true), ("text/html", false),
        ("application/json;q=0", false), ("application/json;q=0, */*", false), ("", true), ("text/html, */*;q=0.8", true), ("APPLICATION/JSON", true),
    ]) func answersAreInAFormThatIsAccepted(_ accept: String, _ isServed: Bool) async throws {
        #expect(try await send("/v1/keys", [.accept: accept]).status == (isServed ? 200 : 406))
    }

    @Test func aBucketFillsAgainAndCallersAreForgottenInTheEnd() throws {
        let limiter = RateLimiter(try #require(RateLimit(requests: 10, seconds: 5)), mostCallers: 100)
        let now = ContinuousClock.now
        for left in (0..<10).reversed() { #expect(limiter.take("a", at: now).remaining == left) }
        let refused = limiter.take("a", at: now)
        #expect(!refused.isAllowed && refused.remaining == 0 && refused.reset == 1)
        #expect(limiter.take("b", at: now).isAllowed)
        #expect(!limiter.take("a", at: now + .milliseconds(400)).isAllowed)
        #expect(limiter.take("a", at: now + .milliseconds(500)).isAllowed, "two in a second")
        #expect(!limiter.take("a", at: now + .milliseconds(500)).isAllowed)
        for index in 0..<10_000 { _ = limiter.take("caller-\(index)", at: now) }
        #expect(limiter.callers <= 100)
        #expect(RateLimit(requests: 0, seconds: 1) == nil && RateLimit(requests: 1, seconds: 0) == nil)
    }

    @Test func addressesOfOneNetworkAreOne() {
        #expect(GuessLimitMiddleware.network("192.0.2.1") == "192.0.2.1")
        #expect(GuessLimitMiddleware.network("2001:db8:1:2:3:4:5:6") == GuessLimitMiddleware.network("2001:db8:1:2:ffff::1"))
        #expect(GuessLimitMiddleware.network("2001:db8:1:3::1") != GuessLimitMiddleware.network("2001:db8:1:2::1"))
        #expect(GuessLimitMiddleware.network("::ffff:192.0.2.1") == "::ffff:192.0.2.1")
    }
}

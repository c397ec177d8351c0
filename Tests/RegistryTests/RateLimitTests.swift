import Foundation
import OCI
import Registry
import TestSupport
import Testing

/// What registries say of their limits, and what we make of it.
@Suite(.inTurn, .timeLimit(.minutes(5))) struct RateLimitTests {
    @Test(
        arguments: [
            (["RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "97;w=21600"], 100, 97, 21_600),
            (["RateLimit-Limit": "200", "RateLimit-Remaining": "0"], 200, 0, nil), (["ratelimit-limit": " 5 ; w=60"], 5, nil, 60),
        ] as [([String: String], Int, Int?, Int?)])
    func whatDockerHubSaysIsKept(fields: [String: String], limit: Int, remaining: Int?, window: Int?) async throws {
        var answer = PeerResponse(404)
        for (name, value) in fields { answer[name] = value }
        try await withPeer({ [answer] _ in .answer(answer) }) { _, client in
            #expect(client.rateLimit == nil)
            _ = try await client.headManifest(.of("app"), .named("1"))
            let said = try #require(client.rateLimit)
            #expect(said.limit == limit && said.remaining == remaining && said.windowSeconds == window)
            #expect(abs(said.seenAt.timeIntervalSinceNow) < 60)
        }
    }

    @Test(arguments: ["", "many", "-1", "1e9;w=1", "99999999999999999999"]) func whatIsNoNumberIsNotBelieved(field: String) async throws {
        try await withPeer({ _ in .answer(PeerResponse(404, ["RateLimit-Limit": field])) }) { _, client in
            _ = try await client.headManifest(.of("app"), .named("1"))
            #expect(client.rateLimit == nil)
        }
    }

    /// Half after a 429, half again after another, one more after twenty good answers, and never more than there were.
    @Test(arguments: [429, 503]) func theAllowanceHalvesAndRecovers(status: Int) async throws {
        let bad = Countdown(2)
        try await withPeer({ _ in .answer(PeerResponse(bad.next() > 0 ? status : 404)) }, { $0.concurrency = 8 }) { _, client in
            let before = await client.allowance
            #expect(before == 8)
            _ = try await client.headManifest(.of("app"), .named("1"))
            let halved = await client.allowance
            #expect(halved == 2, "two refusals, then the answer")
            for _ in 0..<39 { _ = try await client.headManifest(.of("app"), .named("1")) }
            let growing = await client.allowance
            #expect(growing == 4)
            for _ in 0..<200 { _ = try await client.headManifest(.of("app"), .named("1")) }
            let after = await client.allowance
            #expect(after == 8)
        }
    }
}

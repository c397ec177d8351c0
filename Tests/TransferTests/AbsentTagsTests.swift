import OCI
import Registry
import TestSupport
import Testing
import Transfer

/// One list of a repository's tags instead of many looks.
@Suite(.inTurn, .timeLimit(.minutes(5))) struct AbsentTagsTests {
    private static func tag(_ text: String) throws -> OCI.Tag { try OCI.Tag(parsing: text) }

    private static func isList(_ request: PeerRequest) -> Bool { request.path.hasSuffix("/tags/list") }

    /// A repository whose list of tags `answer` gives.
    private func listing(
        _ answer: @escaping @Sendable () -> PeerResponse, _ body: (Site, ScriptedPeer, RequestMeter) async throws -> Void
    ) async throws {
        let peer = try ScriptedPeer { request in .answer(Self.isList(request) ? answer() : PeerResponse(404)) }
        defer { peer.stop() }
        try await withHarness { harness in try await body(try harness.site(peer.port, "app"), peer, RequestMeter()) }
    }

    private static let list = #"{"name":"app","tags":["1","2"]}"#

    @Test func afterThreeLooksOneListAnswersForAll() async throws {
        try await listing({ PeerResponse(200, json: Self.list) }) { site, peer, meter in
            let absent = AbsentTags()
            for _ in 0..<3 { _ = try await absent.contains(Self.tag("3"), at: site, meter: meter) }
            #expect(peer.requests.isEmpty)
            let answer1 = try await absent.contains(Self.tag("3"), at: site, meter: meter)
            #expect(answer1)
            let answer2 = try await absent.contains(Self.tag("4"), at: site, meter: meter)
            #expect(answer2)
            let answer3 = try await absent.contains(Self.tag("1"), at: site, meter: meter)
            #expect(answer3 == false)
            #expect(peer.requests.filter(Self.isList).count == 1)
        }
    }

    /// The list is a moment old; what we wrote since is there all the same.
    @Test func aListDoesNotHideOurOwnWrite() async throws {
        try await listing({ PeerResponse(200, json: Self.list) }) { site, _, meter in
            let absent = AbsentTags()
            for _ in 0..<3 { _ = try await absent.contains(Self.tag("3"), at: site, meter: meter) }
            let answer4 = try await absent.contains(Self.tag("3"), at: site, meter: meter)
            #expect(answer4)
            absent.note(try Self.tag("3"), at: site)
            let answer5 = try await absent.contains(Self.tag("3"), at: site, meter: meter)
            #expect(answer5 == false)
            let answer6 = try await absent.contains(Self.tag("4"), at: site, meter: meter)
            #expect(answer6)
        }
    }

    /// A list that failed once is read again a little later; one that is too long is not.
    @Test(arguments: [true, false]) func aFailureIsNotForEver(isTooLong: Bool) async throws {
        let bad = Countdown(1)
        try await listing({
            if bad.next() == 0 { return PeerResponse(200, json: Self.list) }
            guard isTooLong else { return PeerResponse(403) }
            var page = PeerResponse(200, json: Self.list)
            page["Link"] = "</v2/app/tags/list?last=2>; rel=\"next\""
            return page
        }) { site, peer, meter in
            let absent = AbsentTags(failureLife: .milliseconds(50))
            for _ in 0..<3 { _ = try await absent.contains(Self.tag("3"), at: site, meter: meter) }
            let answer7 = try await absent.contains(Self.tag("3"), at: site, meter: meter)
            #expect(answer7 == false)
            let answer8 = try await absent.contains(Self.tag("3"), at: site, meter: meter)
            #expect(answer8 == false, "no second list at once")
            #expect(peer.requests.filter(Self.isList).count == 1)
            try await Task.sleep(for: .milliseconds(100))
            let answer9 = try await absent.contains(Self.tag("3"), at: site, meter: meter)
            #expect(answer9 == !isTooLong)
            #expect(peer.requests.filter(Self.isList).count == (isTooLong ? 1 : 2))
        }
    }

    @Test func whoIsCancelledDoesNotWaitForTheList() async throws {
        let gate = Gate()
        defer { gate.open() }
        let isAsked = Collected<Bool>()
        try await listing({
            isAsked.append(true)
            gate.wait()
            return PeerResponse(200, json: Self.list)
        }) { site, _, meter in
            let absent = AbsentTags()
            let tag = try Self.tag("3")
            for _ in 0..<3 { _ = await absent.contains(tag, at: site, meter: meter) }
            let reader = Task { await absent.contains(tag, at: site, meter: meter) }
            try await eventually("the list to be asked for") { !isAsked.all.isEmpty }
            let waiter = Task { await absent.contains(tag, at: site, meter: meter) }
            try await Task.sleep(for: .milliseconds(50))
            let began = ContinuousClock.now
            waiter.cancel()
            let waited = await waiter.value
            #expect(!waited)
            #expect(began.duration(to: .now) < .seconds(5))
            gate.open()
            let read = await reader.value
            #expect(read)
        }
    }
}

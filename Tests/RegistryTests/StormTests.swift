import Foundation
import OCI
import Registry
import Synchronization
import TestSupport
import Testing

/// A registry that has too much to do is left alone by everybody for as long as it asked, and then served again.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct StormTests {
    /// The two forms of `Retry-After` (RFC 9110 §10.2.3).
    enum Form: CaseIterable, Sendable {
        case seconds, date

        /// A field that asks for two seconds at the least.
        var text: String {
            guard self == .date else { return "2" }
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.timeZone = TimeZone(identifier: "GMT")
            formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
            return formatter.string(from: Date(timeIntervalSinceNow: 3.1))
        }
    }

    private static let digest = Digest(hashing: Data("storm".utf8))

    /// A hundred at once through eight places: eight are under way when the registry has had enough, the others stand in the queue.
    @Test(arguments: [429, 503], Form.allCases) func aHundredRequestsKeepThePauseThatOneIsAskedFor(status: Int, form: Form) async throws {
        let places = 8
        let arrivals = Mutex<[ContinuousClock.Instant]>([])
        let underWay = Gate()
        try await withPeer(
            { _ in
                let number = arrivals.withLock { times in
                    times.append(.now)
                    return times.count
                }
                guard number <= places else { return .answer(PeerResponse(200, ["Content-Length": "5"])) }
                if number == places { underWay.open() }
                underWay.wait()
                return .answer(PeerResponse(status, ["Retry-After": form.text]))
            }, { $0.concurrency = places }
        ) { _, client in
            let repository = try RepositoryName.of("app")
            try await withThrowingTaskGroup(of: Int64?.self) { group in
                for _ in 0..<100 { group.addTask { try await client.headBlob(repository, Self.digest) } }
                for try await size in group { #expect(size == 5) }
            }
        }
        let times = arrivals.withLock { $0 }
        #expect(times.count == 100 + places)
        let pause = times[places - 1].duration(to: times[places])
        #expect(pause >= .seconds(2), "\(pause)")
    }

    /// Its session was opened before: the body waits all the same.
    @Test func anUploadWhoseSessionIsOpenKeepsThePauseToo() async throws {
        let blob = SampleImage.bytes("late", count: 1_000)
        let digest = Digest(hashing: blob)
        let times = Mutex<(asked: ContinuousClock.Instant?, put: ContinuousClock.Instant?)>((nil, nil))
        try await withPeer({ _ in .answer(PeerResponse(200, body: Array(blob))) }) { _, source in
            try await withPeer({ request in
                switch request.method {
                case "POST": return .answer(PeerResponse(202, ["Location": "/up?s=1"]))
                case "PUT":
                    times.withLock { $0.put = .now }
                    return .answer(PeerResponse(201))
                default:
                    times.withLock { $0.asked = .now }
                    return .answer(PeerResponse(429, ["Retry-After": "2"]))
                }
            }) { _, target in
                let repository = try RepositoryName.of("app")
                let session = try await target.startUpload(repository)
                let error = await registryError { () throws(RegistryError) in
                    _ = try await target.headManifest(repository, .digest(digest), deadline: .now + .seconds(1))
                }
                guard case .rateLimited = error else { throw RegistryMismatch(error) }
                let report = try await BlobRelay.relay(
                    Descriptor(mediaType: .octetStream, digest: digest, size: Int64(blob.count)),
                    from: BlobSource(client: source, repository: repository), to: [BlobUpload(client: target, session: session)])
                #expect(report.failures == [nil])
            }
        }
        let (asked, put) = times.withLock { $0 }
        let pause = try #require(asked).duration(to: try #require(put))
        #expect(pause >= .seconds(2), "\(pause)")
    }

    @Test(arguments: [nil, "-5", "0", "soon", "nan"] as [String?]) func aPauseThatSaysNothingHoldsNobodyUp(field: String?) async throws {
        let answers = Countdown(2)
        try await withPeer({ _ in
            guard answers.next() > 0 else { return .answer(PeerResponse(200, ["Content-Length": "5"])) }
            var response = PeerResponse(429)
            response["Retry-After"] = field
            return .answer(response)
        }) { peer, client in
            let began = ContinuousClock.now
            let size = try await client.headBlob(.of("app"), Self.digest)
            #expect(size == 5)
            #expect(peer.requests.count == 3)
            #expect(began.duration(to: .now) < .seconds(5))
        }
    }

    @Test(arguments: ["100000", "99999999999999999999", "Fri, 31 Dec 2999 23:59:59 GMT"]) func aPauseWithoutEndIsAnHourAtMostAndNotWaitedFor(field: String) async throws {
        try await withPeer({ _ in .answer(PeerResponse(429, ["Retry-After": field])) }) { peer, client in
            let repository = try RepositoryName.of("app")
            let began = ContinuousClock.now
            let error = await registryError { () throws(RegistryError) in _ = try await client.headBlob(repository, Self.digest) }
            guard case .rateLimited(_, _, retryAfter: 3600) = error else { throw RegistryMismatch(error) }
            #expect(peer.requests.count == 1)
            #expect(began.duration(to: .now) < .seconds(5))
        }
    }
}

import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// What is tried again, how often, and until when.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct RetryTests {
    private let app: RepositoryName
    private let tag: ManifestReference
    private let manifest: Manifest

    init() throws {
        app = try .of("app")
        tag = try .named("v1")
        manifest = try SampleImage.single("retries").root
    }

    @Test(arguments: [500, 502, 503, 504, 429]) func aStormEndsAfterFourRequests(status: Int) async throws {
        try await withPeer({ _ in .answer(PeerResponse(status)) }) { peer, client in
            let error = await registryError { () throws(RegistryError) in _ = try await client.headBlob(app, manifest.digest) }
            #expect(error?.answer?.status == status)
            #expect(error?.isTransient == true)
            #expect(peer.requests.count == 4)
        }
    }

    @Test func goesOnWhereTheStormIsOver() async throws {
        let answers = Countdown(3)
        try await withPeer({ _ in answers.next() > 0 ? .answer(PeerResponse(503)) : .answer(PeerResponse(201)) }) { peer, client in
            let put = try await client.putManifest(manifest, to: app, as: tag)
            #expect(put == .stored())
            #expect(peer.requests.count == 4)
        }
    }

    @Test func aBrokenConnectionIsTriedAgain() async throws {
        let answers = Countdown(2)
        try await withPeer({ _ in answers.next() > 0 ? .drop : .answer(PeerResponse(200, ["Content-Length": "7"])) }) { _, client in
            let found = try await client.headBlob(app, manifest.digest)
            #expect(found == 7)
        }
    }

    @Test func anUploadIsNotSentTwice() async throws {
        try await withPeer({ request in
            request.method == "POST" ? .answer(PeerResponse(202, ["Location": "/up?s=1"])) : .answer(PeerResponse(500))
        }) { peer, client in
            let session = try await client.startUpload(app)
            let error = await registryError { () throws(RegistryError) in
                try await client.finishUpload(session, bytes: Data("x".utf8), digest: manifest.digest)
            }
            guard case .serverError = error else { throw RegistryMismatch(error) }
            #expect(peer.requests.map(\.method) == ["POST", "PUT"])
        }
    }

    @Test(arguments: [401, 403, 412, 418]) func aRefusalIsNotRepeated(status: Int) async throws {
        try await withPeer({ _ in .answer(PeerResponse(status)) }) { peer, client in
            let error = await registryError { () throws(RegistryError) in _ = try await client.headBlob(app, manifest.digest) }
            #expect(error?.answer?.status == status)
            #expect(error?.isTransient == false)
            #expect(peer.requests.count == 1)
        }
    }

    @Test(arguments: [429, 503]) func waitsAsLongAsItIsAskedTo(status: Int) async throws {
        let answers = Countdown(1)
        try await withPeer({ _ in
            answers.next() > 0 ? .answer(PeerResponse(status, ["Retry-After": "2"])) : .answer(PeerResponse(200, ["Content-Length": "7"]))
        }) { _, client in
            let began = ContinuousClock.now
            let found = try await client.headBlob(app, manifest.digest)
            #expect(found == 7)
            #expect(began.duration(to: .now) >= .seconds(2))
        }
    }

    @Test func aLongPauseIsGivenBackAtOnce() async throws {
        try await withPeer({ _ in .answer(PeerResponse(429, ["Retry-After": "40"])) }) { peer, client in
            let error = await registryError { () throws(RegistryError) in _ = try await client.headBlob(app, manifest.digest) }
            guard case .rateLimited(_, _, retryAfter: 40) = error else { throw RegistryMismatch(error) }
            #expect(peer.requests.count == 1)
        }
    }

    @Test func aDeadlineEndsTheTries() async throws {
        try await withPeer({ _ in .answer(PeerResponse(503, ["Retry-After": "3"])) }) { peer, client in
            let began = ContinuousClock.now
            let error = await registryError { () throws(RegistryError) in
                _ = try await client.putManifest(manifest, to: app, as: tag, deadline: .now + .seconds(1))
            }
            guard case .rateLimited = error else { throw RegistryMismatch(error) }
            #expect(began.duration(to: .now) < .seconds(3))
            #expect(peer.requests.count == 1)
        }
    }

    @Test func aDeadlineEndsARequestUnderWay() async throws {
        let held = Gate()
        defer { held.open() }
        try await withPeer({ _ in
            held.wait()
            return .answer(PeerResponse(201))
        }) { _, client in
            let began = ContinuousClock.now
            let error = await registryError { () throws(RegistryError) in
                _ = try await client.putManifest(manifest, to: app, as: tag, deadline: .now + .milliseconds(500))
            }
            guard case .unreachable(_, .timedOut) = error else { throw RegistryMismatch(error) }
            #expect(began.duration(to: .now) < .seconds(2))
        }
    }

    /// A tag's write may not begin after its deadline, however long it stood in the queue.
    @Test func theTimeInTheQueueCounts() async throws {
        let held = Gate()
        try await withPeer(
            { request in
                if request.method == "HEAD" { held.wait() }
                return .answer(PeerResponse(201))
            }, { $0.concurrency = 1 }
        ) { peer, client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { _ = try await client.headBlob(app, manifest.digest) }
                try await eventually("a request") { !peer.requests.isEmpty }
                let deadline = ContinuousClock.now + .milliseconds(200)
                group.addTask {
                    let error = await registryError { () throws(RegistryError) in
                        _ = try await client.putManifest(manifest, to: app, as: tag, deadline: deadline)
                    }
                    guard case .timedOut = error else { throw RegistryMismatch(error) }
                }
                try await Task.sleep(until: deadline + .milliseconds(100))
                held.open()
                try await group.waitForAll()
                #expect(peer.requests.map(\.method) == ["HEAD"])
            }
        }
    }

    @Test func aCancelledRequestSaysSo() async throws {
        let held = Gate()
        try await withPeer({ _ in
            held.wait()
            return .drop
        }) { peer, client in
            let error = try await withThrowingTaskGroup(of: RegistryError?.self) { group in
                group.addTask {
                    await registryError { () throws(RegistryError) in _ = try await client.headBlob(app, manifest.digest) }
                }
                try await eventually("a request") { !peer.requests.isEmpty }
                group.cancelAll()
                return try await group.next() ?? nil
            }
            held.open()
            guard case .cancelled = error else { throw RegistryMismatch(error) }
            #expect(peer.requests.count == 1)
        }
    }
}

import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// Blobs on their way from one registry to others.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct RelayTests {
    private static let blob = SampleImage.bytes("relayed", count: 700_000)
    private let digest = Digest(hashing: blob)
    private let app: RepositoryName

    init() throws { app = try .of("app") }

    private var descriptor: Descriptor { Descriptor(mediaType: .octetStream, digest: digest, size: Int64(Self.blob.count)) }

    private func upload(_ client: RegistryClient, _ meter: RequestMeter? = nil) async throws -> BlobUpload {
        BlobUpload(client: client, session: try await client.startUpload(app), meter: meter)
    }

    private func relay(
        _ descriptor: Descriptor? = nil, from client: RegistryClient, to uploads: [BlobUpload], meter: RequestMeter? = nil
    ) async throws(RegistryError) -> BlobRelayReport {
        try await BlobRelay.relay(
            descriptor ?? self.descriptor, from: BlobSource(client: client, repository: app, meter: meter), to: uploads)
    }

    /// A source whose answers `change` may spoil, and an empty target.
    private func withSpoiltSource(
        _ change: @escaping @Sendable (PeerRequest, inout PeerResponse) -> ScriptedPeer.Reply?,
        _ body: (ScriptedPeer, RegistryClient, DockerRegistry, RegistryClient) async throws -> Void
    ) async throws {
        try await withRegistry { target, targetClient in
            try await withPeer(
                { request in
                    var response = PeerResponse(200, body: Array(Self.blob))
                    return change(request, &response) ?? .answer(response)
                }, { _ in }
            ) { try await body($0, $1, target, targetClient) }
        }
    }

    @Test func oneReadFeedsTwoTargets() async throws {
        try await withRegistry { source, sourceClient in
            try source.put(Self.blob, in: "app")
            try await withRegistry { first, firstClient in
                try await withRegistry { second, secondClient in
                    let meters = (0..<3).map { _ in RequestMeter() }
                    let uploads = [try await upload(firstClient, meters[0]), try await upload(secondClient, meters[1])]
                    let report = try await relay(from: sourceClient, to: uploads, meter: meters[2])
                    #expect(report.failures == [nil, nil])
                    #expect(report.sourceBytes == Int64(Self.blob.count))
                    #expect(try first.blob("app", digest) == Self.blob)
                    #expect(try second.blob("app", digest) == Self.blob)
                    #expect(meters.map(\.requests) == [["put": 1], ["put": 1], ["get": 1]])
                }
            }
        }
    }

    @Test func anEmptyBlobIsABlob() async throws {
        let empty = Descriptor(mediaType: .octetStream, digest: Digest(hashing: Data()), size: 0)
        try await withSpoiltSource({
            $1.body = []; return nil
        }) { _, client, target, targetClient in
            let report = try await relay(empty, from: client, to: [upload(targetClient)])
            #expect(report.failures == [nil])
            #expect(try target.blob("app", empty.digest) == Data())
        }
    }

    @Test func aFlippedBitNeverArrives() async throws {
        try await withSpoiltSource({
            $1.body[300_000] ^= 1; return nil
        }) { _, client, target, targetClient in
            let uploads = [try await upload(targetClient)]
            let error = await registryError { () throws(RegistryError) in _ = try await relay(from: client, to: uploads) }
            guard case .contentMismatch(let place, _) = error else { throw RegistryMismatch(error) }
            #expect(place.reference == digest.description)
            #expect(try target.blob("app", digest) == nil)
        }
    }

    @Test func aBlobOfAnotherSizeNeverArrives() async throws {
        try await withSpoiltSource({
            $1.body += [0]; return nil
        }) { _, client, target, targetClient in
            let uploads = [try await upload(targetClient)]
            let error = await registryError { () throws(RegistryError) in _ = try await relay(from: client, to: uploads) }
            guard case .contentMismatch = error else { throw RegistryMismatch(error) }
            #expect(try target.blob("app", digest) == nil)
        }
    }

    @Test func aSourceThatKeepsBreakingOffIsGivenUp() async throws {
        try await withSpoiltSource({ _, response in .cut(response, afterBytes: 1_000) }) { peer, client, target, targetClient in
            let uploads = [try await upload(targetClient)]
            let error = await registryError { () throws(RegistryError) in _ = try await relay(from: client, to: uploads) }
            guard case .unreachable = error else { throw RegistryMismatch(error) }
            #expect(error?.isTransient == true)
            #expect(try target.blob("app", digest) == nil)
            #expect(peer.requests.count <= 4)
        }
    }

    @Test(arguments: [404, 403, 500, 429]) func aSourceThatRefusesIsNamed(status: Int) async throws {
        try await withSpoiltSource({
            $1 = PeerResponse(status); return nil
        }) { peer, client, _, targetClient in
            let uploads = [try await upload(targetClient)]
            let error = await registryError { () throws(RegistryError) in _ = try await relay(from: client, to: uploads) }
            #expect(error?.answer?.status == status)
            #expect(error?.place == RegistryPlace(registry: "test", repository: app, reference: digest.description))
            #expect(peer.requests.count == 1)
            // Nothing was sent, so the session is as it was.
            let session = try #require(uploads.first?.session)
            try await targetClient.finishUpload(session, bytes: Self.blob, digest: digest)
        }
    }

    @Test func theSourceIsLoggedInToOnce() async throws {
        try await withSpoiltSource({ request, response in
            if request["authorization"] == nil { response = PeerResponse(401, ["WWW-Authenticate": "Basic realm=\"x\""]) }
            return nil
        }) { peer, _, target, targetClient in
            try await withClient(of: peer.port, { $0.credentials = { .robot } }) { client in
                let report = try await relay(from: client, to: [upload(targetClient)])
                #expect(report.failures == [nil])
                #expect(peer.requests.count == 2)
                #expect(try target.blob("app", digest) == Self.blob)
            }
        }
    }

    @Test func aSourceThatRefusesOurLoginIsAskedTwiceAtMost() async throws {
        try await withSpoiltSource({ _, response in
            response = PeerResponse(401, ["WWW-Authenticate": "Basic realm=\"x\""])
            return nil
        }) { peer, _, _, targetClient in
            try await withClient(of: peer.port, { $0.credentials = { .robot } }) { client in
                let uploads = [try await upload(targetClient)]
                let error = await registryError { () throws(RegistryError) in _ = try await relay(from: client, to: uploads) }
                guard case .unauthorized = error else { throw RegistryMismatch(error) }
                #expect(peer.requests.count == 2)
            }
        }
    }

    @Test(arguments: [401, 404, 400, 500]) func aTargetThatRefusesDoesNotStopTheOther(status: Int) async throws {
        try await withSpoiltSource({ _, _ in nil }) { _, client, good, goodClient in
            try await withPeer({ request in
                .answer(request.method == "POST" ? PeerResponse(202, ["Location": "/up?s=1"]) : PeerResponse(status))
            }) { _, badClient in
                let report = try await relay(from: client, to: [upload(badClient), upload(goodClient)])
                #expect(report.failures.count == 2)
                #expect(report.failures[1] == nil)
                if status == 404 {
                    #expect(report.failures[0].map { if case .uploadLost = $0 { true } else { false } } == true)
                } else {
                    #expect(report.failures[0]?.answer?.status == status)
                }
                #expect(try good.blob("app", digest) == Self.blob)
            }
        }
    }

    /// The target's token service fails just when the body is about to go: the other target gets its blob.
    @Test func aTargetThatCanNotBeLoggedInToDoesNotStopTheOther() async throws {
        let tokens = Countdown(1)
        let large = SampleImage.bytes("large", count: 6_000_000)
        try await withSpoiltSource({
            $1.body = Array(large); return nil
        }) { _, client, good, goodClient in
            try await withPeer({ request in
                if request.path == "/token" {
                    return .answer(tokens.next() > 0 ? PeerResponse(200, json: #"{"token":"t","expires_in":10}"#) : PeerResponse(403))
                }
                guard request["authorization"] != nil else {
                    return .answer(PeerResponse(401, ["WWW-Authenticate": "Bearer realm=\"http://\(request["host"] ?? "")/token\""]))
                }
                return .answer(PeerResponse(202, ["Location": "/up?s=1"]))
            }) { bad, badClient in
                // 6 MB ask for a token that lasts 11 s; this one's 10 s are enough for the session only.
                let descriptor = Descriptor(mediaType: .octetStream, digest: Digest(hashing: large), size: Int64(large.count))
                let uploads = [try await upload(badClient), try await upload(goodClient)]
                let report = try await relay(descriptor, from: client, to: uploads)
                #expect(report.failures[0]?.answer?.status == 403)
                #expect(report.failures[1] == nil)
                #expect(!bad.requests.contains { $0.method == "PUT" })
                #expect(try good.blob("app", descriptor.digest) == large)
            }
        }
    }

    @Test func aTargetThatStoredSomethingElseIsAFailure() async throws {
        let other = Digest(hashing: Data("other".utf8))
        try await withSpoiltSource({ _, _ in nil }) { _, client, _, _ in
            try await withPeer({ request in
                .answer(
                    request.method == "POST"
                        ? PeerResponse(202, ["Location": "/up?s=1"]) : PeerResponse(201, ["Docker-Content-Digest": other.description]))
            }) { _, badClient in
                let report = try await relay(from: client, to: [upload(badClient)])
                guard case .contentMismatch = report.failures.first ?? nil else { throw RegistryMismatch(report.failures.first ?? nil) }
            }
        }
    }

    @Test func aCancelledRelayLeavesNothing() async throws {
        let held = Gate()
        defer { held.open() }
        try await withSpoiltSource({ _, _ in
            held.wait()
            return nil
        }) { peer, client, target, targetClient in
            let uploads = [try await upload(targetClient)]
            let error = try await withThrowingTaskGroup(of: RegistryError?.self) { group in
                group.addTask { await registryError { () throws(RegistryError) in _ = try await relay(from: client, to: uploads) } }
                try await eventually("a request") { !peer.requests.isEmpty }
                group.cancelAll()
                return try await group.next() ?? nil
            }
            guard case .cancelled = error else { throw RegistryMismatch(error) }
            #expect(try target.blob("app", digest) == nil)
        }
    }
}

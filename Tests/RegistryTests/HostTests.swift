import Foundation
import HTTPTransport
import OCI
import TestSupport
import Testing

@testable import Registry

/// Where a registry may send us, and what goes along.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct HostTests {
    private static let blob = SampleImage.bytes("redirected", count: 3_000)
    private let digest = Digest(hashing: blob)
    private static let login = PeerResponse(401, ["WWW-Authenticate": "Basic realm=\"x\""])

    /// A registry that asks for a password and keeps its blobs elsewhere.
    private func withStorage(
        status: Int = 307, allowed: Bool, _ body: (_ registry: ScriptedPeer, _ storage: ScriptedPeer, RegistryClient) async throws -> Void
    ) async throws {
        let storage = try ScriptedPeer { _ in .answer(PeerResponse(200, body: Array(Self.blob))) }
        defer { storage.stop() }
        let address = "http://\(storage.host)/bucket/x?signature=a%2Fb+c"
        try await withPeer(
            { request in
                guard request["authorization"] != nil else { return .answer(Self.login) }
                return .answer(PeerResponse(status, ["Location": address]))
            },
            {
                $0.credentials = { .robot }
                if allowed { $0.additionalHosts = ["127.0.0.1:\(storage.port)"] }
            }
        ) { try await body($0, storage, $1) }
    }

    @Test(arguments: [301, 302, 303, 307, 308]) func followsToStorageWithoutCredentials(status: Int) async throws {
        try await withStorage(status: status, allowed: true) { registry, storage, client in
            let answer = try await client.blob(.of("app"), digest, limit: 5_000)
            #expect(answer == Self.blob)
            #expect(storage.lines == ["GET /bucket/x?signature=a%2Fb+c"])
            #expect(storage.requests.allSatisfy { $0["authorization"] == nil })
            #expect(registry.requests.last?["authorization"]?.hasPrefix("Basic ") == true)
        }
    }

    @Test func headIsFollowedToo() async throws {
        try await withStorage(allowed: true) { _, storage, client in
            let answer = try await client.headBlob(.of("app"), digest)
            #expect(answer == 3_000)
            #expect(storage.lines == ["HEAD /bucket/x?signature=a%2Fb+c"])
        }
    }

    @Test func aRelayReadsFromStorageWithoutCredentials() async throws {
        try await withRegistry { target, targetClient in
            try await withStorage(allowed: true) { _, storage, client in
                let repository = try RepositoryName.of("app")
                let upload = BlobUpload(client: targetClient, session: try await targetClient.startUpload(repository))
                let report = try await BlobRelay.relay(
                    Descriptor(mediaType: .octetStream, digest: digest, size: 3_000), from: BlobSource(client: client, repository: repository),
                    to: [upload])
                #expect(report.failures == [nil])
                #expect(try target.blob("app", digest) == Self.blob)
                #expect(storage.requests.count == 1)
                #expect(storage.requests.allSatisfy { $0["authorization"] == nil })
            }
        }
    }

    @Test func aHostThatNobodyNamedIsNeverAsked() async throws {
        try await withStorage(allowed: false) { _, storage, client in
            let repository = try RepositoryName.of("app")
            let read = await registryError { () throws(RegistryError) in _ = try await client.blob(repository, digest, limit: 5_000) }
            let head = await registryError { () throws(RegistryError) in _ = try await client.headBlob(repository, digest) }
            let relay = await registryError { () throws(RegistryError) in
                let session = UploadSession(url: client.endpoint.url, repository: repository)
                _ = try await BlobRelay.relay(
                    Descriptor(mediaType: .octetStream, digest: digest, size: 3_000), from: BlobSource(client: client, repository: repository),
                    to: [BlobUpload(client: client, session: session)])
            }
            for error in [read, head, relay] {
                guard case .hostNotAllowed(_, let host, _) = error else { throw RegistryMismatch(error) }
                #expect(host == "http://\(storage.host)")
                #expect(error?.isTransient == false)
            }
            #expect(storage.requests.isEmpty)
        }
    }

    @Test func redirectsEndSomewhere() async throws {
        try await withPeer({ .answer(PeerResponse(302, ["Location": $0.target + "x"])) }) { peer, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.headBlob(repository, digest) }
            guard case .malformed = error else { throw RegistryMismatch(error) }
            #expect(peer.requests.count == 6)
        }
    }

    @Test func aRedirectWithoutLocationIsMalformed() async throws {
        try await withPeer({ _ in .answer(PeerResponse(302)) }) { _, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.headBlob(repository, digest) }
            guard case .malformed = error else { throw RegistryMismatch(error) }
        }
    }

    @Test func aPutIsNotRedirected() async throws {
        try await withPeer({ .answer(PeerResponse(307, ["Location": $0.target])) }) { peer, client in
            let repository = try RepositoryName.of("app")
            let manifest = try SampleImage.single("x").root
            let error = await registryError { () throws(RegistryError) in
                _ = try await client.putManifest(manifest, to: repository, as: .digest(manifest.digest))
            }
            #expect(error?.answer?.status == 307)
            #expect(peer.requests.count == 1)
        }
    }

    @Test func nothingLeadsFromEncryptedToPlain() async throws {
        try await withClient(of: 1) { client in
            let storage = try HTTPURL(parsing: "https://127.0.0.1:1/x")
            let response = HTTPResponse(
                head: HTTPResponseHead(status: 307, fields: try HTTPFields(["Location": "http://127.0.0.1:1/y"]), url: storage), body: [])
            let error = await registryError { () throws(RegistryError) in
                _ = try client.target(of: response, from: storage, RegistryPlace(registry: "test"), why: "a redirect")
            }
            guard case .hostNotAllowed = error else { throw RegistryMismatch(error) }
        }
    }

    @Test(arguments: [
        ("/v2/app/blobs/uploads/7?_state=a%2Bb%3D&x=+", "/v2/app/blobs/uploads/7?_state=a%2Bb%3D&x=+&digest="),
        ("http://HOST/up/7", "/up/7?digest="),
        ("7?", "/v2/app/blobs/uploads/7?digest="),
        ("?session=7", "/v2/app/blobs/uploads/?session=7&digest="),
        ("//HOST/up//7?a=b&", "/up//7?a=b&digest="),
    ])
    func aSessionIsUsedAsItWasGiven(location: String, expected: String) async throws {
        try await withPeer({ request in
            guard request.method == "POST" else { return .answer(PeerResponse(201)) }
            return .answer(PeerResponse(202, ["Location": location.replacing("HOST", with: request["host"] ?? "")]))
        }) { peer, client in
            try await client.finishUpload(try await client.startUpload(.of("app")), bytes: Self.blob, digest: digest)
            #expect(peer.lines.last == "PUT \(expected)sha256%3A\(digest.hex)")
            #expect(peer.requests.last?.body == Array(Self.blob))
            #expect(peer.requests.last?["content-type"] == "application/octet-stream")
        }
    }

    @Test(arguments: [true, false]) func aSessionElsewhereGetsNoCredentials(allowed: Bool) async throws {
        let storage = try ScriptedPeer { _ in .answer(PeerResponse(201)) }
        defer { storage.stop() }
        try await withPeer(
            { request in
                guard request["authorization"] != nil else { return .answer(Self.login) }
                return .answer(PeerResponse(202, ["Location": "http://\(storage.host)/up?s=1"]))
            },
            {
                $0.credentials = { .robot }
                if allowed { $0.additionalHosts = ["127.0.0.1:\(storage.port)"] }
            }
        ) { _, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in
                try await client.finishUpload(try await client.startUpload(repository), bytes: Self.blob, digest: digest)
            }
            if allowed {
                #expect(error == nil)
                #expect(storage.requests.map { $0["authorization"] } == [nil])
            } else {
                guard case .hostNotAllowed = error else { throw RegistryMismatch(error) }
                #expect(storage.requests.isEmpty)
            }
        }
    }

    @Test(
        arguments: [
            (#"</v2/app/tags/list?last=b&n=1>; rel="next""#, "/v2/app/tags/list?last=b&n=1"),
            (#"<http://HOST/v2/app/tags/list?p=2>;rel=next"#, "/v2/app/tags/list?p=2"),
            (#"</first>; rel="first", </v2/app/tags/list?p=2>; title="x"; rel="next""#, "/v2/app/tags/list?p=2"),
            (#"<list?p=2>; rel="last NEXT""#, "/v2/app/tags/list?p=2"),
            (#"</v2/app/tags/list?p=0>; rel="prev""#, nil), ("nonsense", nil), ("", nil),
        ] as [(String, String?)])
    func theNextPageIsFoundInLink(link: String, next: String?) async throws {
        try await withPeer({ request in
            .answer(PeerResponse(200, ["Link": link.replacing("HOST", with: request["host"] ?? "")], json: #"{"name":"app","tags":["b","not a tag","c"]}"#))
        }) { _, client in
            let page = try await client.tags(.of("app"))
            #expect(page.tags.map(\.description) == ["b", "c"])
            #expect(page.next.map { $0.url.path + ($0.url.query.map { "?" + $0 } ?? "") } == next)
        }
    }

    @Test(arguments: ["<http://other.test/v2/app/tags/list>; rel=next", "</v2/app/tags/list?n=200>; rel=next"])
    func aNextPageElsewhereOrTheSameAgainIsAnError(link: String) async throws {
        try await withPeer({ _ in .answer(PeerResponse(200, ["Link": link], json: #"{"tags":null}"#)) }) { _, client in
            let repository = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.tags(repository) }
            switch error {
            case .hostNotAllowed, .malformed: break
            default: throw RegistryMismatch(error)
            }
        }
    }
}

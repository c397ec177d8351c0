import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Testing

/// Registries behind TLS and behind a proxy.
@Suite(.inTurn, .serialized, .timeLimit(.minutes(15))) struct SecureTests {
    /// A registry with a certificate of a new authority, and settings that trust it.
    private func withSecureRegistry(
        asksForCertificate: Bool = false,
        _ change: (inout RegistryEndpoint, TestAuthority) -> Void = { $0.connection.tls.caFile = $1.path("ca.pem") },
        _ body: (RegistryClient) async throws -> Void
    ) async throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        var setup = DockerRegistry.Setup()
        setup.tls = (authority.path("server.pem"), authority.path("server.key"), asksForCertificate ? authority.path("ca.pem") : nil)
        let registry = try await DockerRegistry.start(setup)
        defer { registry.stop() }
        try await withClient(of: registry.port, scheme: "https", { change(&$0, authority) }, body)
    }

    private func roundTrip(_ client: RegistryClient) async throws {
        let app = try RepositoryName.of("app")
        let blob = SampleImage.bytes("secure", count: 300_000)
        try await client.finishUpload(try await client.startUpload(app), bytes: blob, digest: Digest(hashing: blob))
        let copy = try RepositoryName.of("copy")
        let report = try await BlobRelay.relay(
            Descriptor(mediaType: .octetStream, digest: Digest(hashing: blob), size: Int64(blob.count)),
            from: BlobSource(client: client, repository: app),
            to: [BlobUpload(client: client, session: try await client.startUpload(copy))])
        #expect(report.failures == [nil])
        let found = try await client.blob(copy, Digest(hashing: blob), limit: blob.count)
        #expect(found == blob)
    }

    @Test func anAuthorityOfOurOwnIsTrusted() async throws {
        try await withSecureRegistry { try await roundTrip($0) }
    }

    @Test func anotherAuthorityIsNotTrusted() async throws {
        let stranger = try TestAuthority()
        defer { stranger.remove() }
        for file in [nil, stranger.path("ca.pem")] {
            try await withSecureRegistry({ endpoint, _ in endpoint.connection.tls.caFile = file }) { client in
                let app = try RepositoryName.of("app")
                let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(app) }
                guard case .unreachable(_, .tls) = error else { throw RegistryMismatch(error) }
                #expect(error?.isTransient == false)
            }
        }
    }

    @Test func aClientCertificateIsShown() async throws {
        try await withSecureRegistry(
            asksForCertificate: true,
            { endpoint, authority in
                endpoint.connection.tls = TLSSettings(
                    caFile: authority.path("ca.pem"), clientCertificateFile: authority.path("client.pem"),
                    clientKeyFile: authority.path("client.key"))
            }
        ) { try await roundTrip($0) }
    }

    @Test func withoutAClientCertificateNobodyGetsIn() async throws {
        try await withSecureRegistry(asksForCertificate: true) { client in
            let app = try RepositoryName.of("app")
            let error = await registryError { () throws(RegistryError) in _ = try await client.startUpload(app) }
            guard case .unreachable = error else { throw RegistryMismatch(error) }
        }
    }

    /// The registry's name means nothing here: only the proxy knows the way.
    @Test func everythingGoesThroughTheProxy() async throws {
        let registry = try await DockerRegistry.start()
        defer { registry.stop() }
        let proxy = try ScriptedPeer { request in
            var inner = request
            let prefix = "http://registry.invalid"
            guard request.target.hasPrefix(prefix) else { return .answer(PeerResponse(400)) }
            inner.target = String(request.target.dropFirst(prefix.count))
            return .answer(try registry.send(inner))
        }
        defer { proxy.stop() }
        let address = try HTTPURL(parsing: "http://registry.invalid")
        let settings = try ProxySettings(parsing: "http://\(proxy.host)")
        try await withClient(
            of: 1,
            {
                $0.url = address
                $0.connection.proxy = settings
            }
        ) { try await roundTrip($0) }
        #expect(proxy.requests.allSatisfy { $0["host"] == "registry.invalid" })
    }
}

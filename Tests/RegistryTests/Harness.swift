import Foundation
import HTTPTransport
import Logging
import OCI
import Registry
import TestSupport

/// A client of a server on this machine, for as long as `body` runs.
func withClient<R>(
    of port: Int, scheme: String = "http", _ change: (inout RegistryEndpoint) -> Void = { _ in }, _ body: (RegistryClient) async throws -> R
) async throws -> R {
    var endpoint = RegistryEndpoint(name: "test", url: try HTTPURL(parsing: "\(scheme)://127.0.0.1:\(port)"))
    endpoint.connection.stallTimeout = .seconds(10)
    change(&endpoint)
    let http = try HTTPClient(logger: Logger(label: "test"))
    do {
        let result = try await body(RegistryClient(endpoint: endpoint, http: http, logger: Logger(label: "test")))
        await http.shutdown()
        return result
    } catch {
        await http.shutdown()
        throw error
    }
}

/// A real registry with a client of it.
func withRegistry<R>(
    _ setup: DockerRegistry.Setup = DockerRegistry.Setup(), _ change: (inout RegistryEndpoint) -> Void = { _ in },
    _ body: (DockerRegistry, RegistryClient) async throws -> R
) async throws -> R {
    let registry = try await DockerRegistry.start(setup)
    defer { registry.stop() }
    return try await withClient(of: registry.port, change) { try await body(registry, $0) }
}

/// A scripted server with a client of it.
func withPeer<R>(
    _ handler: @escaping ScriptedPeer.Handler, _ change: (inout RegistryEndpoint) -> Void = { _ in },
    _ body: (ScriptedPeer, RegistryClient) async throws -> R
) async throws -> R {
    let peer = try ScriptedPeer(handler)
    defer { peer.stop() }
    return try await withClient(of: peer.port, change) { try await body(peer, $0) }
}

/// The error that `body` throws; `nil` when it throws none.
func registryError(_ body: () async throws(RegistryError) -> Void) async -> RegistryError? {
    do {
        try await body()
        return nil
    } catch { return error }
}

extension RegistryCredentials {
    static let robot = RegistryCredentials.basic(user: TokenService.user, password: Secret(TokenService.password))
}

extension RepositoryName {
    static func of(_ text: String) throws -> RepositoryName { try RepositoryName(parsing: text) }
}

extension ManifestReference {
    static func named(_ text: String) throws -> ManifestReference { .tag(try Tag(parsing: text)) }
}

extension SampleImage.Document {
    var manifest: Manifest {
        get throws { try Manifest(bytes: bytes, servedAs: mediaType, expected: nil) }
    }
}

extension SampleImage {
    var root: Manifest {
        get throws { try Manifest(bytes: manifests.last?.bytes ?? Data(), servedAs: nil, expected: nil) }
    }

    func descriptor(_ index: Int) -> Descriptor {
        Descriptor(mediaType: .octetStream, digest: blobDigests[index], size: Int64(blobs[index].count))
    }
}

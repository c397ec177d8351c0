import Foundation
import HTTPTransport
import Logging
import OCI
import Registry
import Synchronization
import TestSupport
import Transfer

/// What is remembered, in memory.
final class InMemoryTransferMemory: TransferMemory {
    private struct State {
        var manifests: [Digest: Manifest] = [:]
        var holders: [String: [Digest: [RepositoryName: Bool]]] = [:]
        var present: [String: [RepositoryName: Set<Digest>]] = [:]
        var sightings: [Sighting] = []
        var smallBlobs: [Digest: Data] = [:]
        var claims: [String: [Digest: UUID]] = [:]
        var seenAt: [String: [Digest: ContinuousClock.Instant]] = [:]
    }

    private let state = Mutex(State())

    var sightings: [Sighting] { state.withLock { $0.sightings } }
    var manifestCount: Int { state.withLock { $0.manifests.count } }

    func manifests(_ digests: [Digest]) async throws -> [Digest: Manifest] { state.withLock { state in state.manifests.filter { digests.contains($0.key) } } }

    func smallBlobs(_ digests: [Digest]) async throws -> [Digest: Data] { state.withLock { state in state.smallBlobs.filter { digests.contains($0.key) } } }

    func keepSmallBlob(_ bytes: Data) { state.withLock { $0.smallBlobs[Digest(hashing: bytes)] = bytes } }

    func claim(_ blobs: [Digest], server: String, by sender: UUID, knownFor age: Duration) async throws -> UploadClaim {
        state.withLock { state in
            var claim = UploadClaim(granted: [], arrived: [])
            for blob in blobs where (state.claims[server]?[blob] ?? sender) == sender {
                state.claims[server, default: [:]][blob] = sender
                claim.granted.insert(blob)
                if let seen = state.seenAt[server]?[blob], seen.duration(to: .now) < age { claim.arrived.insert(blob) }
            }
            for blob in blobs {
                guard let holder = state.claims[server]?[blob], holder != sender, holder.uuidString < sender.uuidString else { continue }
                claim.older.insert(blob)
            }
            return claim
        }
    }

    func renewClaims(of sender: UUID) async throws {}

    func release(_ blobs: [Digest], server: String, by sender: UUID) async throws {
        state.withLock { state in
            for blob in blobs where state.claims[server]?[blob] == sender { state.claims[server]?[blob] = nil }
        }
    }

    func keep(_ manifests: [Manifest]) async throws {
        state.withLock { state in
            for manifest in manifests { state.manifests[manifest.digest] = manifest }
        }
    }

    func snapshot(server: String, repository: RepositoryName, blobs: [Digest], manifests: [Digest]) async throws -> KnowledgeSnapshot {
        state.withLock { state in
            var found = KnowledgeSnapshot()
            for digest in blobs {
                found.holders[digest] = (state.holders[server]?[digest] ?? [:]).map { BlobHolder(repository: $0.key, isCommitted: $0.value) }
            }
            found.manifests = (state.present[server]?[repository] ?? []).intersection(manifests)
            return found
        }
    }

    func record(_ sightings: [Sighting], server: String, repository: RepositoryName) async throws {
        state.withLock { state in
            state.sightings += sightings
            for sighting in sightings {
                switch sighting {
                case .blob(let digest):
                    state.seenAt[server, default: [:]][digest] = .now
                    state.holders[server, default: [:]][digest, default: [:]][repository] = false
                case .blobGone(let digest): state.holders[server]?[digest]?[repository] = nil
                case .mountRefused(let digest, let from): state.holders[server]?[digest]?[from] = nil
                case .manifest(let digest, let blobs):
                    state.present[server, default: [:]][repository, default: []].insert(digest)
                    for blob in blobs { state.seenAt[server, default: [:]][blob] = .now }
                    for blob in blobs { state.holders[server, default: [:]][blob, default: [:]][repository] = true }
                case .manifestGone(let digest): state.present[server]?[repository]?.remove(digest)
                }
            }
        }
    }
}

/// An engine and the HTTP client under it, for as long as a test runs.
struct Harness {
    let http: HTTPClient
    let memory = InMemoryTransferMemory()
    var engine: CopyEngine { CopyEngine(memory: memory) }

    func site(
        _ port: Int, _ repository: String, named name: String = "test", _ change: (inout RegistryEndpoint) -> Void = { _ in }
    ) throws -> Site {
        var endpoint = RegistryEndpoint(name: name, url: try HTTPURL(parsing: "http://127.0.0.1:\(port)"))
        endpoint.connection.stallTimeout = .seconds(10)
        change(&endpoint)
        return Site(
            client: RegistryClient(endpoint: endpoint, http: http, logger: Logger(label: "test")),
            repository: try RepositoryName(parsing: repository))
    }

    /// Copies and says what was done at the first target.
    func copy(_ digest: Digest, from source: Site, to targets: Site...) async throws -> TransferReport {
        try await engine.copy(digest, from: source, to: targets) { _ in }
    }
}

func withHarness<R>(_ body: (Harness) async throws -> R) async throws -> R {
    let http = try HTTPClient(logger: Logger(label: "test"))
    do {
        let result = try await body(Harness(http: http))
        await http.shutdown()
        return result
    } catch {
        await http.shutdown()
        throw error
    }
}

/// So many real registries.
func withRegistries<R>(
    _ count: Int, _ setup: DockerRegistry.Setup = DockerRegistry.Setup(), _ body: (Harness, [DockerRegistry]) async throws -> R
) async throws -> R {
    var registries: [DockerRegistry] = []
    defer { for registry in registries { registry.stop() } }
    for _ in 0..<count { registries.append(try await DockerRegistry.start(setup)) }
    return try await withHarness { try await body($0, registries) }
}

/// The error that `body` throws; `nil` when it throws none of ours.
func transferError(_ body: () async throws -> Void) async -> TransferError? {
    do {
        try await body()
        return nil
    } catch { return error as? TransferError }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ what: some Any) { description = "unexpected: \(what)" }
}

extension DockerRegistry {
    /// Whether a repository holds an image whole, byte for byte.
    func holds(_ image: SampleImage, in repository: String) throws -> Bool {
        let blobs = try image.blobs.allSatisfy { try blob(repository, Digest(hashing: $0)) == $0 }
        return try blobs && image.manifests.allSatisfy { try manifest(repository, $0.digest.description) == $0.bytes }
    }
}

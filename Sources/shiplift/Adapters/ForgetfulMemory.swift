import Foundation
import OCI
import Synchronization
import Transfer

/// A memory for one command: manifests that were read, and nothing else.
final class ForgetfulMemory: TransferMemory {
    private let kept = Mutex<[Digest: Manifest]>([:])

    func manifests(_ digests: [Digest]) async throws -> [Digest: Manifest] { kept.withLock { kept in kept.filter { digests.contains($0.key) } } }
    func keep(_ manifests: [Manifest]) async throws { kept.withLock { kept in for manifest in manifests { kept[manifest.digest] = manifest } } }
    func smallBlobs(_ digests: [Digest]) async throws -> [Digest: Data] { [:] }
    func snapshot(server: String, repository: RepositoryName, blobs: [Digest], manifests: [Digest]) async throws -> KnowledgeSnapshot {
        KnowledgeSnapshot(holders: [:], manifests: [])
    }
    func record(_ sightings: [Sighting], server: String, repository: RepositoryName) async throws {}
    func claim(_ blobs: [Digest], server: String, by sender: UUID, knownFor age: Duration) async throws -> UploadClaim {
        UploadClaim(granted: Set(blobs), arrived: [])
    }
    func renewClaims(of sender: UUID) async throws {}
    func release(_ blobs: [Digest], server: String, by sender: UUID) async throws {}
}

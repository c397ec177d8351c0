import Foundation
import OCI
import Storage
import Transfer

/// The copy engine's memory in PostgreSQL.
struct StoredTransferMemory: TransferMemory {
    let content: PostgresContentMemory
    let claims: PostgresUploadClaims

    func manifests(_ digests: [Digest]) async throws -> [Digest: Manifest] {
        var found: [Digest: Manifest] = [:]
        for kept in try await content.manifests(digests) {
            found[kept.digest] = try Manifest(bytes: kept.bytes, servedAs: kept.mediaType, expected: kept.digest)
        }
        return found
    }

    func smallBlobs(_ digests: [Digest]) async throws -> [Digest: Data] { try await content.smallBlobs(digests) }

    func claim(_ blobs: [Digest], server: String, by sender: UUID, knownFor age: Duration) async throws -> UploadClaim {
        let claim = try await claims.claim(blobs, server: server, sender: sender, age: age / .seconds(1))
        return UploadClaim(granted: claim.granted, arrived: claim.arrived, older: claim.older)
    }

    func renewClaims(of sender: UUID) async throws { try await claims.renew(sender: sender) }

    func release(_ blobs: [Digest], server: String, by sender: UUID) async throws { try await claims.release(blobs, server: server, sender: sender) }

    func keep(_ manifests: [Manifest]) async throws { try await content.keep(manifests) }

    func snapshot(server: String, repository: RepositoryName, blobs: [Digest], manifests: [Digest]) async throws -> KnowledgeSnapshot {
        let present = try await content.presence(server: server, repository: repository, manifests: manifests, blobs: blobs)
        var holders: [Digest: [BlobHolder]] = [:]
        for blob in present.blobs { holders[blob] = [BlobHolder(repository: repository, isCommitted: true)] }
        for held in try await content.holders(server: server, blobs: blobs.filter { !present.blobs.contains($0) }) {
            holders[held.digest, default: []].append(BlobHolder(repository: held.repository, isCommitted: held.isCommitted))
        }
        return KnowledgeSnapshot(holders: holders, manifests: present.manifests)
    }

    func record(_ sightings: [Sighting], server: String, repository: RepositoryName) async throws {
        var blobs: [Digest] = []
        var committed: [Digest] = []
        var manifests: [Digest] = []
        var goneBlobs: [Digest] = []
        var goneManifests: [Digest] = []
        var refused: [(digest: Digest, from: RepositoryName)] = []
        for sighting in sightings {
            switch sighting {
            case .blob(let digest): blobs.append(digest)
            case .blobGone(let digest): goneBlobs.append(digest)
            case .mountRefused(let digest, let source): refused.append((digest, source))
            case .manifest(let digest, let below):
                manifests.append(digest)
                committed += below
            case .manifestGone(let digest): goneManifests.append(digest)
            }
        }
        // What was lost and brought again in the same run is there.
        let there = Set(blobs + committed)
        try await content.record(
            server: server, repository: repository, blobs: blobs, committed: committed, manifests: manifests,
            goneBlobs: goneBlobs.filter { !there.contains($0) }, goneManifests: goneManifests.filter { !manifests.contains($0) }, refusedMounts: refused)
    }
}

public import Foundation
public import OCI

/// A repository that was seen to hold a blob.
public struct BlobHolder: Sendable, Hashable {
    public let repository: RepositoryName
    /// Whether a manifest there refers to the blob: some registries mount only from such, and collectors take the others.
    public let isCommitted: Bool

    public init(repository: RepositoryName, isCommitted: Bool) {
        self.repository = repository
        self.isCommitted = isCommitted
    }
}

/// What is believed about one registry server, as far as one plan needs it. A hint, never a proof.
public struct KnowledgeSnapshot: Sendable, Hashable {
    public var holders: [Digest: [BlobHolder]]
    /// Manifests believed to be in the target repository.
    public var manifests: Set<Digest>

    public init(holders: [Digest: [BlobHolder]] = [:], manifests: Set<Digest> = []) {
        self.holders = holders
        self.manifests = manifests
    }
}

/// Something that was seen at a registry.
public enum Sighting: Sendable, Hashable {
    case blob(Digest)
    case blobGone(Digest)
    /// The registry will not mount this blob from there.
    case mountRefused(Digest, from: RepositoryName)
    /// A manifest is there, and so are the blobs it refers to.
    case manifest(Digest, blobs: [Digest])
    case manifestGone(Digest)
}

/// What came of a wish to send blobs to a server.
public struct UploadClaim: Sendable, Hashable {
    /// Ours to send.
    public var granted: Set<Digest>
    /// Of those granted: already seen on the server since we last looked.
    public var arrived: Set<Digest>
    /// Of the rest: in the hands of somebody who began before us (by the order of the senders' ids).
    public var older: Set<Digest>

    /// The rest is on its way there in somebody else's hands.
    public init(granted: Set<Digest>, arrived: Set<Digest>, older: Set<Digest> = []) {
        self.granted = granted
        self.arrived = arrived
        self.older = older
    }
}

/// What Shiplift remembers about registries and manifests.
public protocol TransferMemory: Sendable {
    /// Those of these manifests that were read before, from anywhere: a digest says that it is the same.
    func manifests(_ digests: [Digest]) async throws -> [Digest: Manifest]
    func keep(_ manifests: [Manifest]) async throws
    /// Those of these small blobs (configurations) whose bytes are kept.
    func smallBlobs(_ digests: [Digest]) async throws -> [Digest: Data]
    /// What is believed of these blobs and manifests on a server.
    func snapshot(server: String, repository: RepositoryName, blobs: [Digest], manifests: [Digest]) async throws -> KnowledgeSnapshot
    func record(_ sightings: [Sighting], server: String, repository: RepositoryName) async throws
    /// Takes blobs that are about to be sent to a server, so that nobody else sends them at the same time. Never waits.
    ///
    /// - Parameter age: how old the knowledge is that the wish is made on; what was seen on the server since is told apart.
    func claim(_ blobs: [Digest], server: String, by sender: UUID, knownFor age: Duration) async throws -> UploadClaim
    /// Keeps what the sender has claimed for another while.
    func renewClaims(of sender: UUID) async throws
    /// Gives claims back; those of a sender that died end by themselves.
    func release(_ blobs: [Digest], server: String, by sender: UUID) async throws
}

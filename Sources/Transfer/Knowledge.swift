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

/// What Shiplift remembers about registries and manifests.
public protocol TransferMemory: Sendable {
    /// A manifest that was read before, from anywhere: its digest says that it is the same.
    func manifest(_ digest: Digest) async throws -> Manifest?
    func keep(_ manifests: [Manifest]) async throws
    /// What is believed of these blobs and manifests on a server.
    func snapshot(server: String, repository: RepositoryName, blobs: [Digest], manifests: [Digest]) async throws -> KnowledgeSnapshot
    func record(_ sightings: [Sighting], server: String, repository: RepositoryName) async throws
}

import Foundation
public import OCI
public import PolicyEngine

/// One place that a promotion writes to: a registry of the target environment and the image's repository there.
public struct TargetRepository: Sendable, Hashable, Codable {
    /// The registry's name in environments.yaml.
    public let registry: String
    public let repository: RepositoryName

    public init(registry: String, repository: RepositoryName) {
        self.registry = registry
        self.repository = repository
    }
}

/// What is to be brought where, all by digest.
public struct TransferOrder: Sendable, Hashable {
    public let promotion: PromotionID
    public let image: ImageName
    public let digest: Digest
    public let from: EnvironmentDefinition
    public let to: EnvironmentDefinition
    public let tags: [Tag]
    /// What goes with the image.
    public let referrers: ReferrerChoice

    public init(
        promotion: PromotionID, image: ImageName, digest: Digest, from: EnvironmentDefinition, to: EnvironmentDefinition, tags: [Tag],
        referrers: ReferrerChoice
    ) {
        self.promotion = promotion
        self.image = image
        self.digest = digest
        self.from = from
        self.to = to
        self.tags = tags
        self.referrers = referrers
    }
}

/// A number of blobs and the bytes they have.
public struct BlobTally: Sendable, Hashable, Codable {
    public var blobs: Int
    /// Bytes.
    public var bytes: Int64

    public init(blobs: Int = 0, bytes: Int64 = 0) {
        self.blobs = blobs
        self.bytes = bytes
    }

    public mutating func add(bytes: Int64) {
        blobs += 1
        self.bytes += bytes
    }

    public static func + (lhs: BlobTally, rhs: BlobTally) -> BlobTally {
        BlobTally(blobs: lhs.blobs + rhs.blobs, bytes: lhs.bytes + rhs.bytes)
    }
}

/// What one registry of the target environment got, or will get by plan.
public struct RegistryTally: Sendable, Hashable, Codable {
    public var registry: String
    public var repository: RepositoryName
    public var present: BlobTally
    public var mounted: BlobTally
    public var copied: BlobTally
    public var manifests: Int
    /// Requests made, by method class (`head`, `get`, `post`, `patch`, `put`, `delete`, `token`).
    public var requests: [String: Int]

    public init(registry: String, repository: RepositoryName) {
        self.registry = registry
        self.repository = repository
        present = BlobTally()
        mounted = BlobTally()
        copied = BlobTally()
        manifests = 0
        requests = [:]
    }
}

/// What a dry run shows: exactly what would be done, as far as knowledge goes.
public struct CopyPlanSummary: Sendable, Hashable, Codable {
    public var targets: [RegistryTally]
    public var steps: [Step]

    public init(targets: [RegistryTally], steps: [Step]) {
        self.targets = targets
        self.steps = steps
    }

    /// One blob or manifest and what happens to it in one registry.
    public struct Step: Sendable, Hashable, Codable {
        public var registry: String
        public var digest: Digest
        public var mediaType: MediaType
        public var size: Int64
        /// `present`, `mount`, `copy` for blobs; `put` or `present` for manifests; `tag` for a tag's move.
        public var action: String
        /// The repository to mount from, or the tag to write.
        public var detail: String?

        public init(registry: String, digest: Digest, mediaType: MediaType, size: Int64, action: String, detail: String? = nil) {
            self.registry = registry
            self.digest = digest
            self.mediaType = mediaType
            self.size = size
            self.action = action
            self.detail = detail
        }
    }
}

/// What a promotion did and what it cost.
public struct CopyReport: Sendable, Hashable, Codable {
    public var targets: [RegistryTally]
    /// Requests made to resolve and to decide, before anything was copied, by method class.
    public var decisionRequests: [String: Int]
    /// Requests made to the source registry, by method class.
    public var sourceRequests: [String: Int]
    /// Bytes read from the source's blobs.
    public var sourceBytes: Int64
    public var seconds: Double
    /// Signatures, SBOMs and attestations that went with the image; `nil` where none were looked for.
    public var referrers: Int?
    /// What was odd about them at the source, in words.
    public var remarks: [String]?

    public init(
        targets: [RegistryTally] = [], decisionRequests: [String: Int] = [:], sourceRequests: [String: Int] = [:], sourceBytes: Int64 = 0,
        seconds: Double = 0, referrers: Int? = nil, remarks: [String]? = nil
    ) {
        self.targets = targets
        self.decisionRequests = decisionRequests
        self.sourceRequests = sourceRequests
        self.sourceBytes = sourceBytes
        self.seconds = seconds
        self.referrers = referrers
        self.remarks = remarks
    }

    /// All requests to all registries, tokens included.
    public var totalRequests: Int {
        decisionRequests.values.reduce(0, +) + sourceRequests.values.reduce(0, +) + targets.reduce(0) { $0 + $1.requests.values.reduce(0, +) }
    }
}

/// How far a running promotion is; a hint for people, written with the heartbeat.
public struct CopyProgress: Sendable, Hashable, Codable {
    public var blobsDone: Int
    public var blobsTotal: Int
    /// Bytes that have arrived at the targets, and that must arrive.
    public var bytesDone: Int64
    public var bytesTotal: Int64

    public init(blobsDone: Int = 0, blobsTotal: Int = 0, bytesDone: Int64 = 0, bytesTotal: Int64 = 0) {
        self.blobsDone = blobsDone
        self.blobsTotal = blobsTotal
        self.bytesDone = bytesDone
        self.bytesTotal = bytesTotal
    }
}

/// A tag's move in one registry, as it was done and read back.
public struct TagMove: Sendable, Hashable, Codable {
    public let target: TargetRepository
    public let tag: Tag
    /// What the tag named before; `nil` where it did not exist.
    public let previous: Digest?
    public let digest: Digest
    /// Whether a write was needed: an equal tag is not written again.
    public let written: Bool

    public init(target: TargetRepository, tag: Tag, previous: Digest?, digest: Digest, written: Bool) {
        self.target = target
        self.tag = tag
        self.previous = previous
        self.digest = digest
        self.written = written
    }
}

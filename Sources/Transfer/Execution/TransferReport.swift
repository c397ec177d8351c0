public import OCI
import Registry

/// A number of blobs and the bytes they have.
public struct BlobCount: Sendable, Hashable {
    public private(set) var blobs = 0
    /// Bytes.
    public private(set) var bytes: Int64 = 0

    mutating func add(_ size: Int64) {
        blobs += 1
        bytes += size
    }

    mutating func add(_ other: BlobCount) {
        blobs += other.blobs
        bytes += other.bytes
    }
}

/// What one target got.
public struct TargetReport: Sendable, Hashable {
    public let registry: String
    public let repository: RepositoryName
    public internal(set) var present = BlobCount()
    public internal(set) var mounted = BlobCount()
    public internal(set) var copied = BlobCount()
    /// Manifests that were written.
    public internal(set) var manifests = 0
    /// How the referrers that were carried hang on their subjects there.
    public internal(set) var attachments: [Attachment] = []
    /// Requests by class.
    public internal(set) var requests: [String: Int] = [:]
}

/// What a transfer did.
public struct TransferReport: Sendable, Hashable {
    public let targets: [TargetReport]
    public let sourceRequests: [String: Int]
    /// Bytes of blobs that were read from the source.
    public let sourceBytes: Int64
    /// What was carried beside the image; `nil` where it was not asked for.
    public let closure: ClosureReport?
}

/// How far a transfer is.
public struct TransferProgress: Sendable, Hashable {
    public let blobsDone: Int
    public let blobsTotal: Int
    /// Bytes that have been sent, and that must be.
    public let bytesDone: Int64
    public let bytesTotal: Int64
}

public import OCI
public import Registry

/// Why content did not get where it should.
public enum TransferError: Error, Sendable, Hashable {
    case registry(RegistryError)
    /// The manifests below the artifact are too many or too deep, or go in circles.
    case tree(root: Digest, reason: String)
    /// A child manifest or blob is missing at the source.
    case missingAtSource(RegistryPlace, Digest)
    /// The target keeps saying that it misses content which was brought there.
    case repairExhausted(RegistryPlace, [Digest])
    /// After the write, the tag names something else: somebody else moved it, or the registry lies.
    case tagMoved(RegistryPlace, expected: Digest, found: Digest?)
    /// What we remember could not be read or written.
    case memory(String)
    case cancelled

    public var isTransient: Bool {
        switch self {
        case .registry(let error): error.isTransient
        case .repairExhausted, .memory: true
        case .tree, .missingAtSource, .tagMoved, .cancelled: false
        }
    }
}

extension TransferError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .registry(let error): error.description
        case .tree(let root, let reason): "\(root) can't be copied: \(reason)"
        case .missingAtSource(let place, let digest): "\(digest) is missing in the source: \(place)"
        case .repairExhausted(let place, let digests):
            "\(place): the registry still misses content that was brought there: \(digests.prefix(5).map(\.description).joined(separator: ", "))"
        case .tagMoved(let place, let expected, let found):
            "\(place): the tag was written as \(expected) but reads back as \(found?.description ?? "absent"): somebody else moved it"
        case .memory(let reason): "what is known about registries can't be read or written: \(reason)"
        case .cancelled: "cancelled"
        }
    }
}

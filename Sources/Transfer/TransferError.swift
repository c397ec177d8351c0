public import OCI
public import Registry

/// Why content did not get where it should.
public enum TransferError: Error, Sendable, Hashable {
    case registry(RegistryError)
    /// The manifests below the artifact are too many or too deep, or go in circles.
    case tree(root: Digest, reason: String)
    /// A child manifest or blob is missing at the source.
    case missingAtSource(RegistryPlace, Digest)
    /// The source holds an index, but not these of its children.
    case childrenMissing(RegistryPlace, [Descriptor])
    /// A sparse index was asked for, and the target does not take an index without these children.
    case sparseIndexRefused(RegistryPlace, [Descriptor])
    /// A manifest has more referrers than may travel.
    case closure(subject: Digest, reason: String)
    /// The registry had the referrers API and now answers as if it had none.
    case referrersUnsettled(RegistryPlace)
    /// The target has the referrers API, took these manifests, and does not list them.
    case referrersNotListed(RegistryPlace, [Digest])
    /// At the target, the tag for a list of referrers is something else, so that none can be kept there.
    case referrersTagTaken(RegistryPlace, reason: String)
    /// Others keep writing the target's list of referrers at the same time.
    case referrersTagContended(RegistryPlace)
    /// The target keeps saying that it misses content which was brought there.
    case repairExhausted(RegistryPlace, [Digest])
    /// After the write, the tag names something else: somebody else moved it, or the registry lies.
    case tagMoved(RegistryPlace, expected: Digest, found: Digest?)
    /// The registry is known to let no tag move, and this one names another artifact.
    case tagFixed(RegistryPlace, Digest)
    /// What we remember could not be read or written.
    case memory(String)
    case cancelled

    public var isTransient: Bool {
        switch self {
        case .registry(let error): error.isTransient
        case .repairExhausted, .memory, .referrersUnsettled, .referrersNotListed, .referrersTagContended: true
        case .tree, .missingAtSource, .childrenMissing, .sparseIndexRefused, .closure, .referrersTagTaken, .tagMoved, .tagFixed, .cancelled: false
        }
    }
}

extension TransferError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .registry(let error): error.description
        case .tree(let root, let reason): "\(root) can't be copied: \(reason)"
        case .missingAtSource(let place, let digest): "\(digest) is missing in the source: \(place)"
        case .childrenMissing(let place, let children): "\(place): the source holds the index, but not \(Self.names(children))"
        case .sparseIndexRefused(let place, let children): "\(place): the registry does not take an index without \(Self.names(children))"
        case .closure(let subject, let reason): "\(subject) can't be copied with what refers to it: \(reason)"
        case .referrersUnsettled(let place): "\(place): the registry had the referrers API and now answers as if it had none"
        case .referrersNotListed(let place, let digests):
            "\(place): the registry took referrers and does not list them: \(digests.prefix(5).map(\.description).joined(separator: ", "))"
        case .referrersTagTaken(let place, let reason): "\(place): the registry can't keep a list of referrers under this tag: \(reason)"
        case .referrersTagContended(let place): "\(place): others keep writing this list of referrers at the same time"
        case .repairExhausted(let place, let digests):
            "\(place): the registry still misses content that was brought there: \(digests.prefix(5).map(\.description).joined(separator: ", "))"
        case .tagMoved(let place, let expected, let found):
            "\(place): the tag was written as \(expected) but reads back as \(found?.description ?? "absent"): somebody else moved it"
        case .tagFixed(let place, let found): "\(place): the registry lets no tag move, and this one names \(found)"
        case .memory(let reason): "what is known about registries can't be read or written: \(reason)"
        case .cancelled: "cancelled"
        }
    }

    private static func names(_ children: [Descriptor]) -> String {
        let names = children.prefix(20).map { child in [child.platform?.description, child.digest.description].compactMap(\.self).joined(separator: " ") }
        return (names + (children.count > 20 ? ["and \(children.count - 20) more"] : [])).joined(separator: ", ")
    }
}

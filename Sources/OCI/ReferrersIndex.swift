import Foundation

/// Why a manifest is no list of referrers.
public enum ReferrersIndexError: Error, Hashable, Sendable, CustomStringConvertible {
    /// It is the subject itself: some registries answer a tag of this form as if it were a digest.
    case subjectItself(Digest)
    case notAnIndex(MediaType)
    /// An index with a subject of its own is a referrer, not a list of referrers.
    case hasSubject(Digest)
    case badEntry(Digest, reason: String)
    case tooLarge(bytes: Int)

    public var description: String {
        switch self {
        case .subjectItself(let digest): "it is the subject \(digest) itself"
        case .notAnIndex(let mediaType): "it is \(mediaType) and no OCI image index"
        case .hasSubject(let digest): "it is an artifact about \(digest)"
        case .badEntry(let digest, let reason): "its entry \(digest) \(reason)"
        case .tooLarge(let bytes): "it would have \(bytes) bytes, more than the limit of \(ManifestLimits.bytes)"
        }
    }
}

/// The image index that lists a subject's referrers where the registry has no referrers API (distribution-spec, "Referrers Tag Schema").
///
/// A tag can name anything, so the index is believed only after a look at its form; whether an entry really speaks about the subject,
/// only the entry's own `subject` field tells.
public struct ReferrersIndex: Sendable, Hashable {
    public let manifest: Manifest
    public let referrers: [Descriptor]

    /// Takes what the tag names as a list of referrers, if it is one.
    public init(_ manifest: Manifest, of subject: Digest) throws(ReferrersIndexError) {
        guard manifest.digest != subject else { throw .subjectItself(subject) }
        guard manifest.mediaType == .ociIndex else { throw .notAnIndex(manifest.mediaType) }
        if let other = manifest.subject { throw .hasSubject(other.digest) }
        for entry in manifest.children {
            guard entry.mediaType.isManifest else { throw .badEntry(entry.digest, reason: "is \(entry.mediaType) and no manifest") }
            guard (1...Int64(ManifestLimits.bytes)).contains(entry.size) else { throw .badEntry(entry.digest, reason: "has \(entry.size) bytes") }
            guard entry.digest != subject else { throw .badEntry(entry.digest, reason: "is the subject itself") }
        }
        self.manifest = manifest
        referrers = manifest.children
    }

    /// The index over these referrers, where there was none.
    public init(listing referrers: [Descriptor]) throws(ReferrersIndexError) {
        let bytes = try Self.encode(["schemaVersion": 2, "mediaType": MediaType.ociIndex.description, "manifests": referrers.map(Self.entry)])
        try self.init(encoded: bytes)
    }

    /// This index with more referrers behind those it has. Whatever else it says stays, also what we don't understand.
    ///
    /// - Parameter lost: entries that are left out: the registry no longer holds their manifests, so it would refuse the index.
    public func adding(_ more: [Descriptor], without lost: Set<Digest> = []) throws(ReferrersIndexError) -> ReferrersIndex {
        guard var document = Self.decode(manifest.bytes) else { throw .notAnIndex(manifest.mediaType) }
        var entries = document["manifests"] as? [[String: Any]] ?? []
        entries.removeAll { entry in lost.contains { $0.description == entry["digest"] as? String } }
        let listed = Set(entries.compactMap { $0["digest"] as? String })
        entries += more.filter { !listed.contains($0.digest.description) }.map(Self.entry)
        document["manifests"] = entries
        return try ReferrersIndex(encoded: Self.encode(document))
    }

    private init(encoded bytes: Data) throws(ReferrersIndexError) {
        guard bytes.count <= ManifestLimits.bytes else { throw .tooLarge(bytes: bytes.count) }
        do { manifest = try Manifest(bytes: bytes, servedAs: .ociIndex, expected: nil) } catch { throw .notAnIndex(.ociIndex) }
        referrers = manifest.children
    }

    /// "The value of `artifactType`… MUST be set", the annotations are pulled up; members without a value are left out.
    private static func entry(_ descriptor: Descriptor) -> [String: Any] {
        var entry: [String: Any] = [
            "mediaType": descriptor.mediaType.description, "digest": descriptor.digest.description, "size": descriptor.size,
        ]
        if let type = descriptor.artifactType { entry["artifactType"] = type }
        if !descriptor.annotations.isEmpty { entry["annotations"] = descriptor.annotations }
        return entry
    }

    private static func decode(_ bytes: Data) -> [String: Any]? {
        // Its bytes were decoded before, so they are JSON.
        do { return try JSONSerialization.jsonObject(with: bytes) as? [String: Any] } catch { return nil }
    }

    private static func encode(_ document: [String: Any]) throws(ReferrersIndexError) -> Data {
        do { return try JSONSerialization.data(withJSONObject: document, options: [.sortedKeys, .withoutEscapingSlashes]) } catch {
            throw .notAnIndex(.ociIndex)
        }
    }
}

extension Tag {
    /// The tag under which a registry without the referrers API keeps the list of a subject's referrers: `sha256-<hex>`.
    ///
    /// The hash is cut at 64 characters, as the specification says.
    public init(referrersOf subject: Digest) { self.init(unchecked: "\(subject.algorithm.rawValue)-\(subject.hex.prefix(64))") }
}

extension Manifest {
    /// This manifest as a list of referrers describes it: with the kind of artifact and the annotations.
    public var referrerDescriptor: Descriptor {
        Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count), annotations: annotations, artifactType: artifactType)
    }
}

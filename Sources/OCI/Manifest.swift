public import Foundation

/// Limits that keep a hostile manifest small.
public enum ManifestLimits {
    /// Largest manifest accepted, in bytes (distribution-spec: registries should accept at least 4 MiB; most refuse more).
    public static let bytes = 4 << 20
    /// Most children (blobs or manifests) of one manifest.
    public static let children = 10_000
    /// Deepest nesting of indexes.
    public static let depth = 8
    /// Most manifests in one tree.
    public static let manifests = 10_000
    /// Most bytes of all manifests of one tree together: they are in memory at once.
    public static let treeBytes = 64 << 20
}

/// Why bytes are no manifest that we carry.
public enum ManifestError: Error, Hashable, Sendable, CustomStringConvertible {
    case tooLarge(bytes: Int, limit: Int)
    case digestMismatch(expected: Digest, found: Digest)
    case malformed(digest: Digest, reason: String)
    case mediaTypeMismatch(digest: Digest, header: MediaType, body: MediaType)
    case schema1(digest: Digest)
    case tooManyChildren(digest: Digest, found: Int, limit: Int)

    public var description: String {
        switch self {
        case .tooLarge(let bytes, let limit): "the manifest has \(bytes) bytes, more than the limit of \(limit)"
        case .digestMismatch(let expected, let found): "the manifest asked for is \(expected), but the bytes received are \(found)"
        case .malformed(let digest, let reason): "manifest \(digest) is malformed: \(reason)"
        case .mediaTypeMismatch(let digest, let header, let body):
            "manifest \(digest) was served as \(header) but says of itself that it is \(body)"
        case .schema1(let digest): "manifest \(digest) is Docker schema 1, which cannot be copied by digest: push the image anew as schema 2 or OCI"
        case .tooManyChildren(let digest, let found, let limit): "manifest \(digest) names \(found) children, more than the limit of \(limit)"
        }
    }
}

/// What a manifest refers to, as far as we understand it.
public enum ManifestContent: Sendable, Hashable {
    /// An image or artifact manifest: a configuration and layers, both blobs.
    case image(config: Descriptor, layers: [Descriptor])
    /// An index: manifests.
    case index(manifests: [Descriptor])
    /// An artifact manifest, which has no configuration.
    case artifact(blobs: [Descriptor])
    /// A media type we don't know: carried as it is, with nothing below it.
    case opaque
}

/// A manifest: its exact bytes, and what they say. The bytes are never changed or encoded anew.
public struct Manifest: Sendable, Hashable {
    public let digest: Digest
    public let mediaType: MediaType
    public let bytes: Data
    public let content: ManifestContent
    /// The kind of artifact, from `artifactType` or the configuration's media type (image-spec, manifest.md).
    public let artifactType: String?
    /// The manifest that this one says something about (signature, SBOM, attestation).
    public let subject: Descriptor?
    public let annotations: [String: String]

    /// Checks and decodes a manifest that was served.
    ///
    /// - Parameters:
    ///   - bytes: the body, unchanged.
    ///   - servedAs: the `Content-Type`; `nil` or generic types fall back to the manifest's own `mediaType`.
    ///   - expected: the digest that was asked for; `nil` where it was asked for by tag.
    public init(bytes: Data, servedAs: MediaType?, expected: Digest?) throws(ManifestError) {
        guard bytes.count <= ManifestLimits.bytes else { throw .tooLarge(bytes: bytes.count, limit: ManifestLimits.bytes) }
        let digest = Digest(hashing: bytes, with: expected?.algorithm ?? .sha256)
        if let expected, digest != expected { throw .digestMismatch(expected: expected, found: digest) }
        let document = try ManifestDocument.decode(bytes, digest: digest)
        let mediaType = try Self.mediaType(servedAs: servedAs, document: document, digest: digest)
        self.digest = digest
        self.bytes = bytes
        self.mediaType = mediaType
        content = try Self.content(of: document, mediaType: mediaType, digest: digest)
        artifactType = document.artifactType ?? document.config?.mediaType.description
        subject = document.subject
        annotations = document.annotations ?? [:]
    }

    /// Every blob that this manifest itself refers to (not its children's), configuration first, without repetition.
    public var blobs: [Descriptor] {
        let all: [Descriptor]
        switch content {
        case .image(let config, let layers): all = [config] + layers
        case .artifact(let blobs): all = blobs
        case .index, .opaque: return []
        }
        var seen: Set<Digest> = []
        return all.filter { seen.insert($0.digest).inserted }
    }

    /// Every manifest that this index refers to, without repetition.
    public var children: [Descriptor] {
        guard case .index(let manifests) = content else { return [] }
        var seen: Set<Digest> = []
        return manifests.filter { seen.insert($0.digest).inserted }
    }

    /// CVE-2021-41190: a body that two readers understand differently is refused, whatever the header says.
    private static func mediaType(
        servedAs header: MediaType?, document: ManifestDocument, digest: Digest
    ) throws(ManifestError) -> MediaType {
        if header?.isSchema1 == true || document.schemaVersion == 1 { throw .schema1(digest: digest) }
        let generic: Set<String> = ["", "application/json", "text/plain", "application/octet-stream"]
        let served = header.flatMap { generic.contains($0.description) ? nil : $0 }
        if let served, let own = document.mediaType, served != own {
            throw .mediaTypeMismatch(digest: digest, header: served, body: own)
        }
        if let known = served ?? document.mediaType { return known }
        switch (document.manifests, document.config) {
        case (.some, nil): return .ociIndex
        case (nil, .some): return .ociManifest
        default: throw .malformed(digest: digest, reason: "it has no media type and is neither an index nor an image manifest")
        }
    }

    private static func content(
        of document: ManifestDocument, mediaType: MediaType, digest: Digest
    ) throws(ManifestError) -> ManifestContent {
        guard mediaType.isManifest else { return .opaque }
        guard !(document.manifests != nil && (document.config != nil || document.layers != nil)) else {
            throw .malformed(digest: digest, reason: "it has both 'manifests' and 'config' or 'layers'")
        }
        let count = (document.manifests?.count ?? 0) + (document.layers?.count ?? 0) + (document.blobs?.count ?? 0)
        guard count <= ManifestLimits.children else {
            throw .tooManyChildren(digest: digest, found: count, limit: ManifestLimits.children)
        }
        if mediaType.isIndex {
            guard let manifests = document.manifests else { throw .malformed(digest: digest, reason: "an index without 'manifests'") }
            return .index(manifests: manifests)
        }
        if mediaType == .ociArtifactManifest { return .artifact(blobs: document.blobs ?? []) }
        guard let config = document.config else { throw .malformed(digest: digest, reason: "an image manifest without 'config'") }
        return .image(config: config, layers: document.layers ?? [])
    }
}

/// The fields of image manifests and indexes together, as they stand in the JSON.
struct ManifestDocument: Decodable {
    let schemaVersion: Int?
    let mediaType: MediaType?
    let artifactType: String?
    let config: Descriptor?
    let layers: [Descriptor]?
    let blobs: [Descriptor]?
    let manifests: [Descriptor]?
    let subject: Descriptor?
    let annotations: [String: String]?

    static func decode(_ bytes: Data, digest: Digest) throws(ManifestError) -> ManifestDocument {
        do {
            return try JSONDecoder().decode(ManifestDocument.self, from: bytes)
        } catch let error as DecodingError {
            throw .malformed(digest: digest, reason: error.summary)
        } catch {
            throw .malformed(digest: digest, reason: "it is not JSON")
        }
    }
}

extension DecodingError {
    /// The path and the reason in one line, without the document.
    var summary: String {
        let context: Context
        switch self {
        case .typeMismatch(_, let found), .valueNotFound(_, let found), .keyNotFound(_, let found), .dataCorrupted(let found): context = found
        @unknown default: return "it can't be decoded"
        }
        let path = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        let reason = String(context.debugDescription.prefix(200))
        return path.isEmpty ? reason : "\(path): \(reason)"
    }
}

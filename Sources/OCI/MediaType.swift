/// A media type as a descriptor or a `Content-Type` names it, without parameters, lowercase.
public struct MediaType: Sendable, Hashable, CustomStringConvertible, Codable {
    public let description: String

    /// Takes the part before `;`, trimmed and lowercased: a header's parameters say nothing about the kind of manifest.
    public init(_ text: String) {
        let bare = text.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false).first ?? ""
        description = bare.lowercased().filter { !$0.isWhitespace }
    }

    public static let ociIndex = MediaType("application/vnd.oci.image.index.v1+json")
    public static let ociManifest = MediaType("application/vnd.oci.image.manifest.v1+json")
    public static let ociConfig = MediaType("application/vnd.oci.image.config.v1+json")
    /// The artifact manifest of the 1.1 release candidates: withdrawn, but registries hold such.
    public static let ociArtifactManifest = MediaType("application/vnd.oci.artifact.manifest.v1+json")
    public static let emptyJSON = MediaType("application/vnd.oci.empty.v1+json")
    public static let dockerManifestList = MediaType("application/vnd.docker.distribution.manifest.list.v2+json")
    public static let dockerManifest = MediaType("application/vnd.docker.distribution.manifest.v2+json")
    public static let dockerConfig = MediaType("application/vnd.docker.container.image.v1+json")
    public static let dockerSchema1 = MediaType("application/vnd.docker.distribution.manifest.v1+json")
    public static let dockerSchema1Signed = MediaType("application/vnd.docker.distribution.manifest.v1+prettyjws")
    public static let octetStream = MediaType("application/octet-stream")

    /// An index or a manifest list: its children are manifests.
    public var isIndex: Bool { self == .ociIndex || self == .dockerManifestList }

    /// An image manifest: its children are blobs.
    public var isImageManifest: Bool { self == .ociManifest || self == .dockerManifest }

    /// A manifest of any kind we can read the children of.
    public var isManifest: Bool { isIndex || isImageManifest || self == .ociArtifactManifest }

    /// Docker's schema 1, whose digest does not cover its bytes: refused.
    public var isSchema1: Bool { self == .dockerSchema1 || self == .dockerSchema1Signed }

    /// The configuration of a runnable image (labels, user, platform).
    public var isImageConfig: Bool { self == .ociConfig || self == .dockerConfig }

    /// A layer that must not be pushed with the image (image-spec, layer.md "Non-Distributable Layers"; Docker's foreign layers).
    public var isForeignLayer: Bool {
        description.hasPrefix("application/vnd.oci.image.layer.nondistributable.")
            || description == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    }

    /// What a pull asks for, the most wanted first; anything else is taken as opaque bytes.
    public static let acceptedManifests: [MediaType] = [.ociIndex, .ociManifest, .dockerManifestList, .dockerManifest, .ociArtifactManifest]

    public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode(String.self)) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

import Foundation
public import OCI

/// An image that a real registry takes: what differs is decided by its seed, so the same call makes the same digests.
public struct ImageFixture: Sendable {
    /// The flavours of manifest.
    public enum Format: Sendable, CaseIterable { case oci, docker }

    /// Configurations and layers, each once.
    public let blobs: [BlobFixture]
    /// Children before parents, the root last.
    public let manifests: [ManifestFixture]
    public let root: ManifestFixture

    public var digest: OCI.Digest { root.digest }
    /// The blobs' bytes together.
    public var size: Int { blobs.reduce(0) { $0 + $1.size } }

    /// Any root over any parts.
    public init(root: ManifestFixture, children: [ImageFixture] = [], blobs: [BlobFixture] = []) {
        var seen: Set<OCI.Digest> = []
        self.blobs = (children.flatMap(\.blobs) + blobs).filter { seen.insert($0.digest).inserted }
        manifests = children.flatMap(\.manifests).filter { seen.insert($0.digest).inserted } + [root]
        self.root = root
    }

    /// An image for one platform.
    ///
    /// - Parameters:
    ///   - layers: the sizes of its own layers, in bytes.
    ///   - base: layers that lie below them and that other images share.
    public static func image(
        layers: [Int] = [2_000, 3_000], base: [BlobFixture] = [], platform: String = "linux/amd64", labels: [String: String] = [:],
        format: Format = .oci, seed: UInt64 = 1
    ) throws -> ImageFixture {
        let types = MediaTypes(format)
        let own = layers.enumerated().map { BlobFixture(size: $1, seed: mix(seed, platform, $0)) }
        let parts = platform.split(separator: "/").map(String.init)
        var config: [String: Any] = [
            "os": parts.first ?? "linux", "architecture": parts.dropFirst().first ?? "amd64", "created": "2026-01-01T00:00:00Z",
            "config": ["Labels": labels.merging(["test.seed": String(seed)]) { given, _ in given }],
            "rootfs": ["type": "layers", "diff_ids": (base + own).map(\.digest.description)],
        ]
        if parts.count > 2 { config["variant"] = parts[2] }
        let configBlob = BlobFixture(try json(config))
        let manifest: [String: Any] = [
            "schemaVersion": 2, "mediaType": types.manifest, "config": descriptor(configBlob, types.config),
            "layers": (base + own).map { descriptor($0, types.layer) },
        ]
        return ImageFixture(
            root: ManifestFixture(mediaType: types.manifest, bytes: try json(manifest)), blobs: base + own + [configBlob])
    }

    /// An index of images, one a platform.
    public static func index(
        platforms: [String] = ["linux/amd64", "linux/arm64"], layers: [Int] = [2_000, 3_000], base: [BlobFixture] = [],
        labels: [String: String] = [:], format: Format = .oci, seed: UInt64 = 1
    ) throws -> ImageFixture {
        let children = try platforms.map {
            try image(layers: layers, base: base, platform: $0, labels: labels, format: format, seed: seed)
        }
        let entries = zip(platforms, children).map { platform, child -> [String: Any] in
            let parts = platform.split(separator: "/").map(String.init)
            var value: [String: Any] = ["os": parts.first ?? "linux", "architecture": parts.dropFirst().first ?? "amd64"]
            if parts.count > 2 { value["variant"] = parts[2] }
            return descriptor(child.root).merging(["platform": value]) { $1 }
        }
        let types = MediaTypes(format)
        let bytes = try json(["schemaVersion": 2, "mediaType": types.index, "manifests": entries])
        return ImageFixture(root: ManifestFixture(mediaType: types.index, bytes: bytes), children: children)
    }

    /// An artifact, such as a signature or an SBOM, of its own media types and perhaps about a `subject`.
    public static func artifact(
        type: String, about subject: ManifestFixture? = nil, content: [(mediaType: String, blob: BlobFixture)],
        annotations: [String: String] = [:]
    ) throws -> ImageFixture {
        let empty = BlobFixture(Data("{}".utf8))
        var manifest: [String: Any] = [
            "schemaVersion": 2, "mediaType": MediaTypes(.oci).manifest, "artifactType": type,
            "config": descriptor(empty, "application/vnd.oci.empty.v1+json"),
            "layers": content.map { descriptor($0.blob, $0.mediaType) },
        ]
        if let subject { manifest["subject"] = descriptor(subject) }
        if !annotations.isEmpty { manifest["annotations"] = annotations }
        return ImageFixture(
            root: ManifestFixture(mediaType: MediaTypes(.oci).manifest, bytes: try json(manifest)), blobs: content.map(\.blob) + [empty])
    }

    private struct MediaTypes {
        let index, manifest, config, layer: String
        init(_ format: Format) {
            switch format {
            case .oci:
                index = "application/vnd.oci.image.index.v1+json"
                manifest = "application/vnd.oci.image.manifest.v1+json"
                config = "application/vnd.oci.image.config.v1+json"
                layer = "application/vnd.oci.image.layer.v1.tar+gzip"
            case .docker:
                index = "application/vnd.docker.distribution.manifest.list.v2+json"
                manifest = "application/vnd.docker.distribution.manifest.v2+json"
                config = "application/vnd.docker.container.image.v1+json"
                layer = "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
        }
    }

    private static func json(_ value: [String: Any]) throws -> Data {
        try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes])
    }

    private static func descriptor(_ blob: BlobFixture, _ mediaType: String) -> [String: Any] {
        ["mediaType": mediaType, "digest": blob.digest.description, "size": blob.size]
    }

    private static func descriptor(_ manifest: ManifestFixture) -> [String: Any] {
        ["mediaType": manifest.mediaType, "digest": manifest.digest.description, "size": manifest.bytes.count]
    }

    private static func mix(_ seed: UInt64, _ platform: String, _ number: Int) -> UInt64 {
        "\(platform)/\(number)".utf8.reduce(seed &+ 0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

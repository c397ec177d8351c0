import Foundation
import OCI
import TestSupport

/// Images that say what gates look at.
enum GateImages {
    /// An image for one platform, with what its configuration and its manifest say.
    static func image(
        _ seed: UInt64, user: String? = nil, created: Date? = nil, labels: [String: String] = [:], annotations: [String: String] = [:], platform: String = "amd64",
        size: Int = 500
    ) throws -> ImageFixture {
        let layer = BlobFixture(size: size, seed: seed)
        var inner: [String: Any] = ["Labels": labels.merging(["seed": String(seed)]) { given, _ in given }]
        if let user { inner["User"] = user }
        let config = BlobFixture(
            try json([
                "os": "linux", "architecture": platform, "created": (created ?? Date(timeIntervalSince1970: 1_700_000_000)).formatted(.iso8601), "config": inner,
                "rootfs": ["type": "layers", "diff_ids": [layer.digest.description]],
            ]))
        var manifest: [String: Any] = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": ["mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest.description, "size": config.size],
            "layers": [["mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer.digest.description, "size": layer.size]],
        ]
        if !annotations.isEmpty { manifest["annotations"] = annotations }
        return ImageFixture(root: ManifestFixture(mediaType: "application/vnd.oci.image.manifest.v1+json", bytes: try json(manifest)), blobs: [layer, config])
    }

    private static func json(_ value: [String: Any]) throws -> Data {
        try JSONSerialization.data(withJSONObject: value, options: [.sortedKeys, .withoutEscapingSlashes])
    }
}

public import Foundation
public import OCI

/// An image made of bytes that differ from every other seed's, complete enough for a real registry.
public struct SampleImage: Sendable {
    public struct Document: Sendable {
        public let mediaType: MediaType
        public let bytes: Data
        public var digest: Digest { Digest(hashing: bytes) }
    }

    /// The flavours of manifest.
    public enum Format: Sendable, CaseIterable { case oci, docker }

    /// Configurations and layers.
    public let blobs: [Data]
    /// Children first, the root last.
    public let manifests: [Document]

    public var digest: Digest { manifests.last?.digest ?? Digest(hashing: Data()) }
    public var blobDigests: [Digest] { blobs.map { Digest(hashing: $0) } }
    /// The blobs' bytes together.
    public var size: Int64 { blobs.reduce(0) { $0 + Int64($1.count) } }

    /// An image manifest.
    ///
    /// - Parameter shared: layers that come before its own ones.
    public static func single(_ seed: String, format: Format = .oci, layers: Int = 2, layerBytes: Int = 2_000, shared: [Data] = []) -> SampleImage {
        let config = Data(#"{"architecture":"amd64","os":"linux","config":{"Labels":{"seed":"\#(seed)"}},"rootfs":{"type":"layers","diff_ids":[]}}"#.utf8)
        let all = shared + (0..<layers).map { bytes("\(seed)/\($0)", count: layerBytes) }
        let kinds = kinds(format)
        let text = """
            {"schemaVersion":2,"mediaType":"\(kinds.manifest)","config":\(descriptor(config, kinds.config)),\
            "layers":[\(all.map { descriptor($0, kinds.layer) }.joined(separator: ","))]}
            """
        return SampleImage(blobs: [config] + all, manifests: [Document(mediaType: kinds.manifest, bytes: Data(text.utf8))])
    }

    /// An index over images.
    public static func index(_ images: [SampleImage], format: Format = .oci) -> SampleImage {
        let kind = format == .oci ? MediaType.ociIndex : .dockerManifestList
        let children = images.flatMap { $0.manifests.suffix(1) }.enumerated().map { number, child in
            """
            {"mediaType":"\(child.mediaType)","digest":"\(child.digest)","size":\(child.bytes.count),\
            "platform":{"os":"linux","architecture":"\(number == 0 ? "amd64" : "arm64")"}}
            """
        }
        let text = #"{"schemaVersion":2,"mediaType":"\#(kind)","manifests":[\#(children.joined(separator: ","))]}"#
        return SampleImage(
            blobs: images.flatMap(\.blobs), manifests: images.flatMap(\.manifests) + [Document(mediaType: kind, bytes: Data(text.utf8))])
    }

    /// Bytes that only this seed gives.
    public static func bytes(_ seed: String, count: Int) -> Data {
        var state = seed.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return Data(
            (0..<count).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: state >> 56)
            })
    }

    private static func kinds(_ format: Format) -> (manifest: MediaType, config: MediaType, layer: MediaType) {
        switch format {
        case .oci: (.ociManifest, .ociConfig, MediaType("application/vnd.oci.image.layer.v1.tar+gzip"))
        case .docker: (.dockerManifest, .dockerConfig, MediaType("application/vnd.docker.image.rootfs.diff.tar.gzip"))
        }
    }

    private static func descriptor(_ blob: Data, _ mediaType: MediaType) -> String {
        #"{"mediaType":"\#(mediaType)","digest":"\#(Digest(hashing: blob))","size":\#(blob.count)}"#
    }
}

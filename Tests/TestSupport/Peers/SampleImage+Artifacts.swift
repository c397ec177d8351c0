public import Foundation
public import OCI

/// A blob and what a manifest calls it.
public struct SampleLayer: Sendable {
    public let mediaType: String
    public let bytes: Data
    public let annotations: [String: String]

    public init(_ mediaType: String, _ bytes: Data, annotations: [String: String] = [:]) {
        self.mediaType = mediaType
        self.bytes = bytes
        self.annotations = annotations
    }
}

extension SampleImage {
    public static let emptyJSON = SampleLayer("application/vnd.oci.empty.v1+json", Data("{}".utf8))

    /// An artifact of any kind: a signature, an SBOM, a chart.
    ///
    /// - Parameter subject: the manifest that it speaks about.
    public static func artifact(
        type: String? = nil, about subject: Document? = nil, config: SampleLayer = emptyJSON, layers: [SampleLayer],
        annotations: [String: String] = [:], format: Format = .oci
    ) -> SampleImage {
        let kind: MediaType = format == .oci ? .ociManifest : .dockerManifest
        var members = [#""schemaVersion":2"#, #""mediaType":"\#(kind)""#]
        if let type { members.append(#""artifactType":"\#(type)""#) }
        members.append(#""config":\#(descriptor(config))"#)
        members.append(#""layers":[\#(layers.map(descriptor).joined(separator: ","))]"#)
        if let subject { members.append(#""subject":\#(descriptor(subject))"#) }
        if !annotations.isEmpty { members.append(#""annotations":\#(object(annotations))"#) }
        var seen: Set<Data> = []
        return SampleImage(
            blobs: ([config] + layers).map(\.bytes).filter { seen.insert($0).inserted },
            manifests: [Document(mediaType: kind, bytes: Data("{\(members.joined(separator: ","))}".utf8))])
    }

    /// An index over images with whatever each entry says beside its digest, as members of a JSON object.
    ///
    /// - Parameter members: further members of the index itself.
    public static func index(of children: [(image: SampleImage, members: String)], members: String = "") -> SampleImage {
        let entries = children.compactMap { child in child.image.manifests.last.map { descriptor($0, members: child.members) } }
        let text = #"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[\#(entries.joined(separator: ","))]\#(members)}"#
        return SampleImage(
            blobs: children.flatMap(\.image.blobs),
            manifests: children.flatMap(\.image.manifests) + [Document(mediaType: .ociIndex, bytes: Data(text.utf8))])
    }

    /// A signature as cosign keeps it under a tag: a layer for each, without a subject field.
    public static func cosignSignature(of subject: Digest, by signers: [String]) -> SampleImage {
        let payload = Data(#"{"critical":{"image":{"docker-manifest-digest":"\#(subject)"},"type":"cosign container image signature"}}"#.utf8)
        let layers = signers.map {
            SampleLayer("application/vnd.dev.cosign.simplesigning.v1+json", payload, annotations: ["dev.cosignproject.cosign/signature": "by \($0)"])
        }
        let hashes = layers.map { _ in #""\#(Digest(hashing: payload))""# }.joined(separator: ",")
        let config = #"{"architecture":"","os":"","rootfs":{"type":"layers","diff_ids":[\#(hashes)]}}"#
        return artifact(config: SampleLayer(MediaType.ociConfig.description, Data(config.utf8)), layers: layers)
    }

    /// A manifest as somebody else wrote it, over blobs that it names.
    public static func written(_ text: String, as mediaType: MediaType = .ociManifest, blobs: [Data]) -> SampleImage {
        SampleImage(blobs: blobs, manifests: [Document(mediaType: mediaType, bytes: Data(text.utf8))])
    }

    /// The last manifest, which the image is named by.
    public var document: Document { manifests.last ?? Document(mediaType: .octetStream, bytes: Data()) }

    static func descriptor(_ document: Document, members: String = "") -> String {
        #"{"mediaType":"\#(document.mediaType)","digest":"\#(document.digest)","size":\#(document.bytes.count)\#(members)}"#
    }

    private static func descriptor(_ layer: SampleLayer) -> String {
        let annotations = layer.annotations.isEmpty ? "" : #","annotations":\#(object(layer.annotations))"#
        return #"{"mediaType":"\#(layer.mediaType)","digest":"\#(Digest(hashing: layer.bytes))","size":\#(layer.bytes.count)\#(annotations)}"#
    }

    private static func object(_ members: [String: String]) -> String {
        "{\(members.sorted { $0.key < $1.key }.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ","))}"
    }
}

import Crypto
import Foundation
import OCI
import TestSupport

/// A key that signs images and statements about them in cosign's formats.
struct SigningHand {
    let key = P256.Signing.PrivateKey()

    var publicKey: String { key.publicKey.pemRepresentation + "\n" }

    private func sign(_ message: Data) throws -> String { try key.signature(for: message).derRepresentation.base64EncodedString() }

    /// cosign's signature, as it stands under the tag `sha256-….sig`.
    func signature(of digest: OCI.Digest, reference: String = "registry.example.test/shop/api") throws -> ImageFixture {
        let payload = Data(
            #"{"critical":{"identity":{"docker-reference":"\#(reference)"},"image":{"docker-manifest-digest":"\#(digest)"},"type":"cosign container image signature"},"optional":null}"#
                .utf8)
        return try Self.manifest(
            layer: payload, type: "application/vnd.dev.cosign.simplesigning.v1+json",
            annotations: ["dev.cosignproject.cosign/signature": try sign(payload)])
    }

    /// A sigstore bundle about an image, to be attached as a referrer.
    func bundle(_ predicateType: String, _ predicate: String, about image: ManifestFixture) throws -> ImageFixture {
        let envelope = try envelope(predicateType, predicate, about: image.digest)
        let bundle =
            #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"k"},"tlogEntries":[]},"dsseEnvelope":\#(envelope)}"#
        let type = "application/vnd.dev.sigstore.bundle.v0.3+json"
        return try ImageFixture.artifact(type: type, about: image, content: [(type, BlobFixture(Data(bundle.utf8)))])
    }

    /// An attestation, as it stands under cosign's tag `sha256-….att`.
    func attestation(_ predicateType: String, _ predicate: String, about digest: OCI.Digest) throws -> ImageFixture {
        try Self.manifest(
            layer: Data(try envelope(predicateType, predicate, about: digest).utf8), type: "application/vnd.dsse.envelope.v1+json",
            annotations: ["dev.cosignproject.cosign/signature": "", "predicateType": predicateType])
    }

    private func envelope(_ predicateType: String, _ predicate: String, about digest: OCI.Digest) throws -> String {
        let statement = Data(
            #"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"shop/api","digest":{"sha256":"\#(digest.hex)"}}],"predicateType":"\#(predicateType)","predicate":\#(predicate)}"#
                .utf8)
        let type = "application/vnd.in-toto+json"
        let message = Data("DSSEv1 \(type.utf8.count) \(type) \(statement.count) ".utf8) + statement
        return #"{"payloadType":"\#(type)","payload":"\#(statement.base64EncodedString())","signatures":[{"keyid":"","sig":"\#(try sign(message))"}]}"#
    }

    private static func manifest(layer: Data, type: String, annotations: [String: String]) throws -> ImageFixture {
        let (blob, config) = (BlobFixture(layer), BlobFixture(Data("{}".utf8)))
        let document: [String: Any] = [
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": ["mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.digest.description, "size": config.size],
            "layers": [["mediaType": type, "digest": blob.digest.description, "size": blob.size, "annotations": annotations] as [String: Any]],
        ]
        let bytes = try JSONSerialization.data(withJSONObject: document, options: [.sortedKeys, .withoutEscapingSlashes])
        return ImageFixture(root: ManifestFixture(mediaType: "application/vnd.oci.image.manifest.v1+json", bytes: bytes), blobs: [blob, config])
    }
}

extension RegistryServer {
    /// Pushes referrers of an image with the list that registries without the referrers API keep under a tag.
    func attach(_ referrers: [ImageFixture], to image: ManifestFixture, in repository: String) async throws {
        let entries = referrers.map { referrer in
            #"{"mediaType":"\#(referrer.root.mediaType)","digest":"\#(referrer.digest)","size":\#(referrer.root.bytes.count)}"#
        }
        let list = #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[\#(entries.joined(separator: ","))]}"#
        let index = ImageFixture(
            root: ManifestFixture(mediaType: "application/vnd.oci.image.index.v1+json", bytes: Data(list.utf8)), children: referrers)
        try await push(index, to: repository, tag: "sha256-\(image.digest.hex)")
    }

    /// Pushes a manifest under one of cosign's tags.
    func attach(_ manifest: ImageFixture, to image: ManifestFixture, as kind: String, in repository: String) async throws {
        try await push(manifest, to: repository, tag: "sha256-\(image.digest.hex).\(kind)")
    }
}

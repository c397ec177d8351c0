import Foundation
import OCI
import TestSupport
import Testing

@testable import Transfer

/// Two attachments of one kind to one digest: whoever signs adds a layer to the same manifest.
struct CosignMergeTests {
    private let subject = Digest(hashing: Data("image".utf8))

    private func signatures(_ signers: String...) throws -> (manifest: Manifest, config: Data) {
        let image = SampleImage.cosignSignature(of: subject, by: signers)
        return (try Manifest(bytes: image.document.bytes, servedAs: nil, expected: nil), image.blobs[0])
    }

    @Test func whoHasMoreIsKept() throws {
        let (ci, both, other) = (try signatures("ci").manifest, try signatures("ci", "production").manifest, try signatures("production").manifest)
        #expect(CosignMerge.compare(theirs: both, ours: ci) == .keepTheirs)
        #expect(CosignMerge.compare(theirs: ci, ours: ci) == .keepTheirs)
        #expect(CosignMerge.compare(theirs: ci, ours: both) == .takeOurs)
        #expect(CosignMerge.compare(theirs: ci, ours: other) == .diverged)
    }

    @Test func nobodysSignatureIsLost() throws {
        let theirs = try signatures("ci", "production")
        let ours = try signatures("ci", "scanner")
        let (manifest, config) = try #require(
            CosignMerge.join(theirs: theirs.manifest, theirConfig: theirs.config, ours: ours.manifest, ourConfig: ours.config))
        guard case .image(let reference, let layers) = manifest.content else { throw Unexpected(manifest.content) }
        #expect(layers.compactMap { $0.annotations["dev.cosignproject.cosign/signature"] } == ["by ci", "by production", "by scanner"])
        #expect(reference.digest == Digest(hashing: config))
        #expect(reference.size == Int64(config.count))
        #expect(reference.mediaType == .ociConfig)
        let members = try #require(try JSONSerialization.jsonObject(with: config) as? [String: Any])
        #expect(((members["rootfs"] as? [String: Any])?["diff_ids"] as? [String])?.count == 3)
        #expect(CosignMerge.compare(theirs: manifest, ours: ours.manifest) == .keepTheirs)
        #expect(CosignMerge.compare(theirs: manifest, ours: theirs.manifest) == .keepTheirs)
    }

    @Test func whatIsNoImageManifestIsNotJoined() throws {
        let index = SampleImage.index([.single("a")])
        let theirs = try Manifest(bytes: index.document.bytes, servedAs: nil, expected: nil)
        let ours = try signatures("ci")
        #expect(CosignMerge.compare(theirs: theirs, ours: ours.manifest) == .diverged)
        #expect(CosignMerge.join(theirs: theirs, theirConfig: ours.config, ours: ours.manifest, ourConfig: ours.config) == nil)
        #expect(CosignMerge.join(theirs: ours.manifest, theirConfig: Data("no JSON".utf8), ours: try signatures("x").manifest, ourConfig: ours.config) == nil)
    }
}

import Foundation
import HTTPTransport
import OCI
import Registry
import TestSupport
import Transfer

/// An image of two platforms with what speaks about it, in every depth that is asked about.
struct SignedImage {
    static let signatureType = "application/vnd.dev.sigstore.bundle.v0.3+json"
    static let sbomType = "application/spdx+json"

    let platforms = [SampleImage.single("amd64"), .single("arm64")]
    let image: SampleImage
    /// About the index.
    let signature: SampleImage
    /// About the second platform.
    let sbom: SampleImage
    /// About the SBOM.
    let sbomSignature: SampleImage

    var all: [SampleImage] { [signature, sbom, sbomSignature] }

    init() {
        image = .index(platforms)
        signature = Self.signature(of: image, by: "ci")
        sbom = .artifact(
            type: Self.sbomType, about: platforms[1].document, layers: [SampleLayer(Self.sbomType, Data("packages".utf8))],
            annotations: ["org.opencontainers.image.created": "2026-01-01"])
        sbomSignature = Self.signature(of: sbom, by: "scanner")
    }

    static func signature(of subject: SampleImage, by signer: String) -> SampleImage {
        .artifact(
            type: signatureType, about: subject.document, layers: [SampleLayer(signatureType, Data("signed by \(signer)".utf8))],
            annotations: ["signer": signer])
    }
}

extension SampleImage {
    /// The list of a subject's referrers as clients keep it, where there is no API.
    static func referrersIndex(of artifacts: [SampleImage]) -> SampleImage {
        .index(
            of: artifacts.map { artifact in
                let manifest = try? Manifest(bytes: artifact.document.bytes, servedAs: nil, expected: nil)
                return (artifact, #","artifactType":"\#(manifest?.artifactType ?? "")","annotations":{"listed":"yes"}"#)
            })
    }
}

extension DockerRegistry {
    /// Puts artifacts and lists them under their subject's referrers tag.
    func attach(_ artifacts: [SampleImage], to subject: Digest, in repository: String) throws {
        for artifact in artifacts { try put(artifact, in: repository) }
        try put(SampleImage.referrersIndex(of: artifacts).document, in: repository, as: Tag(referrersOf: subject).description)
    }

    /// Puts the signed image and lists all that speaks about it under tags.
    func put(_ signed: SignedImage, in repository: String) throws {
        try put(signed.image, in: repository, tag: "v1")
        try attach([signed.signature], to: signed.image.digest, in: repository)
        try attach([signed.sbom], to: signed.platforms[1].digest, in: repository)
        try attach([signed.sbomSignature], to: signed.sbom.digest, in: repository)
    }

    /// What a referrers tag lists; `nil` where there is none.
    func listed(_ subject: Digest, in repository: String) throws -> [Descriptor]? {
        try manifest(repository, Tag(referrersOf: subject).description).map {
            try ReferrersIndex(Manifest(bytes: $0, servedAs: nil, expected: nil), of: subject).referrers
        }
    }

    func tag(_ image: SampleImage, _ kind: CosignTag.Kind, of subject: Digest, in repository: String) throws {
        try put(image, in: repository, tag: CosignTag(kind, of: subject)?.tag.description)
    }

    func tagged(_ kind: CosignTag.Kind, of subject: Digest, in repository: String) throws -> Data? {
        try CosignTag(kind, of: subject).flatMap { try manifest(repository, $0.tag.description) }
    }
}

extension Harness {
    /// Copies with all that refers to the image.
    func carry(
        _ digest: Digest, from source: Site, to targets: [Site], _ selection: ReferrerSelection = .all, knowledge: ReferrersKnowledge = ReferrersKnowledge(),
        limits: ClosureLimits = ClosureLimits(), readsCosignTags: Bool = true
    ) async throws -> TransferReport {
        let order = ClosureOrder(selection, knowledge: knowledge, readsCosignTags: readsCosignTags, limits: limits)
        return try await engine.copy(digest, from: source, to: targets, options: CopyOptions(closure: order)) { _ in }
    }
}

extension ReferrersKnowledge {
    convenience init(_ support: ReferrersSupport, _ sites: Site...) {
        self.init(known: Dictionary(uniqueKeysWithValues: sites.map { ($0.registryKey, support) }))
    }
}

extension TransferReport {
    var requests: Int { sourceRequests.values.reduce(0, +) + targets.flatMap(\.requests.values).reduce(0, +) }
}

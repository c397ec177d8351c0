public import Foundation
public import OCI
public import Registry

/// Something of our own making that is to hang on an image: one layer, no configuration (image-spec, manifest.md "artifacts").
public struct AttachedContent: Sendable, Hashable {
    /// The artifact's type and its layer's media type.
    public let type: String
    public let bytes: Data
    public let annotations: [String: String]

    public init(type: String, bytes: Data, annotations: [String: String] = [:]) {
        self.type = type
        self.bytes = bytes
        self.annotations = annotations
    }
}

extension CopyEngine {
    private static let empty = Data("{}".utf8)

    /// Hangs artifacts on an image at a registry, as referrers of it: blobs, manifests, then the list where the registry keeps none itself.
    ///
    /// The same content makes the same artifacts: what is there already stays as it is, so it may run twice.
    ///
    /// - Returns: the artifacts' digests; `nil` where the image is not there any more.
    public func attach(
        _ contents: [AttachedContent], to digest: Digest, at site: Site, knowledge: ReferrersKnowledge, meter: RequestMeter = RequestMeter()
    ) async throws(TransferError) -> [Digest]? {
        guard let subject = try await subject(digest, at: site, meter) else { return nil }
        var manifests: [Manifest] = []
        var indexed: Set<Digest> = []
        for content in contents {
            for blob in [Self.empty, content.bytes] { try await put(blob, at: site, meter) }
            let manifest = try Self.manifest(of: content, about: subject)
            let answer: ManifestPut
            do { answer = try await site.client.putManifest(manifest, to: site.repository, as: .digest(manifest.digest), meter: meter) } catch {
                throw .registry(error)
            }
            switch answer {
            case .stored(let named): if named == digest { indexed.insert(manifest.digest) }
            case .missingContent(let digests, _):
                throw .repairExhausted(
                    RegistryPlace(registry: site.registry, repository: site.repository, reference: manifest.digest.description), digests)
            }
            manifests.append(manifest)
        }
        let linker = ReferrersLinker(
            site: site, source: site, memory: memory, knowledge: knowledge, meter: meter, sourceMeter: RequestMeter(),
            written: Set(manifests.map(\.digest)), indexed: indexed)
        let referrers = manifests.map { Referrer(subject: digest, tree: ManifestTree(manifests: [$0], root: $0), link: .subject, depth: 1) }
        if case .lost(let digests) = try await linker.list(referrers, of: digest) {
            throw .referrersNotListed(RegistryPlace(registry: site.registry, repository: site.repository, reference: digest.description), digests.sorted())
        }
        return manifests.map(\.digest)
    }

    /// The image as it is named by what hangs on it. Its bytes are mostly known from the promotion; that it is still there is asked.
    private func subject(_ digest: Digest, at site: Site, _ meter: RequestMeter) async throws(TransferError) -> Manifest? {
        let isThere: Bool
        do { isThere = try await site.client.headManifest(site.repository, .digest(digest), meter: meter) != nil } catch { throw .registry(error) }
        guard isThere else { return nil }
        let kept: Manifest?
        do { kept = try await memory.manifests([digest])[digest] } catch { throw .memory("\(error)") }
        if let kept { return kept }
        do { return try await site.client.manifest(site.repository, .digest(digest), meter: meter) } catch { throw .registry(error) }
    }

    private func put(_ bytes: Data, at site: Site, _ meter: RequestMeter) async throws(TransferError) {
        let digest = Digest(hashing: bytes)
        do throws(RegistryError) {
            guard try await site.client.headBlob(site.repository, digest, meter: meter) == nil else { return }
            let session = try await site.client.startUpload(site.repository, meter: meter)
            try await site.client.finishUpload(session, bytes: bytes, digest: digest, meter: meter)
        } catch { throw .registry(error) }
    }

    private struct Document: Encodable {
        struct Entry: Encodable {
            let mediaType: String
            let digest: String
            let size: Int
        }

        let schemaVersion = 2
        let mediaType = MediaType.ociManifest.description
        let artifactType: String
        let config: Entry
        let layers: [Entry]
        let subject: Entry
        let annotations: [String: String]
    }

    private static func manifest(of content: AttachedContent, about subject: Manifest) throws(TransferError) -> Manifest {
        func entry(_ type: String, _ bytes: Data) -> Document.Entry {
            Document.Entry(mediaType: type, digest: Digest(hashing: bytes).description, size: bytes.count)
        }
        let document = Document(
            artifactType: content.type, config: entry("application/vnd.oci.empty.v1+json", empty), layers: [entry(content.type, content.bytes)],
            subject: Document.Entry(mediaType: subject.mediaType.description, digest: subject.digest.description, size: subject.bytes.count),
            annotations: content.annotations)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return try Manifest(bytes: try encoder.encode(document), servedAs: .ociManifest, expected: nil) } catch { throw .memory("\(error)") }
    }
}

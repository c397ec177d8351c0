import Comparison
import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Transfer
import Trust

extension LiveImageRegistries: ImageInspection {
    /// Most platforms whose configurations are read.
    private static let maximumParts = 50
    /// Most documents that are read of one artifact, signed ones aside, and their bytes together.
    private static let maximumDocuments = 50
    private static let maximumDocumentBytes: Int64 = 64 << 20
    /// What is kept in the database, so that no second look reads it again.
    private static let keptDocumentBytes = 1 << 20

    func inspect(_ digest: Digest, image: ImageName, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> InspectedImage {
        var failure: PromotionFailure?
        var found: InspectedImage?
        for definition in environment.registries {
            do throws(PromotionFailure) {
                let inspected = try await inspect(digest, at: try sites.site(image, in: definition))
                // A registry that has the image may lack what was attached to it elsewhere.
                if !inspected.documents.isEmpty || !inspected.signed.isEmpty { return inspected }
                found = found ?? inspected
            } catch { failure = failure ?? error }
        }
        guard let found else {
            throw failure ?? PromotionFailure(.configuration, "environment \(environment.name) has no registry")
        }
        return found
    }

    private func inspect(_ digest: Digest, at site: Site) async throws(PromotionFailure) -> InspectedImage {
        let meter = RequestMeter()
        var order = ClosureOrder(.all, knowledge: referrers)
        order.limits.depth = 1
        let closure: TrustClosure
        do { closure = try await engine.closure(of: digest, at: site, options: CopyOptions(closure: order), meter: meter) } catch { throw PromotionFailure(error) }
        var remarks: [String] = []
        let parts = try await parts(of: closure.image, site, meter, &remarks)
        let notes = Set(closure.image.manifests.flatMap(\.children).filter { $0.platform?.isUnknown == true }.map(\.digest))
        var seen: Set<Digest> = []
        let layers = closure.image.manifests.flatMap { manifest -> [Descriptor] in
            guard case .image(_, let layers) = manifest.content, !notes.contains(manifest.digest) else { return [] }
            return layers.filter { seen.insert($0.digest).inserted }
        }
        var image = InspectedImage(
            mediaType: closure.image.root.mediaType, annotations: closure.image.root.annotations, parts: parts, layers: layers,
            sizeBytes: closure.image.totalBytes)
        image.documents = try await documents(closure, site, meter, &remarks)
        var needs = FactNeeds()
        (needs.scans, needs.sboms) = (true, true)
        image.signed = try await evidence(in: closure, needs, site, meter).signed
        image.remarks = remarks
        return image
    }

    private func parts(of tree: ManifestTree, _ site: Site, _ meter: RequestMeter, _ remarks: inout [String]) async throws(PromotionFailure) -> [ImageContents.Part] {
        var declared: [Digest: Platform] = [:]
        for child in tree.manifests.flatMap(\.children) { declared[child.digest] = child.platform }
        var parts: [ImageContents.Part] = []
        for manifest in tree.manifests {
            guard case .image(let config, _) = manifest.content, config.mediaType.isImageConfig, declared[manifest.digest]?.isUnknown != true else { continue }
            guard parts.count < Self.maximumParts else {
                remarks.append("there are more than \(Self.maximumParts) platforms; the others are not compared")
                break
            }
            let limit = ImageConfiguration.maximumBytes
            let bytes = try await smallBlob(config.digest, limit: limit, keptUpTo: limit, site, meter)
            do throws(ManifestError) {
                let own = try ImageConfiguration(bytes: bytes, digest: config.digest).platform
                let runtime = try RuntimeConfiguration(bytes: bytes, digest: config.digest)
                parts.append(ImageContents.Part(platform: declared[manifest.digest] ?? own, digest: manifest.digest, annotations: manifest.annotations, runtime: runtime))
            } catch {
                remarks.append("a configuration can't be read: \(Shown.text(error.description))")
                let platform = declared[manifest.digest] ?? Platform(os: "unknown", architecture: "unknown")
                parts.append(ImageContents.Part(platform: platform, digest: manifest.digest, annotations: manifest.annotations, runtime: nil))
            }
        }
        return parts
    }

    /// Bills of materials that hang on the image as they are, and those that BuildKit puts into the index
    /// (https://docs.docker.com/build/metadata/attestations/attestation-storage/).
    private func documents(
        _ closure: TrustClosure, _ site: Site, _ meter: RequestMeter, _ remarks: inout [String]
    ) async throws(PromotionFailure) -> [InspectedImage.Document] {
        var wanted: [(subject: Digest, layer: Descriptor)] = []
        for referrer in closure.referrers {
            for case .sbom(let layer, _) in AttachedLayer.all(of: referrer.manifest) { wanted.append((referrer.subject, layer)) }
        }
        let manifests = Dictionary(closure.image.manifests.map { ($0.digest, $0) }) { first, _ in first }
        for child in closure.image.manifests.flatMap(\.children) {
            guard let subject = Self.attestedManifest(child), case .image(_, let layers)? = manifests[child.digest]?.content else { continue }
            for layer in layers where layer.mediaType.description == "application/vnd.in-toto+json" {
                let type = PredicateType(layer.annotations["in-toto.io/predicate-type"] ?? "")
                if type == .spdx || type == .cyclonedx { wanted.append((subject, layer)) }
            }
        }
        var documents: [InspectedImage.Document] = []
        var total: Int64 = 0
        for (subject, layer) in wanted {
            guard documents.count < Self.maximumDocuments, layer.size > 0, layer.size <= BillOfMaterials.maximumBytes, total + layer.size <= Self.maximumDocumentBytes else {
                remarks.append("more bills of materials hang on it, or larger ones, than are read")
                continue
            }
            total += layer.size
            documents.append(
                InspectedImage.Document(
                    subject: subject, bytes: try await smallBlob(layer.digest, limit: Int(layer.size), keptUpTo: Self.keptDocumentBytes, site, meter)))
        }
        return documents
    }

    /// The manifest of the same index that an entry says something about.
    private static func attestedManifest(_ child: Descriptor) -> Digest? {
        guard child.annotations["vnd.docker.reference.type"] == "attestation-manifest", let text = child.annotations["vnd.docker.reference.digest"] else { return nil }
        do { return try Digest(parsing: text) } catch { return nil }
    }
}

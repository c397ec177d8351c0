import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Storage
import Transfer
import Trust

extension LiveImageRegistries {
    /// Most layers that are read of all that hangs on one artifact.
    private static let maximumLayers = 100
    /// Most bytes of all of them together: they are in memory at once.
    private static let maximumBytes: Int64 = 64 << 20
    /// What is kept in the database, so that no second look reads it again.
    private static let keptBytes = 1 << 20

    func attachments(
        to digest: Digest, image: ImageName, in registry: RegistryDefinition, needs: FactNeeds, tally: RequestTally
    ) async throws(PromotionFailure) -> AttachedEvidence {
        let site = try sites.site(image, in: registry)
        let meter = RequestMeter()
        defer { tally.add(meter.requests) }
        var order = ClosureOrder(.all, knowledge: referrers)
        order.limits.depth = 1
        let closure: TrustClosure
        do { closure = try await engine.closure(of: digest, at: site, options: CopyOptions(closure: order), meter: meter) } catch { throw PromotionFailure(error) }
        return try await evidence(in: closure, needs, site, meter)
    }

    /// What hangs on an artifact, of what is needed.
    func evidence(in closure: TrustClosure, _ needs: FactNeeds, _ site: Site, _ meter: RequestMeter) async throws(PromotionFailure) -> AttachedEvidence {
        var found = AttachedEvidence()
        var layers: [(subject: Digest, evidence: Digest, layer: Descriptor, kind: AttachedLayer.Kind)] = []
        for referrer in closure.referrers {
            for layer in AttachedLayer.all(of: referrer.manifest) {
                switch layer {
                case .sbom(_, let format):
                    found.sboms.append(SBOMFact(format: format == .spdx ? .spdx : .cyclonedx, digest: referrer.subject, evidence: referrer.manifest.digest))
                case .signed(let layer, let kind):
                    if needs.reads(kind) { layers.append((referrer.subject, referrer.manifest.digest, layer, kind)) }
                }
            }
        }
        try check(layers.map(\.layer), closure.image.root.digest, site)
        for (subject, evidence, layer, kind) in layers where layer.size <= AttachedLayer.maximumBytes(kind) {
            let bytes = try await smallBlob(layer.digest, limit: Int(layer.size), keptUpTo: Self.keptBytes, site, meter)
            found.signed.append(AttachedEvidence.Signed(subject: subject, attachment: AttachedLayer.attachment(kind, layer, bytes: bytes, evidence: evidence)))
        }
        return found
    }

    /// Who hangs a flood on an image must not have what is drowned in it overlooked: it is refused as a whole.
    private func check(_ layers: [Descriptor], _ digest: Digest, _ site: Site) throws(PromotionFailure) {
        let bytes = layers.reduce(Int64(0)) { $0.addingReportingOverflow($1.size).partialValue }
        guard layers.count <= Self.maximumLayers, layers.allSatisfy({ $0.size >= 0 && $0.size <= Self.maximumBytes }), bytes <= Self.maximumBytes else {
            throw PromotionFailure(
                .malformedContent, "more hangs on \(digest) than is read: \(layers.count) signed layers, at most \(Self.maximumLayers) with \(Self.maximumBytes) bytes",
                registry: site.registry, repository: site.repository, reference: digest.description)
        }
    }
}

extension FactNeeds {
    /// Envelopes hold statements alone; bundles hold statements and, since cosign 3, signatures.
    fileprivate func reads(_ kind: AttachedLayer.Kind) -> Bool {
        switch kind {
        case .simpleSigning, .notation: signatures
        case .envelope: provenance || sboms || scans
        case .bundle: true
        }
    }
}

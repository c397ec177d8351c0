import Comparison
import Foundation
import OCI
import PolicyEngine

/// Brings together what is known of one version of an image: from a registry, from attestations by trusted signers, and from what was posted.
struct ContentsReading: Sendable {
    /// Posted statements about one digest that are looked at for bills of materials.
    private static let maximumStatements = 200

    let inspection: any ImageInspection
    let memory: any FactStore
    let statements: any StatementStore
    let environs: Environs
    private let signers = ParsedSigners()

    init(inspection: any ImageInspection, memory: any FactStore, statements: any StatementStore, environs: Environs) {
        self.inspection = inspection
        self.memory = memory
        self.statements = statements
        self.environs = environs
    }

    /// - Parameter environments: the first that has it is read from.
    func read(
        _ digest: Digest, _ image: ImageName, in environments: [EnvironmentDefinition], _ policies: PolicySet, _ remarks: inout [String]
    ) async throws(PromotionFailure) -> ImageContents {
        let found = try await inspect(digest, image, in: environments)
        var contents = ImageContents(digest: digest, mediaType: found.mediaType)
        contents.annotations = found.annotations
        contents.parts = found.parts
        contents.layers = found.layers
        contents.sizeBytes = found.sizeBytes
        remarks += found.remarks
        let verified = await EvidenceVerification(signers: try signers.signers(of: policies), now: environs.now()).contents(of: found.signed)
        contents.boms = verified.boms
        remarks += verified.remarks
        for document in found.documents {
            do throws(BillOfMaterialsError) {
                contents.boms.append(try BillOfMaterials(parsing: document.bytes, about: document.subject, origin: .attached))
            } catch { remarks.append("a bill of materials of \(digest.description.prefix(19)) can't be read: \(error)") }
        }
        let digests = [digest] + found.parts.map(\.digest)
        do throws(StoreError) {
            contents.scans = verified.scans + (try await memory.scans(of: digests, image: image))
            for subject in digests { contents.boms += try await posted(about: subject, image) }
        } catch { throw PromotionFailure(.storage, "what was posted can't be looked up: \(error)", isTransient: true) }
        return contents
    }

    private func inspect(_ digest: Digest, _ image: ImageName, in environments: [EnvironmentDefinition]) async throws(PromotionFailure) -> InspectedImage {
        var first: PromotionFailure?
        for environment in environments {
            do throws(PromotionFailure) { return try await inspection.inspect(digest, image: image, in: environment) } catch { first = first ?? error }
        }
        throw first ?? PromotionFailure(.contentMissing, "\(image)@\(digest) is nowhere")
    }

    /// Evidence whose details are a bill of materials, whatever its kind is called.
    private func posted(about digest: Digest, _ image: ImageName) async throws(StoreError) -> [BillOfMaterials] {
        let page = try await statements.statements(about: digest, cursor: nil, limit: Self.maximumStatements)
        return page.items.compactMap { statement in
            guard case .evidence(let posted) = statement, posted.image == nil || posted.image == image, let details = posted.details else { return nil }
            let data = Data(details.utf8)
            guard BillOfMaterials.isOne(data) else { return nil }
            let by = posted.fact.postedBy.map { $0.name ?? $0.id } ?? "somebody"
            // One that can't be read is evidence of something else.
            do throws(BillOfMaterialsError) { return try BillOfMaterials(parsing: data, about: digest, origin: .posted(by: Shown.text(by, limit: 100))) } catch {
                return nil
            }
        }
    }
}

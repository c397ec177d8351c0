import Foundation
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Transfer

/// Hangs Shiplift's own statements on artifacts: sigstore bundles as OCI 1.1 referrers.
struct RegistryStatementCarrier: StatementCarrier {
    static let type = "application/vnd.dev.sigstore.bundle.v0.3+json"
    let engine: CopyEngine
    let sites: RegistrySites
    let referrers: ReferrersKnowledge

    func attach(
        _ statements: [SignedStatement], to digest: Digest, image: ImageName, in registry: RegistryDefinition
    ) async throws(PromotionFailure) -> [Digest]? {
        let contents = statements.map { statement in
            AttachedContent(
                type: Self.type, bytes: statement.bundle,
                annotations: [
                    "dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": statement.predicateType,
                    "org.opencontainers.image.created": statement.at.ISO8601Format(),
                ])
        }
        let site = try sites.site(image, in: registry)
        do { return try await engine.attach(contents, to: digest, at: site, knowledge: referrers) } catch { throw PromotionFailure(error) }
    }
}

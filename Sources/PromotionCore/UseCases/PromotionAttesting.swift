import AuditLog
import Foundation
import OCI
import PolicyEngine
public import Trust

/// Signs for promotions that succeeded: a verification summary and a record of the promotion hang on the artifact where it went.
///
/// It follows the promotion and never hinders it: what fails is tried again, also by another process after a crash.
public struct PromotionAttesting: Sendable {
    private let queue: any AttestationQueue
    private let carrier: any StatementCarrier
    private let policies: any PolicySource
    private let signer: StatementSigner
    private let origin: String
    private let environs: Environs
    /// Promotions in one round.
    private static let batch = 50
    /// When somebody else tries what did not come to its end.
    private static let retry = Duration.seconds(60)

    /// - Parameter origin: who states it: the audit log's name.
    public init(
        queue: any AttestationQueue, carrier: any StatementCarrier, policies: any PolicySource, signer: StatementSigner, origin: String, environs: Environs
    ) {
        self.queue = queue
        self.carrier = carrier
        self.policies = policies
        self.signer = signer
        self.origin = origin
        self.environs = environs
    }

    /// One round. Answers the failures. Where no environment wishes it, nobody is asked anything.
    public func attest() async throws -> [PromotionFailure] {
        let policySet = try await policies.current()
        let wished = policySet.environments.filter(\.attests)
        guard !wished.isEmpty else { return [] }
        var failures: [PromotionFailure] = []
        for promotion in try await queue.dueForAttestation(into: wished.map(\.name), retry: Self.retry, limit: Self.batch) {
            try Task.checkCancellation()
            guard let environment = policySet.environment(named: promotion.to) else { continue }
            do throws(PromotionFailure) { try await attest(promotion, in: environment) } catch { failures.append(error) }
        }
        return failures
    }

    private func attest(_ promotion: Promotion, in environment: EnvironmentDefinition) async throws(PromotionFailure) {
        var attached: [(registry: String, digests: [Digest])] = []
        for registry in environment.registries {
            let statements = try statements(promotion, registry)
            // Where the artifact was deleted there is nothing to say any more.
            let digests = try await carrier.attach(statements, to: promotion.digest, image: promotion.image, in: registry)
            attached.append((registry.name, digests ?? []))
        }
        do { try await queue.attested(promotion.id, audit: try Acts(environs).attested(promotion, attached, key: signer.publicKey.fingerprint)) } catch {
            throw PromotionFailure(.storage, "what was attested could not be written down: \(error)", isTransient: true)
        }
    }

    private func statements(_ promotion: Promotion, _ registry: RegistryDefinition) throws(PromotionFailure) -> [SignedStatement] {
        let repository = try registry.place(of: promotion.image)
        let host = registry.url.range(of: "://").map { String(registry.url[$0.upperBound...]) } ?? registry.url
        let said = PromotionStatements(promotion: promotion, origin: origin, place: "\(host)/\(repository)")
        let time = promotion.finishedAt ?? promotion.updatedAt
        var statements: [SignedStatement] = []
        for (type, statement) in [(PromotionStatements.summaryType, try said.summary()), (PromotionStatements.recordType, try said.record())] {
            do { statements.append(SignedStatement(predicateType: type, bundle: try signer.bundle(statement: statement), at: time)) } catch {
                throw PromotionFailure(.configuration, "a statement can't be signed: \(error)")
            }
        }
        return statements
    }
}

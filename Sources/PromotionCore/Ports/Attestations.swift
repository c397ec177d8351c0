public import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// A statement of ours, signed: a sigstore bundle.
public struct SignedStatement: Sendable, Hashable {
    public let predicateType: String
    public let bundle: Data
    /// When what it states happened: the same statement has the same time, however often it is attached.
    public let at: Date

    public init(predicateType: String, bundle: Data, at: Date) {
        self.predicateType = predicateType
        self.bundle = bundle
        self.at = at
    }
}

/// Hangs statements on artifacts. May run twice without harm.
public protocol StatementCarrier: Sendable {
    /// Attaches statements to an artifact in one registry.
    ///
    /// - Returns: the digests of what hangs there now; `nil` where the artifact is not there any more.
    func attach(_ statements: [SignedStatement], to digest: Digest, image: ImageName, in registry: RegistryDefinition) async throws(PromotionFailure) -> [Digest]?
}

/// Which promotions are to be attested.
public protocol AttestationQueue: Sendable {
    /// Takes succeeded promotions into these environments that have no attestation yet, each for one caller; a caller that does not come back
    /// with the result loses it after `retry`.
    func dueForAttestation(into environments: [EnvironmentName], retry: Duration, limit: Int) async throws(StoreError) -> [Promotion]

    /// The promotion is attested: written down with its audit entry.
    func attested(_ promotion: PromotionID, audit: AuditEntry) async throws(StoreError)
}

import OCI
import HTTPTransport
import PromotionCore
import Registry
import Transfer

extension PromotionFailure {
    /// A registry's error as the promotion's: what a reader needs to act, and nothing secret.
    init(_ error: RegistryError) {
        let kind: Kind =
            switch error {
            case .unauthorized, .credentials: .registryUnauthorized
            case .forbidden: .registryForbidden
            case .notFound: .contentMissing
            case .rateLimited: .registryRateLimited
            case .serverError, .unreachable, .uploadLost, .cancelled: .registryUnavailable
            case .refused: .registryRefused
            case .contentMismatch: .contentMismatch
            case .malformed: .malformedContent
            case .hostNotAllowed: .hostNotAllowed
            case .timedOut: .timedOut
            }
        var retryAfter: Double?
        if case .rateLimited(_, _, let seconds) = error { retryAfter = seconds }
        self.init(
            kind, error.description, registry: error.place.registry, repository: error.place.repository, reference: error.place.reference,
            status: error.answer?.status, registryMessage: error.answer.map { [$0.code, $0.message].filter { !$0.isEmpty }.joined(separator: " ") },
            isTransient: error.isTransient, retryAfter: retryAfter)
    }

    /// A transfer's error as the promotion's.
    init(_ error: TransferError) {
        switch error {
        case .registry(let error): self.init(error)
        case .tree: self.init(.malformedContent, error.description)
        case .missingAtSource(let place, let digest):
            self.init(.contentMissing, error.description, registry: place.registry, repository: place.repository, reference: digest.description)
        case .childrenMissing(let place, _):
            self.init(.contentMissing, error.description, registry: place.registry, repository: place.repository, reference: place.reference)
        case .closure(let subject, _): self.init(.malformedContent, error.description, reference: subject.description)
        case .sparseIndexRefused(let place, _), .referrersTagTaken(let place, _):
            self.init(.registryRefused, error.description, registry: place.registry, repository: place.repository, reference: place.reference)
        case .referrersUnsettled(let place), .referrersNotListed(let place, _), .referrersTagContended(let place):
            self.init(
                .registryUnavailable, error.description, registry: place.registry, repository: place.repository, reference: place.reference,
                isTransient: true)
        case .repairExhausted(let place, _):
            self.init(.contentMissing, error.description, registry: place.registry, repository: place.repository, reference: place.reference, isTransient: true)
        case .tagMoved(let place, _, _), .tagFixed(let place, _):
            self.init(.tagConflict, error.description, registry: place.registry, repository: place.repository, reference: place.reference)
        case .memory: self.init(.storage, error.description, isTransient: true)
        case .cancelled: self.init(.timedOut, "the transfer was stopped", isTransient: true)
        }
    }
}

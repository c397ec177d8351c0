public import Foundation
public import OCI
public import PolicyEngine

/// What a service outside is asked: whether this promotion may go on.
public struct CheckQuestion: Sendable, Hashable {
    /// The answer must carry it.
    public let id: UUID
    public let askedAt: Date
    public let image: ImageName
    public let digest: Digest
    public let from: EnvironmentName
    public let to: EnvironmentName
    public let sourceTag: Tag?
    public let targetTags: [Tag]
    public let requester: String
    public let policyVersion: String

    public init(
        id: UUID, askedAt: Date, image: ImageName, digest: Digest, from: EnvironmentName, to: EnvironmentName, sourceTag: Tag?, targetTags: [Tag],
        requester: String, policyVersion: String
    ) {
        self.id = id
        self.askedAt = askedAt
        self.image = image
        self.digest = digest
        self.from = from
        self.to = to
        self.sourceTag = sourceTag
        self.targetTags = targetTags
        self.requester = requester
        self.policyVersion = policyVersion
    }
}

/// Asks services outside. Only those are asked that an environments file names.
public protocol ExternalChecks: Sendable {
    /// Asks once, within the endpoint's timeout. What goes wrong is an answer too: ``CheckFact/Outcome/failed``.
    func ask(_ question: CheckQuestion, of endpoint: CheckEndpoint) async -> CheckFact
}

/// No way out: every question fails, and so the gates that need an answer stay closed unless a policy says otherwise.
public struct NoExternalChecks: ExternalChecks {
    public init() {}

    public func ask(_ question: CheckQuestion, of endpoint: CheckEndpoint) async -> CheckFact {
        CheckFact(
            endpoint: endpoint.name, digest: question.digest, outcome: .failed, reason: "nothing outside can be asked from here", askedAt: question.askedAt)
    }
}

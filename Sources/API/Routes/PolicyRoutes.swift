import APIModel
import Hummingbird
import PolicyEngine
import PromotionCore

/// Which policy is in force, and what became of the newest edition.
struct PolicyRoutes: Sendable {
    let desk: any PolicyDesk

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("policies", use: status)
        group.post("policies/refresh", use: refresh)
    }

    @Sendable private func status(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        try .json(PolicyStatusResource(await desk.status))
    }

    /// Looks for a new edition now; answers when that is done.
    @Sendable private func refresh(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let admin = try context.admin()
        do { return try .json(PolicyStatusResource(try await desk.refresh(by: admin.subject))) } catch let failure as PromotionFailure { throw Problem(failure) }
    }
}

extension PolicyStatusResource {
    init(_ status: PolicyStatus) {
        self.init(
            version: status.inForce?.version.description, since: status.since, commit: status.commit.map(PolicyCommitResource.init),
            source: PolicySourceResource(
                kind: status.place.kind.rawValue, location: status.place.location, branch: status.place.branch, folder: status.place.folder),
            policies: status.inForce?.policies.map(\.name) ?? [], checkedAt: status.checkedAt,
            refused: status.refusal.map { refusal in
                PolicyRefusalResource(
                    revision: refusal.revision, commit: refusal.commit.map(PolicyCommitResource.init), at: refusal.at,
                    mistakes: refusal.mistakes.map {
                        PolicyMistakeResource(file: $0.file, line: $0.line, column: $0.column, problem: $0.problem, remedy: $0.remedy)
                    })
            },
            unreachable: status.unreachable.map { PolicyUnreachableResource(reason: $0.reason, since: $0.since) })
    }
}

extension PolicyCommitResource {
    fileprivate init(_ commit: PolicyCommit) {
        self.init(
            id: commit.id, author: commit.author, committedAt: commit.committedAt, subject: commit.subject,
            signature: commit.signature.map { PolicySignatureResource(scheme: $0.scheme.rawValue, signer: $0.signer, key: $0.key) })
    }
}

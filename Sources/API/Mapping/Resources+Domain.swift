import FoundationEssentials
import APIModel
import OCI
import PolicyEngine
import PromotionCore

extension DecisionResource {
    init(_ decision: Decision) {
        self.init(
            outcome: decision.outcome.rawValue, summary: decision.summary,
            gates: decision.gates.map {
                GateResource(
                    gate: $0.gate, policy: $0.policy, outcome: $0.outcome.rawValue, reason: $0.reason, source: $0.source, warning: $0.isWarning, retryAt: $0.retryAt,
                    evidence: $0.evidence.map(\.description), overridden: $0.isOverridden)
            },
            targetTags: decision.targetTags.map(\.description), policyVersion: decision.policyVersion.description, retryAt: decision.retryAt)
    }
}

extension TargetReportResource {
    init(_ tally: RegistryTally) {
        self.init(
            registry: tally.registry, repository: tally.repository.description, present: TallyResource(tally.present), mounted: TallyResource(tally.mounted),
            copied: TallyResource(tally.copied), manifests: tally.manifests, requests: tally.requests)
    }
}

extension TallyResource {
    init(_ tally: BlobTally) { self.init(blobs: tally.blobs, bytes: tally.bytes) }
}

extension ReportResource {
    init(_ report: CopyReport) {
        self.init(
            targets: report.targets.map(TargetReportResource.init), decisionRequests: report.decisionRequests, sourceRequests: report.sourceRequests,
            sourceBytes: report.sourceBytes,
            totalRequests: report.totalRequests, seconds: report.seconds, referrers: report.referrers, remarks: report.remarks)
    }
}

extension FailureResource {
    init(_ failure: PromotionFailure) {
        self.init(
            kind: failure.kind.rawValue, message: failure.message, registry: failure.registry, repository: failure.repository?.description,
            reference: failure.reference, status: failure.status, registryMessage: failure.registryMessage, transient: failure.isTransient)
    }
}

extension PromotionResource {
    init(_ promotion: Promotion) {
        self.init(
            id: promotion.id.description, state: promotion.state.rawValue, version: promotion.version, image: promotion.image.description,
            from: promotion.from.description, to: promotion.to.description, digest: promotion.digest.description, tag: promotion.sourceTag?.description,
            targetTags: (promotion.decision?.targetTags ?? promotion.requestedTags).map(\.description), reason: promotion.reason,
            requestedBy: promotion.requestedBy.description, createdAt: promotion.createdAt, updatedAt: promotion.updatedAt,
            finishedAt: promotion.finishedAt, policyVersion: promotion.policyVersion, decision: promotion.decision.map(DecisionResource.init),
            report: promotion.report.map(ReportResource.init),
            tagMoves: promotion.tagMoves.map {
                TagMoveResource(
                    registry: $0.target.registry, repository: $0.target.repository.description, tag: $0.tag.description, previous: $0.previous?.description,
                    digest: $0.digest.description, written: $0.written)
            },
            failure: promotion.failure.map(FailureResource.init), attempts: promotion.attempts,
            progress: promotion.progress.map {
                ProgressResource(blobsDone: $0.blobsDone, blobsTotal: $0.blobsTotal, bytesDone: $0.bytesDone, bytesTotal: $0.bytesTotal)
            })
        rollback = promotion.rollback.map { RollbackOriginResource(step: $0.step.description, state: $0.state, restores: $0.restores) }
    }
}

extension DryRunResource {
    init(_ dryRun: DryRun, request: PromotionRequest) {
        self.init(
            image: request.image.description, from: request.from.description, to: request.to.description, digest: dryRun.resolved.digest.description,
            decision: DecisionResource(dryRun.decision), targets: dryRun.plan?.targets.map(TargetReportResource.init),
            steps: dryRun.plan?.steps.map {
                PlanStepResource(
                    registry: $0.registry, digest: $0.digest.description, mediaType: $0.mediaType.description, size: $0.size, action: $0.action, detail: $0.detail)
            })
    }
}

extension TokenResource {
    init(_ token: TokenRecord, secret: String? = nil) {
        var images: [String] = []
        var environments: [String] = []
        switch token.grant {
        case .promoter(let patterns, let names), .approver(let patterns, let names):
            images = patterns
            environments = names.map(\.description)
        case .reporter(let patterns): images = patterns
        case .reader, .admin, .scoped: break
        }
        let grants: [GrantResource]? = if case .scoped(let permissions) = token.grant { permissions.map(GrantResource.init) } else { nil }
        self.init(
            id: token.id.uuidString.lowercased(), name: token.name, role: token.grant.role, images: images, environments: environments, groups: token.groups, hint: token.hint,
            createdAt: token.createdAt, expiresAt: token.expiresAt, revokedAt: token.revokedAt, lastUsedOn: token.lastUsedOn, secret: secret, grants: grants,
            owner: token.owner?.description, previousValidUntil: token.previousUntil)
    }
}

import AuditLog
import Foundation
import OCI
import PolicyEngine
import PromotionCore

/// Things as they are in a service that has been used for a while.
struct Samples: Sendable {
    let image: ImageName
    let digest: Digest
    let (dev, test): (EnvironmentName, EnvironmentName)
    let tag: Tag
    let at = Date(timeIntervalSince1970: 1_780_000_000)
    private let repository: RepositoryName
    private let versionOfPolicy: PolicyVersion
    private let identity = Identity(id: "token:0192f0c1-2345-7abc-8def-0123456789ab", issuer: "shiplift", claims: ["groups": ["release-managers"]], name: "ci")

    static let ended = "0192f0c1-2345-7abc-8def-0123456789ab"
    static let waiting = "0192f0c1-2345-7abc-8def-0123456789ac"

    init() throws {
        image = try ImageName(parsing: "shop/api")
        digest = Digest(hashing: Data("an image".utf8))
        guard let dev = EnvironmentName(parsing: "dev"), let test = EnvironmentName(parsing: "test") else { throw StoreError.notFound }
        (self.dev, self.test) = (dev, test)
        tag = try Tag(parsing: "1.4.2")
        repository = try RepositoryName(parsing: "test/shop/api")
        versionOfPolicy = PolicyVersion(files: [], commit: nil)
    }

    /// A policy that lets images in, and one gate that people open.
    var policies: [PolicyFile] {
        [
            PolicyFile(
                path: "p.yaml",
                text: """
                    version: 1
                    kind: Policy
                    name: p
                    match: { images: ['**'], from: dev, to: test }
                    gates:
                      - approvals: { count: 1, from: [release-managers] }
                    override: { by: [release-managers], gates: [approvals] }
                    """),
            PolicyFile(path: "q.yaml", text: "version: 1\nkind: Policy\nname: q\nmatch: { images: ['**'], from: staging, to: production }\n"),
        ]
    }

    var resolved: ResolvedArtifact { ResolvedArtifact(registry: "dev", repository: repository, digest: digest) }

    var decision: Decision {
        Decision(
            outcome: .wait,
            gates: [
                GateResult(gate: "source", policy: "p", outcome: .allow, reason: "it is in dev", source: "p.yaml:3"),
                GateResult(
                    gate: "approvals", policy: "p", outcome: .wait, reason: "1 approval is missing", source: "p.yaml:5", isWarning: false,
                    retryAt: at, evidence: [digest]),
            ], targetTags: [tag], policyVersion: versionOfPolicy)
    }

    func promotion(_ id: PromotionID) -> Promotion? { promotions.first { $0.id == id } }

    var promotions: [Promotion] {
        [(Self.ended, PromotionState.succeeded), (Self.waiting, .waiting)].compactMap { text, state in
            guard let id = PromotionID(parsing: text) else { return nil }
            var promotion = Promotion(
                id: id, image: image, from: dev, to: test, digest: digest, sourceTag: tag, requestedTags: [], reason: "release 7", requestedBy: SubjectID(stored: "token:a"),
                requestID: RequestID(parsing: "build-4711"), createdAt: at, state: state, version: 3, finishedAt: state.isFinal ? at : nil,
                policyVersion: state.isFinal ? versionOfPolicy.description : nil, decision: decision)
            let target = TargetRepository(registry: "test", repository: repository)
            promotion.tagMoves = [TagMove(target: target, tag: tag, previous: nil, digest: digest, written: true)]
            promotion.report = CopyReport(decisionRequests: ["HEAD manifest": 1])
            promotion.progress = CopyProgress(blobsDone: 1, blobsTotal: 2, bytesDone: 10, bytesTotal: 20)
            promotion.failure = PromotionFailure(.registryUnavailable, "no answer", registry: "test", status: 503, registryMessage: "busy", isTransient: true)
            return promotion
        }
    }

    func moves(after version: Int) -> [PromotionMove] {
        [
            PromotionMove(version: 0, from: nil, to: .requested, at: at, actor: SubjectID(stored: "token:a"), decision: nil),
            PromotionMove(version: 1, from: .requested, to: .evaluating, at: at, actor: .worker, decision: nil),
            PromotionMove(version: 2, from: .evaluating, to: .queued, at: at, actor: .worker, decision: decision),
            PromotionMove(version: 3, from: .queued, to: .succeeded, at: at, actor: .worker, decision: nil),
        ].filter { $0.version > version }
    }

    var tags: [TagPeriod] {
        [TagPeriod(environment: dev, registry: "dev", repository: repository, tag: tag, digest: digest, since: at, until: nil, promotion: promotions.first?.id)]
    }

    var artifact: ArtifactSummary {
        ArtifactSummary(
            digest: digest, mediaType: .ociManifest, sizeBytes: 1_000,
            locations: [ArtifactLocation(environment: dev, registry: "dev", image: image, repository: repository, tags: [tag], seenAt: at)])
    }

    var verdicts: [PromotionVerdict] {
        promotions.prefix(1).map {
            PromotionVerdict(
                id: UUID(), promotion: $0.id, kind: .approve, by: identity, at: at, digest: digest, policyVersion: versionOfPolicy.description, comment: "read")
        }
    }

    var statements: [PostedFact] {
        [
            .evidence(
                PostedEvidence(
                    id: UUID(), fact: EvidenceFact(kind: "tests", digest: digest, result: "passed", recordedAt: at, postedBy: identity, evidence: digest), image: image,
                    details: #"{"run":17}"#, url: "https://ci.example.test/1"))
        ]
    }
}

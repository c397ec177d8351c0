public import Comparison
public import Foundation
public import OCI
public import PolicyEngine

/// A promotion as a person reviews it: what would change in the target environment, and what policy says.
public struct Review: Sendable {
    /// A tag that the promotion writes, in one registry.
    public struct TargetTag: Sendable, Hashable {
        public let tag: Tag
        public let target: TargetRepository
        public let digest: Digest
    }

    /// `nil` where there is none yet.
    public let promotion: Promotion?
    public let image: ImageName
    public let from: EnvironmentName
    public let to: EnvironmentName
    public let digest: Digest
    public let sourceTag: Tag?
    /// The tags that the promotion writes.
    public let tags: [Tag]
    /// What of them is there now.
    public let there: [TargetTag]
    /// What it is compared with; `nil` where nothing of the image is there.
    public let baseline: Baseline?
    public let difference: ImageDifference
    /// What policy says; `nil` where it has not been asked yet.
    public let decision: Decision?
    /// What people and pipelines can do about gates that are not open.
    public let requests: [GateRequest]
    /// What limits the review, in sentences.
    public let remarks: [String]
    public let at: Date
}

/// Puts together what a person has to know before a version takes another one's place. Reads, and changes nothing.
public struct Reviews: Sendable {
    public struct Question: Sendable {
        public let image: ImageName
        public let from: EnvironmentName
        public let to: EnvironmentName
        public let reference: ManifestReference

        public init(image: ImageName, from: EnvironmentName, to: EnvironmentName, reference: ManifestReference) {
            self.image = image
            self.from = from
            self.to = to
            self.reference = reference
        }
    }

    /// What is asked about, whether there is a promotion of it or not.
    private struct Subject {
        let image: ImageName
        let from: EnvironmentDefinition
        let to: EnvironmentDefinition
        let digest: Digest
        let sourceTag: Tag?
        let tags: [Tag]
    }

    private let promotions: Promotions
    private let registries: any ImageRegistries
    private let catalog: any Catalog
    private let policies: any PolicySource
    private let contents: ContentsReading
    private let environs: Environs

    public init(
        promotions: Promotions, registries: any ImageRegistries, inspection: any ImageInspection, catalog: any Catalog, policies: any PolicySource,
        memory: any FactStore, statements: any StatementStore, environs: Environs
    ) {
        self.promotions = promotions
        self.registries = registries
        self.catalog = catalog
        self.policies = policies
        self.environs = environs
        contents = ContentsReading(inspection: inspection, memory: memory, statements: statements, environs: environs)
    }

    /// Reviews a promotion that was asked for. One that has succeeded is compared with what it took the place of.
    public func review(_ id: PromotionID) async throws(PromotionRequestError) -> Review {
        let promotion = try await promotions.promotion(id)
        let policySet = try await current()
        let tags =
            promotion.decision?.targetTags
            ?? policySet.targetTags(
                of: promotion.image, from: promotion.step, to: promotion.to, tag: promotion.sourceTag, requested: promotion.requestedTags)
        let subject = Subject(
            image: promotion.image, from: try environment(promotion.from, policySet), to: try environment(promotion.to, policySet), digest: promotion.digest,
            sourceTag: promotion.sourceTag, tags: tags)
        let requests = try await promotions.requests(of: promotion)
        return try await review(subject, promotion, promotion.decision, requests, policySet)
    }

    /// Reviews what could be asked for.
    public func review(_ question: Question, by principal: Principal) async throws(PromotionRequestError) -> Review {
        let policySet = try await current()
        let (from, to) = (try environment(question.from, policySet), try environment(question.to, policySet))
        let request = PromotionRequest(image: question.image, from: question.from, to: question.to, reference: question.reference)
        let asked = try await promotions.decision(on: request, by: principal)
        let subject = Subject(
            image: question.image, from: from, to: to, digest: asked.digest, sourceTag: question.reference.tag, tags: asked.decision.targetTags)
        let requests = policySet.openRequests(of: asked.decision, for: question.image, from: question.from, to: question.to)
        return try await review(subject, nil, asked.decision, requests, policySet)
    }

    private func review(
        _ subject: Subject, _ promotion: Promotion?, _ decision: Decision?, _ requests: [GateRequest], _ policySet: PolicySet
    ) async throws(PromotionRequestError) -> Review {
        var remarks: [String] = []
        let there = try await there(subject)
        let baseline = await baseline(subject, promotion, there, &remarks)
        let after: ImageContents
        do throws(PromotionFailure) {
            after = try await contents.read(subject.digest, subject.image, in: [subject.from, subject.to], policySet, &remarks)
        } catch { throw .failure(error) }
        var before: ImageContents?
        if let baseline {
            if baseline.digest == subject.digest {
                before = after
            } else {
                do throws(PromotionFailure) {
                    before = try await contents.read(baseline.digest, subject.image, in: [subject.to, subject.from], policySet, &remarks)
                } catch {
                    remarks.append("what is there, \(baseline.digest), can't be read, so everything looks new: \(error.message)")
                }
            }
        }
        let difference = ImageDifference(from: before, to: after)
        var seen: Set<String> = []
        return Review(
            promotion: promotion, image: subject.image, from: subject.from.name, to: subject.to.name, digest: subject.digest, sourceTag: subject.sourceTag,
            tags: subject.tags, there: there, baseline: baseline, difference: difference, decision: decision, requests: requests,
            remarks: (remarks + difference.remarks).filter { seen.insert($0).inserted }, at: environs.now())
    }

    private func there(_ subject: Subject) async throws(PromotionRequestError) -> [Review.TargetTag] {
        var found: [Review.TargetTag] = []
        do throws(PromotionFailure) {
            for tag in subject.tags {
                found += try await registries.currentTargets(subject.image, tag: tag, in: subject.to, tally: RequestTally()).map {
                    Review.TargetTag(tag: tag, target: $0.target, digest: $0.digest)
                }
            }
        } catch { throw .failure(error) }
        return found
    }

    /// Tags that are looked at where none of the promotion's is there.
    private static let maximumTags = 200

    private func baseline(
        _ subject: Subject, _ promotion: Promotion?, _ there: [Review.TargetTag], _ remarks: inout [String]
    ) async -> Baseline? {
        if promotion?.state == .succeeded, let move = promotion?.tagMoves.first(where: { $0.previous != nil && $0.previous != subject.digest }), let previous = move.previous {
            return Baseline(digest: previous, tag: move.tag, reason: "the tag \(move.tag) named it before this promotion")
        }
        let isDone = promotion?.state == .succeeded
        let moving = isDone ? [] : there.map { (tag: $0.tag, digest: $0.digest) }
        let others = moving.isEmpty ? await self.others(subject, &remarks) : []
        let chosen = Baseline.choose(for: subject.digest, under: subject.tags, moving: moving, others: others)
        let different = Set(moving.map(\.digest)).subtracting([subject.digest, chosen?.digest].compactMap(\.self))
        if !different.isEmpty {
            remarks.append(
                "the tags that would move name \(different.count + 1) versions; the comparison is with one of them: \(different.map(\.description).sorted().joined(separator: ", ")) too"
            )
        }
        return chosen
    }

    private func others(_ subject: Subject, _ remarks: inout [String]) async -> [TagThere] {
        do throws(PromotionFailure) { _ = try await registries.refreshTags(subject.image, in: subject.to, limit: Self.maximumTags) } catch {
            if error.kind != .contentMissing { remarks.append("the tags in \(subject.to.name) can't be read now, what was seen before is used: \(error.message)") }
        }
        do throws(StoreError) {
            let page = try await catalog.tags(image: subject.image, environment: subject.to.name, tag: nil, history: false, cursor: nil, limit: 1_000)
            return page.items.compactMap { period in period.digest.map { TagThere(tag: period.tag, digest: $0, since: period.since) } }
        } catch {
            remarks.append("what is in \(subject.to.name) can't be looked up: \(error)")
            return []
        }
    }

    private func current() async throws(PromotionRequestError) -> PolicySet {
        do throws(PromotionFailure) { return try await policies.current() } catch { throw .failure(error) }
    }

    private func environment(_ name: EnvironmentName, _ policies: PolicySet) throws(PromotionRequestError) -> EnvironmentDefinition {
        guard let found = policies.environment(named: name) else { throw .unknownEnvironment(name, known: policies.environments.map(\.name)) }
        return found
    }
}

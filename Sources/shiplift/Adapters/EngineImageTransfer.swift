import OCI
import PolicyEngine
import PromotionCore
import Registry
import Transfer

/// The copy engine behind the promotion's port.
struct EngineImageTransfer: ImageTransfer {
    let engine: CopyEngine
    let sites: RegistrySites
    let recent: RecentSightings
    let absent: AbsentTags
    /// Which registries keep referrers in which way.
    let referrers: ReferrersKnowledge

    func plan(_ order: TransferOrder) async throws(PromotionFailure) -> CopyPlanSummary {
        let targets = try targets(order)
        let source = try source(order)
        let planned: (closure: TrustClosure, plan: CopyPlan)
        do { planned = try await engine.plan(order.digest, from: source, to: targets, options: options(order)) } catch { throw PromotionFailure(error) }
        let root = planned.closure.image.root
        var tallies: [RegistryTally] = []
        var steps: [CopyPlanSummary.Step] = []
        for (site, plan) in zip(targets, planned.plan.targets) {
            var tally = RegistryTally(registry: site.registry, repository: site.repository)
            for blob in plan.blobs { steps.append(step(blob, site, &tally)) }
            for manifest in plan.manifests {
                if !manifest.isPresent { tally.manifests += 1 }
                steps.append(
                    CopyPlanSummary.Step(
                        registry: site.registry, digest: manifest.digest, mediaType: manifest.mediaType, size: Int64(manifest.size),
                        action: manifest.isPresent ? "present" : "put"))
            }
            for tag in order.tags {
                steps.append(
                    CopyPlanSummary.Step(
                        registry: site.registry, digest: order.digest, mediaType: root.mediaType, size: Int64(root.bytes.count),
                        action: "tag", detail: tag.description))
            }
            tallies.append(tally)
        }
        return CopyPlanSummary(targets: tallies, steps: steps)
    }

    private func step(_ blob: CopyPlan.Blob, _ site: Site, _ tally: inout RegistryTally) -> CopyPlanSummary.Step {
        let action: String
        var detail: String?
        switch blob.action {
        case .present:
            action = "present"
            tally.present.add(bytes: blob.descriptor.size)
        case .mount(let candidates):
            action = "mount"
            detail = candidates.first?.description
            tally.mounted.add(bytes: blob.descriptor.size)
        case .copy:
            action = "copy"
            tally.copied.add(bytes: blob.descriptor.size)
        case .leave: action = "leave"
        }
        return CopyPlanSummary.Step(
            registry: site.registry, digest: blob.descriptor.digest, mediaType: blob.descriptor.mediaType, size: blob.descriptor.size, action: action,
            detail: detail)
    }

    func copy(_ order: TransferOrder, progress: @escaping @Sendable (CopyProgress) -> Void) async throws(PromotionFailure) -> CopyReport {
        let began = ContinuousClock.now
        let report: TransferReport
        let (source, targets) = order.from.name == order.to.name ? try await wayBack(order) : (try source(order), try targets(order))
        guard !targets.isEmpty else { return CopyReport(seconds: began.duration(to: .now) / .seconds(1)) }
        do throws(TransferError) {
            for site in targets {
                for tag in order.tags {
                    guard case .names(let found)? = recent.sighting(.tag(tag), at: site) else { continue }
                    try CopyEngine.checkMovable(tag, naming: found, to: order.digest, at: site)
                }
            }
            // With one target, the first tag's write brings the root; with several, no tag moves before every root is in place.
            report = try await engine.copy(
                order.digest, from: source, to: targets, options: options(order), leavingRoot: targets.count == 1 && !order.tags.isEmpty && order.from.name != order.to.name
            ) { moved in
                progress(CopyProgress(blobsDone: moved.blobsDone, blobsTotal: moved.blobsTotal, bytesDone: moved.bytesDone, bytesTotal: moved.bytesTotal))
            }
        } catch { throw PromotionFailure(error) }
        return CopyReport(
            targets: report.targets.map(RegistryTally.init), sourceRequests: report.sourceRequests, sourceBytes: report.sourceBytes,
            seconds: began.duration(to: .now) / .seconds(1), referrers: report.closure?.referrers.count,
            remarks: report.closure.flatMap { $0.remarks.isEmpty ? nil : $0.remarks.prefix(20).map(\.description) })
    }

    /// A rollback in its own environment: what still has the artifact gives it to what no longer has.
    private func wayBack(_ order: TransferOrder) async throws(PromotionFailure) -> (source: Site, targets: [Site]) {
        var (holding, missing): ([Site], [Site]) = ([], [])
        for site in try targets(order) {
            do throws(RegistryError) {
                if try await site.client.headManifest(site.repository, .digest(order.digest)) == nil { missing.append(site) } else { holding.append(site) }
            } catch { throw PromotionFailure(error) }
        }
        guard let source = holding.first else {
            throw PromotionFailure(.contentMissing, "\(order.image)@\(order.digest) is no longer in \(order.to.name)", reference: order.digest.description)
        }
        return (source, missing)
    }

    private func options(_ order: TransferOrder) -> CopyOptions {
        switch order.referrers {
        case .none: CopyOptions()
        case .all: CopyOptions(closure: ClosureOrder(.all, knowledge: referrers))
        case .types(let types): CopyOptions(closure: ClosureOrder(.types(types.compactMap(ArtifactTypePattern.init)), knowledge: referrers))
        }
    }

    func carryEvidence(_ order: TransferOrder) async throws(PromotionFailure) -> [CarriedEvidence] {
        let (source, targets) = (try source(order), try targets(order))
        let report: LateEvidenceReport
        do { report = try await engine.carryLateEvidence(about: order.digest, from: source, to: targets, options: options(order)) } catch {
            throw PromotionFailure(error)
        }
        return zip(targets, report.targets).compactMap { site, evidence in
            let target = TargetRepository(registry: site.registry, repository: site.repository)
            switch evidence.outcome {
            case .upToDate, .imageAbsent: return nil
            case .carried(let digests): return CarriedEvidence(target: target, digests: digests)
            case .failed(let error): return CarriedEvidence(target: target, digests: [], failure: PromotionFailure(error))
            }
        }
    }

    func commit(_ order: TransferOrder, deadline: ContinuousClock.Instant) async throws(PromotionFailure) -> TagCommit {
        let began = ContinuousClock.now
        var moves: [TagMove] = []
        var tallies: [RegistryTally] = []
        for site in try targets(order) {
            let meter = RequestMeter()
            for tag in order.tags {
                let write: TagWrite
                do {
                    write = try await engine.moveTag(
                        tag, to: order.digest, at: site, seen: await recentSighting(of: tag, order.digest, site, meter), deadline: deadline, meter: meter)
                } catch {
                    recent.forget(.tag(tag), at: site)
                    throw PromotionFailure(error)
                }
                recent.note(.tag(tag), .names(order.digest), at: site)
                absent.note(tag, at: site)
                moves.append(
                    TagMove(
                        target: TargetRepository(registry: site.registry, repository: site.repository), tag: tag, previous: write.previous,
                        digest: order.digest, written: write.written))
            }
            var tally = RegistryTally(registry: site.registry, repository: site.repository)
            tally.requests = meter.requests
            tallies.append(tally)
        }
        return TagCommit(moves: moves, report: CopyReport(targets: tallies, seconds: began.duration(to: .now) / .seconds(1)))
    }

    /// The look that decided about the tag counts as the look before its write, while it is fresh; where nothing is to be written, a
    /// little longer.
    private func recentSighting(of tag: Tag, _ digest: Digest, _ site: Site, _ meter: RequestMeter) async -> TagSighting? {
        if let fresh = recent.sighting(.tag(tag), at: site, within: .seconds(1)) { return fresh }
        let seen = recent.sighting(.tag(tag), at: site)
        if seen == .names(digest) { return seen }
        return await absent.contains(tag, at: site, meter: meter) ? .absent : nil
    }

    private func source(_ order: TransferOrder) throws(PromotionFailure) -> Site {
        for definition in order.from.registries {
            let site = try sites.site(order.image, in: definition)
            if recent.holds(order.digest, at: site) { return site }
        }
        guard let first = order.from.registries.first else { throw PromotionFailure(.configuration, "environment \(order.from.name) has no registry") }
        return try sites.site(order.image, in: first)
    }

    private func targets(_ order: TransferOrder) throws(PromotionFailure) -> [Site] {
        var targets: [Site] = []
        for definition in order.to.registries { targets.append(try sites.site(order.image, in: definition)) }
        return targets
    }
}

extension RegistryTally {
    init(_ report: TargetReport) {
        self.init(registry: report.registry, repository: report.repository)
        present = BlobTally(blobs: report.present.blobs, bytes: report.present.bytes)
        mounted = BlobTally(blobs: report.mounted.blobs, bytes: report.mounted.bytes)
        copied = BlobTally(blobs: report.copied.blobs, bytes: report.copied.bytes)
        manifests = report.manifests
        requests = report.requests
    }
}

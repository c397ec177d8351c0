public import OCI
public import Registry

extension CopyEngine {
    /// The plan that `copy` would follow now with these options. Reads; writes nothing to any target.
    ///
    /// What ties the referrers to their subjects at a target (its own lists, or tags) is decided there and then; it is not in the plan.
    public func plan(
        _ digest: Digest, from source: Site, to targets: [Site], options: CopyOptions, meter: RequestMeter? = nil
    ) async throws(TransferError) -> (closure: TrustClosure, plan: CopyPlan) {
        let closure = try await closure(of: digest, at: source, options, meter)
        return (closure, try await plan(closure.whole, from: source, to: targets))
    }

    /// An artifact with what refers to it, as a registry has it now. Reads; writes nothing to any registry.
    public func closure(
        of digest: Digest, at source: Site, options: CopyOptions, meter: RequestMeter? = nil
    ) async throws(TransferError) -> TrustClosure { try await closure(of: digest, at: source, options, meter) }

    func closure(of digest: Digest, at source: Site, _ options: CopyOptions, _ meter: RequestMeter?) async throws(TransferError) -> TrustClosure {
        let image = try await TreeReader(memory: memory, filter: options.platforms).read(digest, from: source, meter: meter)
        guard let order = options.closure else { return TrustClosure(image: image) }
        return try await ClosureReader(order: order, source: source, memory: memory, meter: meter).read(image)
    }

    /// Brings what refers to the image, nearer referrers first, and ties it to its subjects.
    func bringReferrers(
        of closure: TrustClosure, _ order: ClosureOrder, to indices: [Int], _ state: inout TransferState
    ) async throws(TransferError) {
        guard !closure.referrers.isEmpty else { return }
        // Where the image does not leave its repository, neither do its referrers.
        let others = indices.filter { !state.targets[$0].isSamePlace(as: state.source) }
        for level in closure.levels { try await bring(level, to: others, &state) }
        for index in others where state.failures[index] == nil {
            do throws(TransferError) { try await attach(closure, order, at: index, &state) } catch {
                if case .cancelled = error { throw error }
                state.failures[index] = error
            }
        }
    }

    private func attach(_ closure: TrustClosure, _ order: ClosureOrder, at index: Int, _ state: inout TransferState) async throws(TransferError) {
        let site = state.targets[index]
        var report = TargetReport(registry: site.registry, repository: site.repository)
        let meter = RequestMeter()
        var pending = closure
        var lost: Set<Digest> = []
        // Once more with what was believed to be there and was not.
        for _ in 0..<2 {
            let linker = ReferrersLinker(
                site: site, source: state.source, memory: memory, knowledge: order.knowledge, meter: meter, sourceMeter: state.sourceMeter,
                written: state.written[index], indexed: state.indexed[index])
            let outcome = try await link(pending, linker)
            report.attachments += outcome.linked
            lost = outcome.lost
            if lost.isEmpty { break }
            do { try await memory.record(lost.sorted().map(Sighting.manifestGone), server: site.server, repository: site.repository) } catch {
                throw .memory("\(error)")
            }
            let again = closure.referrers.filter { lost.contains($0.manifest.digest) }
            for level in closure.levels(of: again) { try await bring(level, to: [index], &state) }
            if let failure = state.failures[index] { throw failure }
            pending = TrustClosure(image: closure.image, referrers: pending.referrers.filter { outcome.isOpen($0) })
        }
        report.requests = meter.requests
        state.reports[index].add(report)
        guard lost.isEmpty else {
            let root = closure.image.root.digest.description
            throw .referrersNotListed(RegistryPlace(registry: site.registry, repository: site.repository, reference: root), lost.sorted())
        }
    }

    private struct LinkOutcome {
        var linked: [Attachment] = []
        var lost: Set<Digest> = []
        var openSubjects: Set<Digest> = []
        var openTags: Set<Tag> = []

        func isOpen(_ referrer: Referrer) -> Bool {
            switch referrer.link {
            case .subject: openSubjects.contains(referrer.subject)
            case .cosign(let attachment): openTags.contains(attachment.tag)
            }
        }
    }

    private func link(_ closure: TrustClosure, _ linker: ReferrersLinker) async throws(TransferError) -> LinkOutcome {
        var outcome = LinkOutcome()
        let lists = try await bounded(closure.bySubject, width: 4) { group throws(TransferError) in
            (group.subject, try await linker.list(group.referrers, of: group.subject))
        }
        for (subject, result) in lists {
            switch result {
            case .linked(let attachment): outcome.linked.append(attachment)
            case .lost(let digests):
                outcome.lost.formUnion(digests)
                outcome.openSubjects.insert(subject)
            }
        }
        for referrer in closure.referrers {
            guard case .cosign(let attachment) = referrer.link else { continue }
            switch try await linker.tag(referrer, as: attachment) {
            case .linked(let attachment): outcome.linked.append(attachment)
            case .lost(let digests):
                outcome.lost.formUnion(digests)
                outcome.openTags.insert(attachment.tag)
            }
        }
        return outcome
    }
}

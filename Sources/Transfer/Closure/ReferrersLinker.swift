import OCI
import Registry

/// Ties referrers that are at a target to their subjects there: by what the registry offers, else by tags that are ours to write.
///
/// Everything here adds and never takes away, so it may run twice, and beside others who do the same.
struct ReferrersLinker: Sendable {
    let site: Site
    let source: Site
    let memory: any TransferMemory
    let knowledge: ReferrersKnowledge
    let meter: RequestMeter
    let sourceMeter: RequestMeter
    /// Manifests that were put in this transfer.
    let written: Set<Digest>
    /// Those of which the registry said that it lists them (`OCI-Subject`).
    let indexed: Set<Digest>
    static let attempts = 5

    enum Outcome: Sendable {
        case linked(Attachment)
        /// The target does not hold these although we believed it did.
        case lost(Set<Digest>)
    }

    func place(_ reference: String) -> RegistryPlace { RegistryPlace(registry: site.registry, repository: site.repository, reference: reference) }

    /// Sees to it that a subject's referrers are listed.
    func list(_ referrers: [Referrer], of subject: Digest) async throws(TransferError) -> Outcome {
        let digests = referrers.map(\.manifest.digest)
        let linked = Outcome.linked(Attachment(subject: subject, referrers: digests, way: .api))
        // Some registries say OCI-Subject without having the API (sigstore-js #1183): only together with what was learned it counts.
        if knowledge.support(of: site.registryKey) == .api, indexed.isSuperset(of: digests) { return linked }
        var attempt = 0
        while knowledge.support(of: site.registryKey) != .tagSchema, let hidden = try await hidden(digests, of: subject) {
            if hidden.isEmpty { return linked }
            let lost = hidden.subtracting(written)
            guard lost.isEmpty else { return .lost(lost) }
            attempt += 1
            guard attempt < 3 else { throw .referrersNotListed(place(subject.description), hidden.sorted()) }
            try await pause(attempt)
        }
        return try await knowledge.turns.take(key(Tag(referrersOf: subject))) { () async throws(TransferError) in
            try await extendIndex(of: subject, by: referrers)
        }
    }

    /// Which of these the API does not list; `nil` where there is no API.
    private func hidden(_ digests: [Digest], of subject: Digest) async throws(TransferError) -> Set<Digest>? {
        let believed = knowledge.support(of: site.registryKey)
        let answer: ReferrersAnswer
        do { answer = try await site.client.referrers(site.repository, of: subject, limit: 10_000, meter: meter) } catch { throw .registry(error) }
        guard let (list, isComplete) = try knowledge.take(answer, of: site.registryKey, believed: believed, at: place(subject.description)) else {
            return nil
        }
        return isComplete ? Set(digests).subtracting(list.map(\.digest)) : []
    }

    // MARK: The list under a tag

    /// Reads the list, adds what it lacks, writes it, and looks whether it stayed: registries have no compare-and-set.
    private func extendIndex(of subject: Digest, by referrers: [Referrer]) async throws(TransferError) -> Outcome {
        let tag = Tag(referrersOf: subject)
        let ours = referrers.map(\.manifest.referrerDescriptor)
        var previous: Digest?
        var gone: Set<Digest> = []
        var isWritten = false
        for attempt in 1...Self.attempts {
            let current = try await index(of: subject, under: tag)
            let listed = Set(current?.referrers.map(\.digest) ?? [])
            if !isWritten { previous = current?.manifest.digest }
            if let current, listed.isSuperset(of: ours.map(\.digest)) {
                let way = Attachment.Way.tag(tag, previous: previous, digest: current.manifest.digest, written: isWritten)
                return .linked(Attachment(subject: subject, referrers: ours.map(\.digest), way: way))
            }
            let next: ReferrersIndex
            do throws(ReferrersIndexError) {
                next = if let current { try current.adding(ours, without: gone) } else { try ReferrersIndex(listing: ours) }
            } catch {
                throw .referrersTagTaken(place(tag.description), reason: error.description)
            }
            switch try await write(next.manifest, as: tag) {
            case .stands:
                let way = Attachment.Way.tag(tag, previous: previous, digest: next.manifest.digest, written: true)
                return .linked(Attachment(subject: subject, referrers: ours.map(\.digest), way: way))
            case .overwritten:
                isWritten = true
                try await pause(attempt)
            case .misses(let digests):
                let lost = Set(digests).intersection(ours.map(\.digest))
                guard lost.isEmpty else { return .lost(lost) }
                // Others' entries whose manifests were deleted: with them, the registry takes no list at all.
                guard !Set(digests).isDisjoint(with: listed.subtracting(gone)) else { throw .repairExhausted(place(tag.description), digests) }
                gone.formUnion(digests)
            }
        }
        throw .referrersTagContended(place(tag.description))
    }

    private func index(of subject: Digest, under tag: Tag) async throws(TransferError) -> ReferrersIndex? {
        let manifest: Manifest
        do throws(RegistryError) { manifest = try await site.client.manifest(site.repository, .tag(tag), meter: meter) } catch {
            switch error {
            case .notFound: return nil
            case .malformed(_, let reason): throw .referrersTagTaken(place(tag.description), reason: reason)
            default: throw .registry(error)
            }
        }
        do throws(ReferrersIndexError) { return try ReferrersIndex(manifest, of: subject) } catch {
            throw .referrersTagTaken(place(tag.description), reason: error.description)
        }
    }

    // MARK: Writing tags

    enum TagOutcome: Sendable {
        case stands
        case overwritten
        case misses([Digest])
    }

    func write(_ manifest: Manifest, as tag: Tag) async throws(TransferError) -> TagOutcome {
        do throws(RegistryError) {
            if case .missingContent(let digests, _) = try await site.client.putManifest(manifest, to: site.repository, as: .tag(tag), meter: meter) {
                return .misses(digests)
            }
            return try await site.client.headManifest(site.repository, .tag(tag), meter: meter)?.digest == manifest.digest ? .stands : .overwritten
        } catch { throw .registry(error) }
    }

    func key(_ tag: Tag) -> String { "\(site.server)/\(site.repository):\(tag)" }

    /// Jitter, growing with the attempts.
    func pause(_ attempt: Int) async throws(TransferError) {
        do { try await Task.sleep(for: .seconds(Double.random(in: 0.02...(0.1 * Double(1 << attempt))))) } catch { throw .cancelled }
    }
}

import HTTPTransport
import OCI
import Registry

/// Reads from a source registry what speaks about an image, in every way in which registries and signers keep it.
struct ClosureReader {
    let order: ClosureOrder
    let source: Site
    let memory: any TransferMemory
    let meter: RequestMeter?
    private static let width = 4
    /// Manifests that are read at once before it is decided which of them are kept.
    private static let batch = 16

    func read(_ image: ManifestTree) async throws(TransferError) -> TrustClosure {
        var gathering = ClosureGathering(image: image, selection: order.selection, limits: order.limits)
        var subjects = try gathering.firstSubjects
        var tags: AttachmentTags?
        while !subjects.isEmpty {
            var lists = try await askAPI(subjects)
            let others = subjects.filter { lists[$0] == nil }
            if tags == nil, order.readsCosignTags || !others.isEmpty {
                tags = try await AttachmentTags.read(of: source, meter: meter)
            }
            if let tags {
                for (subject, list) in try await readTagSchema(others, tags, &gathering) { lists[subject] = list }
            }
            try await take(subjects.flatMap { subject in (lists[subject] ?? []).map { (subject, $0.digest) } }, &gathering)
            if let tags { try await takeCosign(subjects, tags, &gathering) }
            subjects = try gathering.descend()
        }
        return gathering.closure
    }

    // MARK: The referrers API

    /// What the API lists of each subject; subjects of which it says nothing are missing from the answer.
    private func askAPI(_ subjects: [Digest]) async throws(TransferError) -> [Digest: [Descriptor]] {
        var lists: [Digest: [Descriptor]] = [:]
        var rest = subjects[...]
        // Whoever does not answer for one has nothing to say of the others.
        if order.knowledge.support(of: source.registryKey) == nil, let first = rest.popFirst() {
            lists[first] = try await ask(first, believed: nil)
        }
        guard order.knowledge.support(of: source.registryKey) == .api else { return lists }
        let answers = try await bounded(Array(rest), width: Self.width) { subject throws(TransferError) in
            (subject, try await ask(subject, believed: .api))
        }
        for case (let subject, let list?) in answers { lists[subject] = list }
        return lists
    }

    private func ask(_ subject: Digest, believed: ReferrersSupport?) async throws(TransferError) -> [Descriptor]? {
        let answer: ReferrersAnswer
        do {
            answer = try await source.client.referrers(
                source.repository, of: subject, artifactType: order.selection.onlyType, limit: order.limits.listed + 1, meter: meter)
        } catch { throw .registry(error) }
        let place = RegistryPlace(registry: source.registry, repository: source.repository, reference: subject.description)
        guard let (list, isComplete) = try order.knowledge.take(answer, of: source.registryKey, believed: believed, at: place) else { return nil }
        try checkCount(list.count, isComplete, subject)
        return list
    }

    private func checkCount(_ count: Int, _ isComplete: Bool, _ subject: Digest) throws(TransferError) {
        guard isComplete, count <= order.limits.listed else {
            throw .closure(subject: subject, reason: "more than \(order.limits.listed) referrers are listed for it")
        }
    }

    // MARK: Tags

    private func readTagSchema(
        _ subjects: [Digest], _ tags: AttachmentTags, _ gathering: inout ClosureGathering
    ) async throws(TransferError) -> [(Digest, [Descriptor])] {
        // Where such a tag is known to be something else than a list, it is not read (oras#2148).
        guard source.client.profile.fallbackTag != .lies else { return [] }
        let candidates = subjects.map { ($0, Tag(referrersOf: $0)) }.filter { tags.mayHold($0.1) }
        let answers = try await bounded(candidates, width: Self.width) { candidate throws(TransferError) in
            (candidate.0, candidate.1, try await index(of: candidate.0, under: candidate.1))
        }
        var lists: [(Digest, [Descriptor])] = []
        for (subject, tag, answer) in answers {
            switch answer {
            case .success(let list):
                try checkCount(list.count, true, subject)
                lists.append((subject, list))
            case .failure(let reason): gathering.note(.noReferrersIndex(tag, reason: reason.text))
            }
        }
        return lists
    }

    private struct NoIndex: Error { let text: String }

    private func index(of subject: Digest, under tag: Tag) async throws(TransferError) -> Result<[Descriptor], NoIndex> {
        let manifest: Manifest
        do throws(RegistryError) { manifest = try await source.client.manifest(source.repository, .tag(tag), meter: meter) } catch {
            switch error {
            case .notFound: return .success([])
            case .malformed(_, let reason): return .failure(NoIndex(text: reason))
            default: throw .registry(error)
            }
        }
        do throws(ReferrersIndexError) { return .success(try ReferrersIndex(manifest, of: subject).referrers) } catch {
            return .failure(NoIndex(text: error.description))
        }
    }

    private func takeCosign(_ subjects: [Digest], _ tags: AttachmentTags, _ gathering: inout ClosureGathering) async throws(TransferError) {
        guard order.readsCosignTags || tags.areKnown else { return }
        let candidates = subjects.flatMap(CosignTag.all).filter { tags.mayHold($0.tag) }
        let found = try await bounded(candidates, width: Self.width) { attachment throws(TransferError) in
            (attachment, try await manifest(under: attachment.tag))
        }
        for case (let attachment, let manifest?) in found {
            // Kept under its digest, it is not read a second time.
            do { try await memory.keep([manifest]) } catch { throw .memory("\(error)") }
            let tree = try await tree(manifest.digest)
            try gathering.take(OfferedReferrer(subject: attachment.subject, link: .cosign(attachment), digest: manifest.digest, tree: tree))
        }
    }

    private func manifest(under tag: Tag) async throws(TransferError) -> Manifest? {
        do throws(RegistryError) { return try await source.client.manifest(source.repository, .tag(tag), meter: meter) } catch {
            if case .notFound = error { return nil }
            throw .registry(error)
        }
    }

    // MARK: Manifests

    private func take(_ listed: [(subject: Digest, digest: Digest)], _ gathering: inout ClosureGathering) async throws(TransferError) {
        for start in stride(from: 0, to: listed.count, by: Self.batch) {
            let part = Array(listed[start..<min(start + Self.batch, listed.count)])
            let offers = try await bounded(part, width: Self.width) { entry throws(TransferError) in
                OfferedReferrer(subject: entry.subject, link: .subject, digest: entry.digest, tree: try await tree(entry.digest))
            }
            for offer in offers { try gathering.take(offer) }
        }
    }

    /// A referrer's manifest and those below it; `nil` where the source does not hold all of it.
    private func tree(_ digest: Digest) async throws(TransferError) -> ManifestTree? {
        do throws(TransferError) { return try await TreeReader(memory: memory).read(digest, from: source, meter: meter) } catch {
            switch error {
            case .missingAtSource, .childrenMissing: return nil
            default: throw error
            }
        }
    }
}

extension ReferrersKnowledge {
    /// Learns from an answer about the referrers API.
    ///
    /// - Parameter believed: what was believed when it was asked: others may have learned something since.
    /// - Returns: what it lists; `nil` where it has to be looked for under tags.
    func take(
        _ answer: ReferrersAnswer, of registry: String, believed: ReferrersSupport?, at place: RegistryPlace
    ) throws(TransferError) -> (list: [Descriptor], isComplete: Bool)? {
        switch answer {
        case .listed(let list, let isComplete):
            learn(.api, of: registry)
            return (list, isComplete)
        case .noAPI where believed == .api:
            // A hiccup, or it was taken away: one answer is not enough to overlook signatures from now on.
            forget(registry)
            throw .referrersUnsettled(place)
        case .noAPI:
            learn(.tagSchema, of: registry)
            return nil
        case .unclear: return nil
        }
    }
}

/// Which tags of a repository may hold attachments, read as one list instead of one look for each subject and kind.
struct AttachmentTags: Sendable {
    /// `nil` where the registry gives no list, or too long a one: then each tag is looked at.
    private let names: Set<Tag>?
    private static let maximumPages = 5
    private static let pageSize = 1_000

    var areKnown: Bool { names != nil }
    func mayHold(_ tag: Tag) -> Bool { names?.contains(tag) ?? true }

    static func read(of site: Site, meter: RequestMeter?) async throws(TransferError) -> AttachmentTags {
        var names: Set<Tag> = []
        var cursor: TagCursor?
        for _ in 0..<maximumPages {
            let page: TagPage
            do throws(RegistryError) { page = try await site.client.tags(site.repository, after: cursor, pageSize: pageSize, meter: meter) } catch {
                switch error {
                case .unauthorized, .forbidden, .refused, .malformed, .unreachable(_, .bodyTooLarge): return AttachmentTags(names: nil)
                default: throw .registry(error)
                }
            }
            names.formUnion(page.tags.filter(isAttachment))
            guard let next = page.next else { return AttachmentTags(names: names) }
            cursor = next
        }
        return AttachmentTags(names: nil)
    }

    private static func isAttachment(_ tag: Tag) -> Bool { DigestAlgorithm.allCases.contains { tag.description.hasPrefix("\($0.rawValue)-") } }
}

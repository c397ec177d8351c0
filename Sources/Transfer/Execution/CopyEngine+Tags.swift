public import OCI
public import Registry

/// What a tag was seen to name.
public enum TagSighting: Sendable, Hashable {
    case absent
    case names(Digest)

    public init(_ digest: Digest?) { self = digest.map(TagSighting.names) ?? .absent }

    public var digest: Digest? {
        switch self {
        case .absent: nil
        case .names(let digest): digest
        }
    }
}

/// A tag's move as it was done and read back.
public struct TagWrite: Sendable, Hashable {
    public let tag: Tag
    /// What it named before; `nil` where it did not exist.
    public let previous: Digest?
    /// Whether a write was needed.
    public let written: Bool
}

extension CopyEngine {
    /// Points a tag at an artifact that is in the repository: looks first, writes where it differs, reads back.
    ///
    /// Few registries have compare-and-set: where ours has none, whoever writes between our look and our write is found by the read-back, or is
    /// overwritten; both are in the record (`previous`).
    ///
    /// - Parameters:
    ///   - seen: what the tag was seen to name moments ago; spares the first look.
    ///   - deadline: no write starts or stays open after it.
    ///   - isSparse: the artifact was copied for some of its platforms only: that the registry takes it does not say that the rest is there.
    public func moveTag(
        _ tag: Tag, to digest: Digest, at site: Site, seen: TagSighting?, deadline: ContinuousClock.Instant, meter: RequestMeter,
        isSparse: Bool = false
    ) async throws(TransferError) -> TagWrite {
        let place = RegistryPlace(registry: site.registry, repository: site.repository, reference: tag.description)
        let previous = if let seen { seen.digest } else { try await look(tag, site, meter, deadline) }
        if previous == digest { return TagWrite(tag: tag, previous: previous, written: false) }
        try Self.checkMovable(tag, naming: previous, to: digest, at: site)
        let manifest = try await manifest(digest, at: site)
        guard ContinuousClock.now < deadline else { throw .registry(.timedOut(place)) }
        let put: ManifestPut
        // Where the registry heeds it, nobody's move between our look and our write is overwritten.
        let condition: PutCondition? = site.client.profile.conditionalPut == true ? previous.map(PutCondition.names) ?? .absent : nil
        do {
            put = try await site.client.putManifest(
                manifest, to: site.repository, as: .tag(tag), condition: condition, meter: meter, deadline: deadline)
        } catch {
            guard try await wasWritten(tag, digest, site, meter, deadline, after: error) else {
                guard condition != nil, error.answer?.status == 412 else { throw .registry(error) }
                let now = try await look(tag, site, meter, nil)
                guard now != previous else { throw .registry(error) }
                throw .tagMoved(place, expected: digest, found: now)
            }
            put = .stored()
        }
        if case .missingContent(let missing, _) = put {
            // A collector took what we had brought: forget the artifact, so that the next attempt brings it again.
            try await forget(manifest, missing, site)
            throw .repairExhausted(place, missing)
        }
        let below = manifest.blobs.filter { !$0.mediaType.isForeignLayer }.map(\.digest)
        do { if !isSparse { try await memory.record([.manifest(digest, blobs: below)], server: site.server, repository: site.repository) } } catch {
            throw .memory("\(error)")
        }
        let now = try await look(tag, site, meter, nil)
        guard now == digest else { throw .tagMoved(place, expected: digest, found: now) }
        return TagWrite(tag: tag, previous: previous, written: true)
    }

    /// Refuses to move a tag where the registry's profile says that none moves: known before a byte is sent.
    ///
    /// - Parameter found: what the tag names now.
    /// - Throws: `tagFixed`.
    public static func checkMovable(_ tag: Tag, naming found: Digest?, to digest: Digest, at site: Site) throws(TransferError) {
        guard let found, found != digest, site.client.profile.movableTags == false else { return }
        throw .tagFixed(RegistryPlace(registry: site.registry, repository: site.repository, reference: tag.description), found)
    }

    /// Whether a write that ended in an error was done nevertheless: its answer was lost, and what was heard is the answer to its
    /// repetition, which a registry whose tags can't be changed refuses. The tag named something else before.
    private func wasWritten(
        _ tag: Tag, _ digest: Digest, _ site: Site, _ meter: RequestMeter, _ deadline: ContinuousClock.Instant, after error: RegistryError
    ) async throws(TransferError) -> Bool {
        switch error {
        case .refused, .unreachable, .serverError, .timedOut: break
        default: return false
        }
        do throws(TransferError) { return try await look(tag, site, meter, deadline) == digest } catch {
            if case .cancelled = error { throw error }
            // The look failed as well: what the write said counts.
            return false
        }
    }

    private func look(_ tag: Tag, _ site: Site, _ meter: RequestMeter, _ deadline: ContinuousClock.Instant?) async throws(TransferError) -> Digest? {
        do { return try await site.client.headManifest(site.repository, .tag(tag), meter: meter, deadline: deadline)?.digest } catch {
            throw .registry(error)
        }
    }

    private func manifest(_ digest: Digest, at site: Site) async throws(TransferError) -> Manifest {
        try await TreeReader(memory: memory).one(digest, from: site)
    }

    private func forget(_ manifest: Manifest, _ missing: [Digest], _ site: Site) async throws(TransferError) {
        let gone = missing.isEmpty ? manifest.blobs.map(\.digest) : missing
        let sightings = [Sighting.manifestGone(manifest.digest)] + gone.flatMap { [Sighting.blobGone($0), .manifestGone($0)] }
        do { try await memory.record(sightings, server: site.server, repository: site.repository) } catch { throw .memory("\(error)") }
    }
}

import OCI
import Registry

/// A blob that must be sent to a target, with the upload session that a refused mount left us, if any.
struct BlobNeed: Sendable {
    let descriptor: Descriptor
    var session: UploadSession?
    /// It has to be sent, whatever is believed: the registry said that it is missing, or would not mount it.
    var isCertain = false
    /// It was brought by somebody else, and perhaps no manifest refers to it: some servers then don't mount it.
    var mayBeUncommitted = false
}

/// One target's part of a transfer: what was done there, what was seen there.
actor TargetRun {
    nonisolated let site: Site
    nonisolated let meter = RequestMeter()
    private nonisolated let tree: ManifestTree
    private nonisolated let plan: CopyPlan.TargetPlan
    private nonisolated let sparse: Set<Digest>
    /// Manifests that were put.
    private(set) var written: Set<Digest> = []
    /// Those of which the registry said that it lists them among their subjects' referrers.
    private(set) var indexed: Set<Digest> = []
    /// How each blob got there: the last word counts, since a belief may have to be repaired.
    private var ways: [Digest: (size: Int64, way: Way)] = [:]
    private var sightings: [Sighting] = []
    private var stored: Set<Digest>
    /// Requests that are wished for at once; how many the registry gets is its client's limit.
    private static let width = 64
    /// How often what a registry misses is brought for one manifest.
    private static let repairs = 2

    private enum Way { case present, mounted, copied }

    init(site: Site, tree: ManifestTree, plan: CopyPlan.TargetPlan) {
        self.site = site
        self.tree = tree
        self.plan = plan
        sparse = tree.sparse
        stored = Set(plan.manifests.filter(\.isPresent).map(\.digest))
    }

    /// What was done, with the requests it took.
    var result: TargetReport {
        var report = TargetReport(registry: site.registry, repository: site.repository)
        report.manifests = written.count
        report.requests = meter.requests
        for (size, way) in ways.values {
            switch way {
            case .present: report.present.add(size)
            case .mounted: report.mounted.add(size)
            case .copied: report.copied.add(size)
            }
        }
        return report
    }

    /// Writes down what was seen since the last call: also when the transfer failed, so that the next attempt begins where this one
    /// ended.
    func remember(in memory: any TransferMemory) async throws(TransferError) {
        let seen = sightings
        sightings = []
        guard !seen.isEmpty else { return }
        do { try await memory.record(seen, server: site.server, repository: site.repository) } catch {
            sightings = seen + sightings
            throw .memory("\(error)")
        }
    }

    /// Mounts what can be mounted and answers what must be sent.
    func prepare() async throws(TransferError) -> [BlobNeed] {
        var actions: [Digest: CopyPlan.BlobAction] = [:]
        for blob in plan.blobs { actions[blob.descriptor.digest] = blob.action }
        try await probe(&actions)
        let blobs = plan.blobs.map { CopyPlan.Blob(descriptor: $0.descriptor, action: actions[$0.descriptor.digest] ?? $0.action, origin: $0.origin) }
        let needs = try await bounded(blobs, width: Self.width) { [self] blob throws(TransferError) in
            switch blob.action {
            case .leave: return BlobNeed?.none
            case .present:
                await notePresent(blob.descriptor)
                return nil
            case .mount(let candidates): return try await mount(blob.descriptor, from: candidates, origin: blob.origin)
            case .copy: return BlobNeed(descriptor: blob.descriptor)
            }
        }
        return needs.compactMap(\.self)
    }

    /// Puts the manifests that the plan wants first, before any blob is sent: the registry names what it really misses.
    ///
    /// One request instead of a look at each blob. Where the first of them misses everything the repository is new, and the rest
    /// is not asked about.
    private func probe(_ actions: inout [Digest: CopyPlan.BlobAction]) async throws(TransferError) {
        let first = Set(plan.manifests.filter(\.goesFirst).map(\.digest))
        for manifest in tree.manifests where first.contains(manifest.digest) {
            switch try await put(manifest) {
            case .stored:
                for blob in manifest.blobs where !blob.mediaType.isForeignLayer { actions[blob.digest] = .present }
                noteStored(manifest)
            case .missingContent(let missing, _):
                let named = Set(missing)
                let sendable = manifest.blobs.filter { !$0.mediaType.isForeignLayer }
                guard !named.isDisjoint(with: sendable.map(\.digest)) else { return }
                for blob in sendable where !named.contains(blob.digest) { actions[blob.digest] = .present }
                if sendable.allSatisfy({ named.contains($0.digest) }) { return }
            }
        }
    }

    /// Takes over what somebody else has sent to this server meanwhile; answers what must be sent after all.
    func adopt(_ blob: Descriptor, heldBy holders: [BlobHolder]) async throws(TransferError) -> BlobNeed? {
        if holders.contains(where: { $0.repository == site.repository }) {
            notePresent(blob)
            return nil
        }
        let candidates = CopyPlan.ranked(holders, for: site.planned)
        return try await mount(blob, from: candidates)
    }

    private func mount(_ blob: Descriptor, from candidates: [RepositoryName], origin: String? = nil) async throws(TransferError) -> BlobNeed? {
        var session: UploadSession?
        for candidate in candidates {
            let outcome: MountOutcome
            do { outcome = try await site.client.mountBlob(blob.digest, to: site.repository, from: candidate, origin: origin, meter: meter) } catch { throw .registry(error) }
            switch outcome {
            case .mounted:
                if let session { await site.client.cancelUpload(session, meter: meter) }
                noteMounted(blob)
                return nil
            case .notMounted(let opened):
                if let session { await site.client.cancelUpload(session, meter: meter) }
                session = opened
                if origin == nil { sightings.append(.mountRefused(blob.digest, from: candidate)) }
            case .refused where origin != nil: break
            case .refused:
                sightings.append(.mountRefused(blob.digest, from: candidate))
            }
        }
        return BlobNeed(descriptor: blob, session: session, isCertain: true)
    }

    /// Writes the manifests that are not there yet, children first. What the registry misses is brought by `repair`, boundedly.
    ///
    /// - Parameter leavingRoot: the root is written with its first tag.
    func putManifests(
        leavingRoot: Bool, repair: @escaping @Sendable ([BlobNeed]) async throws(TransferError) -> Void
    ) async throws(TransferError) {
        let pending = tree.manifests.filter { !stored.contains($0.digest) && !(leavingRoot && $0.digest == tree.root.digest) }
        let leaves = pending.filter { $0.children.isEmpty && $0.digest != tree.root.digest }
        _ = try await bounded(leaves, width: Self.width) { [self] manifest throws(TransferError) in try await putRepairing(manifest, repair) }
        for manifest in pending where !manifest.children.isEmpty || manifest.digest == tree.root.digest {
            try await putRepairing(manifest, repair)
        }
    }

    private func putRepairing(
        _ manifest: Manifest, _ repair: @Sendable ([BlobNeed]) async throws(TransferError) -> Void
    ) async throws(TransferError) {
        for repairs in 0... {
            switch try await put(manifest) {
            case .stored:
                noteStored(manifest)
                return
            case .missingContent(let named, _):
                // Belief was wrong: forget it, bring what is missing, and ask again.
                sightings += named.map(Sighting.blobGone)
                guard repairs < Self.repairs else {
                    throw .repairExhausted(RegistryPlace(registry: site.registry, repository: site.repository, reference: manifest.digest.description), named)
                }
                let blobs = manifest.blobs.filter { !$0.mediaType.isForeignLayer && (named.isEmpty || named.contains($0.digest)) }
                try await repair(blobs.map { BlobNeed(descriptor: $0, isCertain: true) })
                for child in manifest.children where named.isEmpty || named.contains(child.digest) {
                    guard let childManifest = tree.manifests.first(where: { $0.digest == child.digest }) else { continue }
                    stored.remove(child.digest)
                    sightings.append(.manifestGone(child.digest))
                    try await putAgain(childManifest, repair)
                }
            }
        }
    }

    /// A child that the registry lost: once, with its own blobs.
    private func putAgain(_ manifest: Manifest, _ repair: @Sendable ([BlobNeed]) async throws(TransferError) -> Void) async throws(TransferError) {
        if case .missingContent(let named, _) = try await put(manifest) {
            sightings += named.map(Sighting.blobGone)
            let blobs = manifest.blobs.filter { !$0.mediaType.isForeignLayer && (named.isEmpty || named.contains($0.digest)) }
            try await repair(blobs.map { BlobNeed(descriptor: $0, isCertain: true) })
            guard case .stored = try await put(manifest) else {
                throw .repairExhausted(RegistryPlace(registry: site.registry, repository: site.repository, reference: manifest.digest.description), named)
            }
        }
        noteStored(manifest)
    }

    private func put(_ manifest: Manifest) async throws(TransferError) -> ManifestPut {
        do {
            let outcome = try await site.client.putManifest(manifest, to: site.repository, as: .digest(manifest.digest), meter: meter)
            if case .stored(let subject?) = outcome, subject == manifest.subject?.digest { indexed.insert(manifest.digest) }
            return outcome
        } catch { throw .registry(error) }
    }

    func noteCopied(_ blob: Descriptor) {
        ways[blob.digest] = (blob.size, .copied)
        sightings.append(.blob(blob.digest))
    }

    private func noteMounted(_ blob: Descriptor) {
        ways[blob.digest] = (blob.size, .mounted)
        sightings.append(.blob(blob.digest))
    }

    private func notePresent(_ blob: Descriptor) { ways[blob.digest] = (blob.size, .present) }

    private func noteStored(_ manifest: Manifest) {
        guard stored.insert(manifest.digest).inserted else { return }
        written.insert(manifest.digest)
        // Where something below it stays behind, that it is there does not say that the rest is.
        guard !sparse.contains(manifest.digest) else { return }
        sightings.append(.manifest(manifest.digest, blobs: manifest.blobs.filter { !$0.mediaType.isForeignLayer }.map(\.digest)))
    }
}

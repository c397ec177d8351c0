public import OCI
public import Registry

/// What will be done to bring an artifact to its targets. A value: made without asking anybody, shown by a dry run, followed by
/// the execution.
public struct CopyPlan: Sendable, Hashable {
    public let targets: [TargetPlan]

    /// How one blob gets into a target repository.
    public enum BlobAction: Sendable, Hashable {
        /// Believed to be there.
        case present
        /// Mounted from one of these repositories, the best first.
        case mount(from: [RepositoryName])
        /// Read from the source and sent.
        case copy
        /// A foreign layer: it stays where it is.
        case leave
    }

    public struct Blob: Sendable, Hashable {
        public let descriptor: Descriptor
        public var action: BlobAction
        /// The registry that the repository to mount from is in, where it is another one.
        public var origin: String?
    }

    public struct ManifestStep: Sendable, Hashable {
        public let digest: Digest
        public let mediaType: MediaType
        public let size: Int
        /// Believed to be there: nothing to do.
        public let isPresent: Bool
        /// Put before any of its blobs is sent: one request, and the registry names what it really misses.
        public let goesFirst: Bool
    }

    public struct TargetPlan: Sendable, Hashable {
        public let blobs: [Blob]
        /// In the order of their writing: children first, the root last.
        public let manifests: [ManifestStep]

        /// Whether nothing has to be done.
        public var isEmpty: Bool { manifests.allSatisfy(\.isPresent) }
    }
}

/// What a plan is made for: a repository on a server.
public struct PlanSite: Sendable, Hashable {
    public let server: String
    public let repository: RepositoryName
    /// From where the server mounts.
    public let mounts: RegistryProfile.Mount
    /// Whether it mounts from other registries, where they are named.
    public let mountsFromElsewhere: Bool
    /// The server's host, as other registries know it.
    public var host: String { String(server[(server.firstRange(of: "://")?.upperBound ?? server.startIndex)...]) }

    public init(server: String, repository: RepositoryName, mounts: RegistryProfile.Mount = .any, mountsFromElsewhere: Bool = false) {
        self.mountsFromElsewhere = mountsFromElsewhere
        self.server = server
        self.repository = repository
        self.mounts = mounts
    }
}

extension CopyPlan {
    /// Most repositories that are tried for a mount.
    static let mountCandidates = 3
    /// What must be about to travel, in bytes, for the question to be worth its request.
    static let worthAsking: Int64 = 1 << 20

    /// Makes the plan: a pure function of the tree, the places and what is believed.
    ///
    /// - Parameter knowledge: one snapshot per target, in the targets' order.
    public init(tree: ManifestTree, source: PlanSite, targets: [PlanSite], knowledge: [KnowledgeSnapshot]) {
        self.targets = zip(targets, knowledge).map { target, known in
            Self.plan(tree, source, target, known)
        }
    }

    private static func plan(_ tree: ManifestTree, _ source: PlanSite, _ target: PlanSite, _ known: KnowledgeSnapshot) -> TargetPlan {
        // A manifest that is there proves what is below it.
        var present = known.manifests
        for manifest in tree.manifests.reversed() where present.contains(manifest.digest) {
            present.formUnion(manifest.children.map(\.digest))
        }
        let proven = Set(tree.manifests.filter { present.contains($0.digest) }.flatMap(\.blobs).map(\.digest))
        let blobs = tree.blobs.map { descriptor in
            let way = proven.contains(descriptor.digest) ? .present : action(for: descriptor, source, target, known.holders[descriptor.digest] ?? [])
            guard way == .copy, target.mountsFromElsewhere, source.server != target.server else { return Blob(descriptor: descriptor, action: way) }
            return Blob(descriptor: descriptor, action: .mount(from: [source.repository]), origin: source.host)
        }
        let travelling = Set(blobs.filter { $0.action == .copy }.map(\.descriptor.digest))
        let manifests = tree.manifests.map { manifest in
            let bytes = manifest.blobs.filter { travelling.contains($0.digest) }.reduce(0) { $0 + $1.size }
            let isPresent = present.contains(manifest.digest)
            return ManifestStep(
                digest: manifest.digest, mediaType: manifest.mediaType, size: manifest.bytes.count, isPresent: isPresent,
                goesFirst: !isPresent && bytes >= worthAsking)
        }
        return TargetPlan(blobs: blobs, manifests: manifests)
    }

    private static func action(
        for blob: Descriptor, _ source: PlanSite, _ target: PlanSite, _ holders: [BlobHolder]
    ) -> BlobAction {
        if blob.mediaType.isForeignLayer { return .leave }
        if holders.contains(where: { $0.repository == target.repository }) { return .present }
        if target.mounts == .never { return .copy }
        var candidates = holders.filter { $0.repository != target.repository }
        // The source's own repository holds it for certain.
        if source.server == target.server {
            candidates.removeAll { $0.repository == source.repository }
            candidates.append(BlobHolder(repository: source.repository, isCommitted: true))
        }
        let best = ranked(candidates, for: target, from: source)
        return best.isEmpty ? .copy : .mount(from: best)
    }

    /// The best repositories to mount from, at most ``mountCandidates``.
    static func ranked(_ holders: [BlobHolder], for target: PlanSite, from source: PlanSite? = nil) -> [RepositoryName] {
        guard target.mounts != .never else { return [] }
        let able = holders.filter { target.mounts == .any || $0.isCommitted }
        let sorted = able.sorted { rank($0, target, source) > rank($1, target, source) }
        return sorted.prefix(mountCandidates).map(\.repository)
    }

    /// The source first, then committed holders, then those nearest by path; names break ties, so that a plan is always the same.
    private static func rank(_ holder: BlobHolder, _ target: PlanSite, _ source: PlanSite?) -> (Int, Int, Int, String) {
        let isSource = source?.server == target.server && holder.repository == source?.repository
        return (isSource ? 1 : 0, holder.isCommitted ? 1 : 0, holder.repository.commonComponents(with: target.repository), holder.repository.description)
    }
}

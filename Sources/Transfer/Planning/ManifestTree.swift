public import OCI
public import Registry

/// An artifact with every manifest below it.
public struct ManifestTree: Sendable, Hashable {
    public let root: Manifest
    /// Children before their parents, the root last; each digest once.
    public let manifests: [Manifest]

    /// - Parameter manifests: children before parents, the root last.
    public init(manifests: [Manifest], root: Manifest) {
        self.root = root
        self.manifests = manifests
    }

    /// All blobs of all manifests, each once.
    public var blobs: [Descriptor] {
        var seen: Set<Digest> = []
        return manifests.flatMap(\.blobs).filter { seen.insert($0.digest).inserted }
    }

    /// Bytes of all blobs and manifests.
    public var totalBytes: Int64 {
        blobs.reduce(0) { $0 + $1.size } + manifests.reduce(0) { $0 + Int64($1.bytes.count) }
    }
}

/// The bytes that a tree's manifests have together.
private struct TreeBytes: Sendable {
    private let root: Digest
    private let counter = ByteCounter()

    init(root: Digest) { self.root = root }

    func add(_ manifest: Manifest) throws(TransferError) {
        counter.add(Int64(manifest.bytes.count))
        guard counter.total <= ManifestLimits.treeBytes else {
            throw .tree(root: root, reason: "its manifests have more than \(ManifestLimits.treeBytes) bytes")
        }
    }
}

/// Reads trees: from memory where a manifest is known, else from the source, checking every digest.
public struct TreeReader: Sendable {
    private let memory: any TransferMemory
    private let filter: PlatformFilter?

    /// - Parameter filter: the platforms that are read; `nil` for all.
    public init(memory: any TransferMemory, filter: PlatformFilter? = nil) {
        self.memory = memory
        self.filter = filter
    }

    /// Reads the tree below `digest`, boundedly: at most `ManifestLimits.manifests`, not deeper than `ManifestLimits.depth`.
    public func read(_ digest: Digest, from source: Site, meter: RequestMeter? = nil) async throws(TransferError) -> ManifestTree {
        var found: [Digest: Manifest] = [:]
        var order: [Digest] = []
        var children: [Digest: Mention] = [:]
        let bytes = TreeBytes(root: digest)
        var level = [digest]
        var depth = 0
        while !level.isEmpty {
            guard depth <= ManifestLimits.depth else { throw .tree(root: digest, reason: "indexes are nested deeper than \(ManifestLimits.depth)") }
            guard order.count + level.count <= ManifestLimits.manifests else {
                throw .tree(root: digest, reason: "more than \(ManifestLimits.manifests) manifests")
            }
            let manifests = try await read(level, bytes, named: children, from: source, meter)
            var next: [Digest] = []
            for manifest in manifests {
                found[manifest.digest] = manifest
                order.append(manifest.digest)
                let kept = filter?.kept(manifest.children) ?? manifest.children
                if kept.isEmpty, !manifest.children.isEmpty { throw .tree(root: digest, reason: "\(manifest.digest) has none of the platforms asked for") }
                for child in kept { children[child.digest] = (child, manifest.digest) }
                next += kept.map(\.digest)
            }
            // A digest can't be its own descendant: whoever repeats here is a second mention.
            var seen = Set(order)
            level = next.filter { seen.insert($0).inserted }
            depth += 1
        }
        guard let root = found[digest] else { throw .tree(root: digest, reason: "the root is missing") }
        return ManifestTree(manifests: Self.childrenFirst(root, found), root: root)
    }

    /// Reads one manifest.
    func one(_ digest: Digest, from source: Site) async throws(TransferError) -> Manifest {
        guard let manifest = try await read([digest], TreeBytes(root: digest), named: [:], from: source, nil).first else { throw .tree(root: digest, reason: "it is missing") }
        return manifest
    }

    /// Depth-first, iteratively: a child shared by two parents comes before both.
    private static func childrenFirst(_ root: Manifest, _ found: [Digest: Manifest]) -> [Manifest] {
        var result: [Manifest] = []
        var done: Set<Digest> = []
        var stack: [(manifest: Manifest, expanded: Bool)] = [(root, false)]
        while let (manifest, expanded) = stack.popLast() {
            if done.contains(manifest.digest) { continue }
            if expanded {
                done.insert(manifest.digest)
                result.append(manifest)
            } else {
                stack.append((manifest, true))
                stack += manifest.children.reversed().compactMap { found[$0.digest] }.map { ($0, false) }
            }
        }
        return result
    }

    /// Where a manifest was named: by which descriptor, in which index.
    private typealias Mention = (child: Descriptor, index: Digest)

    private func read(
        _ digests: [Digest], _ bytes: TreeBytes, named children: [Digest: Mention], from source: Site, _ meter: RequestMeter?
    ) async throws(TransferError) -> [Manifest] {
        var known: [Digest: Manifest]
        do { known = try await memory.manifests(digests) } catch { throw .memory("\(error)") }
        for manifest in known.values { try bytes.add(manifest) }
        let missing = digests.filter { known[$0] == nil }
        let fetched = try await bounded(missing, width: 32) { digest throws(TransferError) in
            let manifest: Manifest
            do throws(RegistryError) { manifest = try await source.client.manifest(source.repository, .digest(digest), meter: meter) } catch {
                guard case .notFound(let place, _) = error else { throw .registry(error) }
                guard children[digest] != nil else { throw .missingAtSource(place, digest) }
                return Manifest?.none
            }
            // Counted as they come: what is too much is not read to its end.
            try bytes.add(manifest)
            return manifest
        }
        for manifest in fetched.compactMap(\.self) { known[manifest.digest] = manifest }
        // All that are missing are named, not only the first.
        let gone = digests.filter { known[$0] == nil }.compactMap { children[$0] }
        if let first = gone.first {
            throw .childrenMissing(
                RegistryPlace(registry: source.registry, repository: source.repository, reference: first.index.description), gone.map(\.child))
        }
        if !fetched.isEmpty {
            do { try await memory.keep(fetched.compactMap(\.self)) } catch { throw .memory("\(error)") }
        }
        return digests.compactMap { known[$0] }
    }
}

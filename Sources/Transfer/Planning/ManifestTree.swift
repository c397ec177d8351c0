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

/// Reads trees: from memory where a manifest is known, else from the source, checking every digest.
public struct TreeReader: Sendable {
    private let memory: any TransferMemory

    public init(memory: any TransferMemory) { self.memory = memory }

    /// Reads the tree below `digest`, boundedly: at most `ManifestLimits.manifests`, not deeper than `ManifestLimits.depth`.
    public func read(_ digest: Digest, from source: Site, meter: RequestMeter? = nil) async throws(TransferError) -> ManifestTree {
        var found: [Digest: Manifest] = [:]
        var order: [Digest] = []
        var level = [digest]
        var depth = 0
        while !level.isEmpty {
            guard depth <= ManifestLimits.depth else { throw .tree(root: digest, reason: "indexes are nested deeper than \(ManifestLimits.depth)") }
            guard order.count + level.count <= ManifestLimits.manifests else {
                throw .tree(root: digest, reason: "more than \(ManifestLimits.manifests) manifests")
            }
            let manifests = try await read(level, from: source, meter)
            var next: [Digest] = []
            for manifest in manifests {
                found[manifest.digest] = manifest
                order.append(manifest.digest)
                next += manifest.children.map(\.digest)
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
        guard let manifest = try await read([digest], from: source, nil).first else { throw .tree(root: digest, reason: "it is missing") }
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

    private func read(_ digests: [Digest], from source: Site, _ meter: RequestMeter?) async throws(TransferError) -> [Manifest] {
        var known: [Digest: Manifest]
        do { known = try await memory.manifests(digests) } catch { throw .memory("\(error)") }
        let missing = digests.filter { known[$0] == nil }
        let fetched = try await bounded(missing, width: 32) { digest throws(TransferError) in
            do throws(RegistryError) { return try await source.client.manifest(source.repository, .digest(digest), meter: meter) } catch {
                if case .notFound(let place, _) = error { throw .missingAtSource(place, digest) }
                throw .registry(error)
            }
        }
        if !fetched.isEmpty {
            do { try await memory.keep(fetched) } catch { throw .memory("\(error)") }
        }
        for manifest in fetched { known[manifest.digest] = manifest }
        return digests.compactMap { known[$0] }
    }
}

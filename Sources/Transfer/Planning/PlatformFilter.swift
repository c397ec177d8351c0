public import OCI

/// Which platforms of an index are copied. The index itself stays as it is, to the byte, so its copy names children that are not there:
/// a sparse index, which many registries refuse.
public struct PlatformFilter: Sendable, Hashable {
    public let platforms: [Platform]

    public init(_ platforms: [Platform]) { self.platforms = platforms }

    /// BuildKit's note on an attestation inside an index: the manifest that it is about.
    private static let attestedDigest = "vnd.docker.reference.digest"

    /// The children that are copied: those of the platforms, their attestations, and those that say nothing of a platform.
    func kept(_ children: [Descriptor]) -> [Descriptor] {
        let wanted = Set(children.filter(isWanted).map(\.digest.description))
        return children.filter { child in
            guard child.platform?.isUnknown == true else { return wanted.contains(child.digest.description) }
            guard let attested = child.annotations[Self.attestedDigest] else { return true }
            return wanted.contains(attested)
        }
    }

    private func isWanted(_ child: Descriptor) -> Bool {
        guard let platform = child.platform else { return true }
        return !platform.isUnknown && platforms.contains { platform.satisfies($0) }
    }
}

extension ManifestTree {
    /// The children that manifests of this tree name and that are not in it: none, unless a filter left them out.
    var leftOut: [Descriptor] {
        let held = Set(manifests.map(\.digest))
        var seen: Set<Digest> = []
        return manifests.flatMap(\.children).filter { !held.contains($0.digest) && seen.insert($0.digest).inserted }
    }

    /// The manifests below which something was left out: of them, being there proves nothing.
    var sparse: Set<Digest> {
        let held = Set(manifests.map(\.digest))
        var sparse: Set<Digest> = []
        // Children come before their parents.
        for manifest in manifests where manifest.children.contains(where: { !held.contains($0.digest) || sparse.contains($0.digest) }) {
            sparse.insert(manifest.digest)
        }
        return sparse
    }
}

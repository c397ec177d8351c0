public import OCI

/// How a referrer is tied to what it speaks about.
public enum ReferrerLink: Sendable, Hashable {
    /// By its own `subject` field.
    case subject
    /// By one of cosign's tags.
    case cosign(CosignTag)
}

/// A signature, SBOM, attestation or any other artifact that speaks about a manifest.
public struct Referrer: Sendable, Hashable {
    public let subject: Digest
    /// The artifact, with the manifests below it where it is an index.
    public let tree: ManifestTree
    public let link: ReferrerLink
    /// 1 where it speaks about a manifest of the image, 2 where it speaks about such a referrer, and so on.
    public let depth: Int

    public var manifest: Manifest { tree.root }

    public init(subject: Digest, tree: ManifestTree, link: ReferrerLink, depth: Int) {
        self.subject = subject
        self.tree = tree
        self.link = link
        self.depth = depth
    }
}

/// Something odd that was found at the source while it was asked for referrers. It hinders nothing.
public enum ClosureRemark: Sendable, Hashable, CustomStringConvertible {
    /// The referrers tag names something that is no list of referrers.
    case noReferrersIndex(Tag, reason: String)
    /// It is listed as a referrer, but its `subject` is another manifest, or none.
    case notAReferrer(Digest, of: Digest)
    /// It is listed as a referrer, but the repository does not hold it.
    case missing(Digest, of: Digest)

    public var description: String {
        switch self {
        case .noReferrersIndex(let tag, let reason): "the tag \(tag) is no list of referrers: \(reason)"
        case .notAReferrer(let digest, let subject): "\(digest) is listed as a referrer of \(subject), but speaks about something else"
        case .missing(let digest, let subject): "\(digest) is listed as a referrer of \(subject), but is not there"
        }
    }
}

/// An image with everything that speaks about it or about one of its platforms, and what speaks about that: it moves as one unit.
public struct TrustClosure: Sendable, Hashable {
    public let image: ManifestTree
    /// Nearer ones first. The same artifact stands here once for each subject and link.
    public let referrers: [Referrer]
    public let remarks: [ClosureRemark]

    public init(image: ManifestTree, referrers: [Referrer] = [], remarks: [ClosureRemark] = []) {
        self.image = image
        self.referrers = referrers
        self.remarks = remarks
    }

    /// What is to be brought behind the image, subjects before their referrers: some registries refuse a manifest about one that they
    /// do not hold. What the image or an earlier level holds is left out.
    public var levels: [ManifestTree] { levels(of: referrers) }

    func levels(of referrers: [Referrer]) -> [ManifestTree] {
        var seen = Set(image.manifests.map(\.digest))
        var manifests: [Int: [Manifest]] = [:]
        for referrer in referrers {
            manifests[referrer.depth, default: []] += referrer.tree.manifests.filter { seen.insert($0.digest).inserted }
        }
        return manifests.sorted { $0.key < $1.key }.compactMap { level in
            level.value.last.map { ManifestTree(manifests: level.value, root: $0) }
        }
    }

    /// Everything, in the order of its writing: for a plan of the whole.
    public var whole: ManifestTree {
        ManifestTree(manifests: image.manifests + levels.flatMap(\.manifests), root: image.root)
    }

    /// The referrers of each subject by their own `subject` field, in the order of `referrers`.
    var bySubject: [(subject: Digest, referrers: [Referrer])] {
        var order: [Digest] = []
        var groups: [Digest: [Referrer]] = [:]
        for referrer in referrers where referrer.link == .subject {
            if groups[referrer.subject] == nil { order.append(referrer.subject) }
            groups[referrer.subject, default: []].append(referrer)
        }
        return order.map { ($0, groups[$0] ?? []) }
    }
}

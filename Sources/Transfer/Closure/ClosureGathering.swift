import OCI

/// An artifact that the source offers as a referrer of a subject.
struct OfferedReferrer: Sendable {
    let subject: Digest
    let link: ReferrerLink
    let digest: Digest
    /// `nil` where the source lists it and does not hold it.
    let tree: ManifestTree?
}

/// Builds a closure from what a source offers, level by level: what is believed, what is selected, where it ends. Asks nobody.
struct ClosureGathering {
    private let image: ManifestTree
    private let selection: ReferrerSelection
    private let limits: ClosureLimits
    private var referrers: [Referrer] = []
    private var remarks: [ClosureRemark] = []
    /// Manifests whose referrers were asked for or will be: a circle of tags ends here. (`subject` fields make no circles: they are hashes.)
    private var asked: Set<Digest>
    private var taken: Set<Digest> = []
    private var bytes = 0
    private var depth = 1
    private var next: [Digest] = []
    private var ties: Set<Tie> = []
    private var counts: [Digest: Int] = [:]

    init(image: ManifestTree, selection: ReferrerSelection, limits: ClosureLimits) {
        self.image = image
        self.selection = selection
        self.limits = limits
        asked = Set(image.manifests.map(\.digest))
    }

    var closure: TrustClosure { TrustClosure(image: image, referrers: referrers, remarks: remarks) }

    /// The manifests to begin with: the root, then all below it.
    var firstSubjects: [Digest] {
        get throws(TransferError) { limits.depth > 0 && selection != .none ? try bounded(image.manifests.reversed().map(\.digest)) : [] }
    }

    mutating func note(_ remark: ClosureRemark) { if !remarks.contains(remark) { remarks.append(remark) } }

    /// Takes one thing that the source offers for a subject of the present level.
    mutating func take(_ offer: OfferedReferrer) throws(TransferError) {
        guard ties.insert(Tie(subject: offer.subject, digest: offer.digest, link: offer.link)).inserted else { return }
        guard let tree = offer.tree else { return note(.missing(offer.digest, of: offer.subject)) }
        guard offer.link != .subject || tree.root.subject?.digest == offer.subject else {
            return note(.notAReferrer(offer.digest, of: offer.subject))
        }
        guard selection.takes(tree.root, by: offer.link) else { return }
        counts[offer.subject, default: 0] += 1
        guard counts[offer.subject, default: 0] <= limits.perSubject else {
            throw .closure(subject: offer.subject, reason: "more than \(limits.perSubject) referrers would travel with it")
        }
        try count(tree)
        referrers.append(Referrer(subject: offer.subject, tree: tree, link: offer.link, depth: depth))
        next += tree.manifests.reversed().map(\.digest).filter { asked.insert($0).inserted }
    }

    /// Ends the present level.
    ///
    /// - Returns: the subjects of the next one; none where it would be too far from the image.
    mutating func descend() throws(TransferError) -> [Digest] {
        defer {
            depth += 1
            next = []
        }
        return depth < limits.depth ? try bounded(next) : []
    }

    private func bounded(_ subjects: [Digest]) throws(TransferError) -> [Digest] {
        guard subjects.count <= limits.subjects else {
            throw .closure(subject: image.root.digest, reason: "referrers would have to be asked for of more than \(limits.subjects) manifests")
        }
        return subjects
    }

    private mutating func count(_ tree: ManifestTree) throws(TransferError) {
        for manifest in tree.manifests where taken.insert(manifest.digest).inserted { bytes += manifest.bytes.count }
        guard taken.count <= limits.manifests else {
            throw .closure(subject: image.root.digest, reason: "its referrers have more than \(limits.manifests) manifests")
        }
        guard bytes <= limits.manifestBytes else {
            throw .closure(subject: image.root.digest, reason: "its referrers' manifests have more than \(limits.manifestBytes) bytes")
        }
    }

    private struct Tie: Hashable {
        let subject: Digest
        let digest: Digest
        let link: ReferrerLink
    }
}

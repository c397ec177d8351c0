public import OCI

/// What ties referrers to their subject at a target, as it stands there after a transfer.
public struct Attachment: Sendable, Hashable {
    public enum Way: Sendable, Hashable {
        /// The registry lists them itself.
        case api
        /// A tag: a list of referrers, or one of cosign's.
        ///
        /// - `previous`: what it named before; `nil` where it did not exist.
        /// - `digest`: what it names now: not what it names at the source where the target's own entries had to be kept.
        case tag(Tag, previous: Digest?, digest: Digest, written: Bool)
    }

    public let subject: Digest
    public let referrers: [Digest]
    public let way: Way

    /// Whether something was written for it.
    public var isWritten: Bool {
        if case .tag(_, _, _, let written) = way { written } else { false }
    }
}

/// What a transfer carried beside the image itself.
public struct ClosureReport: Sendable, Hashable {
    /// One artifact that speaks about a manifest of the image, or about another such artifact.
    public struct Entry: Sendable, Hashable {
        public let digest: Digest
        public let artifactType: String?
        public let subject: Digest
        public let link: ReferrerLink
        public let depth: Int
    }

    public let referrers: [Entry]
    /// What was odd at the source.
    public let remarks: [ClosureRemark]

    init(_ closure: TrustClosure) {
        referrers = closure.referrers.map {
            Entry(digest: $0.manifest.digest, artifactType: $0.manifest.artifactType, subject: $0.subject, link: $0.link, depth: $0.depth)
        }
        remarks = closure.remarks
    }
}

extension TargetReport {
    /// Adds what a later part of the same transfer did there.
    mutating func add(_ other: TargetReport) {
        present.add(other.present)
        mounted.add(other.mounted)
        copied.add(other.copied)
        manifests += other.manifests
        attachments += other.attachments
        requests.merge(other.requests, uniquingKeysWith: +)
    }
}

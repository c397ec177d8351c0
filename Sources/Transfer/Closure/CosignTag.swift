public import OCI

/// A tag under which cosign keeps what it attaches to a digest, in every registry: `sha256-<hex>.sig` (cosign, SIGNATURE_SPEC.md).
///
/// Such an attachment has no `subject` field: its tag alone says what it is about.
public struct CosignTag: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        case signatures = "sig"
        case attestations = "att"
        case sbom

        /// Whether several parties add their layers to one manifest.
        var isShared: Bool { self != .sbom }
    }

    public let subject: Digest
    public let kind: Kind
    public let tag: Tag

    /// `nil` where the digest is too long for a tag.
    public init?(_ kind: Kind, of subject: Digest) {
        do { tag = try Tag(parsing: "\(subject.algorithm.rawValue)-\(subject.hex).\(kind.rawValue)") } catch { return nil }
        self.subject = subject
        self.kind = kind
    }

    static func all(of subject: Digest) -> [CosignTag] { Kind.allCases.compactMap { CosignTag($0, of: subject) } }
}

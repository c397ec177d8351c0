public import Foundation
public import OCI
import PolicyEngine

/// What a tag names in the target environment.
public struct TagThere: Sendable, Hashable {
    public let tag: Tag
    public let digest: Digest
    /// Since when, as far as was seen.
    public let since: Date

    public init(tag: Tag, digest: Digest, since: Date) {
        self.tag = tag
        self.digest = digest
        self.since = since
    }
}

/// What a version is to be compared with.
public struct Baseline: Sendable, Hashable {
    public let digest: Digest
    public let tag: Tag?
    /// Why this one, in a sentence.
    public let reason: String

    public init(digest: Digest, tag: Tag?, reason: String) {
        self.digest = digest
        self.tag = tag
        self.reason = reason
    }

    /// The version that this one is likely to take the place of.
    ///
    /// - Parameters:
    ///   - moving: the tags that the promotion writes, with what they name there now, in the order of the tags.
    ///   - others: the image's tags there. Of versions the one next below, else the one next above; of other tags the youngest.
    public static func choose(for digest: Digest, under tags: [Tag], moving: [(tag: Tag, digest: Digest)], others: [TagThere]) -> Baseline? {
        if let first = moving.first(where: { $0.digest != digest }) ?? moving.first {
            return Baseline(
                digest: first.digest, tag: first.tag,
                reason: first.digest == digest ? "the tag \(first.tag) names this version already" : "the tag \(first.tag), which would move, names it")
        }
        // What refers to images is no image.
        let there = others.filter { $0.digest != digest && !$0.tag.description.hasPrefix("sha256-") }
        if let version = tags.lazy.compactMap({ SemanticVersion(parsing: $0.description) }).first {
            let versions = there.compactMap { item in SemanticVersion(parsing: item.tag.description).map { (version: $0, item: item) } }
            if let below = versions.filter({ $0.version < version }).max(by: { $0.version < $1.version }) {
                return Baseline(digest: below.item.digest, tag: below.item.tag, reason: "the newest version there below \(tags.first.map { "\($0)" } ?? "it") is \(below.item.tag)")
            }
            if let above = versions.min(by: { $0.version < $1.version }) {
                return Baseline(digest: above.item.digest, tag: above.item.tag, reason: "the oldest version there is \(above.item.tag)")
            }
        }
        guard let youngest = there.max(by: { ($0.since, $0.tag.description) < ($1.since, $1.tag.description) }) else { return nil }
        return Baseline(digest: youngest.digest, tag: youngest.tag, reason: "the tag that moved last there is \(youngest.tag)")
    }
}

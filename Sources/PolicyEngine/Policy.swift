public import OCI

/// Which tags may be promoted and what they are called at the target.
public struct TagRules: Sendable, Hashable {
    /// What happens to a target tag that already names something else.
    public enum Existing: String, Sendable, Hashable, CaseIterable {
        /// It moves, unless the environment says that it is immutable.
        case move
        /// Only the same digest may be there.
        case sameDigest = "same-digest"
    }

    public var semver: SemanticVersionRange?
    public var allowPrerelease = true
    public var patterns: [TextPattern] = []
    public var exclude: [TextPattern] = []
    public var target: [TagTemplate] = [.sourceTag]
    public var existing = Existing.move

    /// Why a tag may not be promoted; `nil` where it may.
    func refusal(of tag: String) -> String? {
        if let pattern = exclude.first(where: { $0.matches(tag) }) { return "tag \(tag) is excluded by '\(pattern)'" }
        if !patterns.isEmpty, !patterns.contains(where: { $0.matches(tag) }) {
            return "tag \(tag) matches none of: \(patterns.map(\.description).joined(separator: ", "))"
        }
        guard semver != nil || !allowPrerelease else { return nil }
        guard let version = SemanticVersion(parsing: tag) else { return "tag \(tag) is no semantic version such as 1.4.2" }
        if !allowPrerelease, version.isPrerelease {
            return "tag \(tag) is a prerelease; a release such as \(version.major).\(version.minor).\(version.patch) would do"
        }
        if let range = semver, !range.contains(version) { return "version \(tag) is not in the range '\(range)'" }
        return nil
    }
}

/// A target tag: `{tag}`, `{semver.major}`, `{semver.minor}`, `{semver.patch}` are filled in.
public struct TagTemplate: Sendable, Hashable, CustomStringConvertible {
    public static let sourceTag = TagTemplate(description: "{tag}")
    public let description: String

    private init(description: String) { self.description = description }

    /// `nil` where an unknown `{…}` stands in it, or the rest makes no tag.
    public init?(parsing text: String) {
        self.init(description: text)
        guard let sample = filled(tag: "1.2.3", version: SemanticVersion(1, 2, 3)), !sample.contains("{") else { return nil }
        do { _ = try Tag(parsing: sample) } catch { return nil }
    }

    /// The tag for a source tag; `nil` where a version is needed and the source tag is none, or the result is no tag.
    func tag(for source: Tag) -> Tag? {
        guard let text = filled(tag: source.description, version: SemanticVersion(parsing: source.description)) else { return nil }
        do { return try Tag(parsing: text) } catch { return nil }
    }

    private func filled(tag: String, version: SemanticVersion?) -> String? {
        var text = description.replacing("{tag}", with: tag)
        guard text.contains("{semver.") else { return text }
        guard let version else { return nil }
        text = text.replacing("{semver.major}", with: "\(version.major)")
        text = text.replacing("{semver.minor}", with: "\(version.minor)")
        return text.replacing("{semver.patch}", with: "\(version.patch)")
    }
}

/// Rules for some images on one step.
public struct Policy: Sendable, Hashable {
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        case enforce
        /// Records what would be denied and lets it pass.
        case warn
    }

    public let name: String
    public let source: SourceLocation
    public let mode: Mode
    public let images: [ImagePattern]
    public let excludedImages: [ImagePattern]
    public let from: EnvironmentName
    public let to: EnvironmentName
    public let tags: TagRules
    public let requiredPlatforms: [Platform]
    /// A label's name and what its value must match.
    public let requiredLabels: [RequiredLabel]

    /// The tags to write: those asked for, or the source tag through the templates.
    func targetTags(_ facts: PromotionFacts) -> [Tag] {
        if !facts.requestedTargetTags.isEmpty { return facts.requestedTargetTags }
        guard let source = facts.tag else { return [] }
        return tags.target.compactMap { $0.tag(for: source) }
    }

    public func applies(to image: ImageName) -> Bool {
        images.contains { $0.matches(image) } && !excludedImages.contains { $0.matches(image) }
    }
}

/// A label that every platform's image must carry.
public struct RequiredLabel: Sendable, Hashable {
    public let name: String
    public let pattern: TextPattern
    public let source: SourceLocation
}

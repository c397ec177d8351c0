import OCI

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

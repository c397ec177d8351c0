import OCI
import Yams

/// Which tags may be promoted.
struct TagGate: Gate {
    static let kind = "tag"
    let rules: TagRules

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "tag", allowed: ["semver", "prerelease", "patterns", "exclude"]) else { return nil }
        rules = reader.tagRules(members)
        if members.isEmpty { reader.report(node, "the gate asks for nothing", "add semver, prerelease, patterns or exclude") }
    }

    var text: String { rules.text }

    func judge(_ context: GateContext) -> Verdict { rules.judge(context) }
}

extension TagRules {
    /// Whether the source tag may be promoted, or where it goes by digest, one of the tags asked for.
    func judge(_ context: GateContext) -> Verdict {
        if let tag = context.facts.tag {
            return refusal(of: tag.description, version: context.sourceVersion).map { .deny($0) } ?? .allow("\(tag) is allowed")
        }
        let requested = context.facts.requestedTargetTags
        guard let first = requested.first else { return .deny("the promotion is by digest and names no target tag; name at least one") }
        if let allowed = requested.first(where: { refusal(of: $0) == nil }) { return .allow("\(allowed) is allowed") }
        return .deny(refusal(of: first) ?? "\(first) is not allowed")
    }

    /// Why a tag may not be promoted; `nil` where it may.
    func refusal(of tag: OCI.Tag) -> String? { refusal(of: tag.description, version: SemanticVersion(parsing: tag.description)) }

    private func refusal(of tag: String, version: SemanticVersion?) -> String? {
        if let pattern = exclude.first(where: { $0.matches(tag) }) { return "tag \(tag) is excluded by '\(pattern)'" }
        if !patterns.isEmpty, !patterns.contains(where: { $0.matches(tag) }) {
            return "tag \(tag) matches none of: \(patterns.map(\.description).joined(separator: ", "))"
        }
        guard semver != nil || !allowPrerelease else { return nil }
        guard let version else { return "tag \(tag) is no semantic version such as 1.4.2" }
        if !allowPrerelease, version.isPrerelease {
            return "tag \(tag) is a prerelease; a release such as \(version.major).\(version.minor).\(version.patch) would do"
        }
        if let range = semver, !range.contains(version) { return "version \(tag) is not in the range '\(range)'" }
        return nil
    }

    /// What is asked of a tag, in words.
    var text: String {
        var parts: [String] = []
        if let semver { parts.append("version in \(semver)") }
        if !allowPrerelease { parts.append("no prerelease") }
        if !patterns.isEmpty { parts.append("one of \(patterns.map(\.description).joined(separator: ", "))") }
        if !exclude.isEmpty { parts.append("none of \(exclude.map(\.description).joined(separator: ", "))") }
        return parts.isEmpty ? "any tag" : parts.joined(separator: ", ")
    }
}

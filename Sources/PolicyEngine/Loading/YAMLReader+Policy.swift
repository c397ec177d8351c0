import OCI
import Yams

extension YAMLReader {
    /// Reads a document of kind Policy, with the nodes that name its environments (checked when all files are read).
    mutating func policy(_ document: Node) -> (Policy, from: Node, to: Node)? {
        let keys = ["version", "kind", "name", "description", "mode", "match", "tags", "platforms", "labels"]
        guard let members = members(document, of: "a policy", allowed: keys) else { return nil }
        guard let nameNode = members["name"], let name = string(nameNode, "name") else {
            if members["name"] == nil { report(document, "the policy has no name", "add 'name: to-production'") }
            return nil
        }
        guard let match = members["match"] else {
            report(document, "the policy does not say what it is about", "add 'match:' with images, from and to")
            return nil
        }
        if let description = members["description"] { _ = string(description, "description") }
        guard let (included, excluded, from, to, fromNode, toNode) = matchRule(match) else { return nil }
        let policy = Policy(
            name: name, source: SourceLocation(file: file, line: nameNode.mark?.line ?? 1),
            mode: members["mode"].flatMap { choice($0, "mode", Policy.Mode.self) } ?? .enforce, images: included, excludedImages: excluded,
            from: from, to: to, tags: tagRules(members["tags"]), requiredPlatforms: platforms(members["platforms"]),
            requiredLabels: labels(members["labels"]))
        return (policy, fromNode, toNode)
    }

    private typealias Match = ([ImagePattern], [ImagePattern], EnvironmentName, EnvironmentName, Node, Node)

    private mutating func matchRule(_ node: Node) -> Match? {
        guard let members = members(node, of: "match", allowed: ["images", "from", "to"]) else { return nil }
        for key in ["images", "from", "to"] where members[key] == nil {
            report(node, "match has no '\(key)'", key == "images" ? "add 'images: [\"shop/**\"]'" : "add '\(key): ENVIRONMENT'")
        }
        guard let imagesNode = members["images"], let fromNode = members["from"], let toNode = members["to"] else { return nil }
        var included: [ImagePattern] = []
        var excluded: [ImagePattern] = []
        let items = list(imagesNode, "images")
        for item in items {
            guard let text = string(item, "images") else { continue }
            do {
                if text.hasPrefix("!") {
                    excluded.append(try ImagePattern(parsing: String(text.dropFirst())))
                } else {
                    included.append(try ImagePattern(parsing: text))
                }
            } catch { report(item, "'\(text)' is no image pattern: \(error.description)", "use a glob such as shop/** or regex:…") }
        }
        if included.isEmpty, !items.isEmpty, excluded.count == items.count {
            report(imagesNode, "no images are matched", "name at least one pattern that does not begin with '!'")
        }
        guard let from = environmentName(fromNode, "from"), let to = environmentName(toNode, "to") else { return nil }
        if from == to {
            report(toNode, "a promotion from '\(from)' to itself moves nothing", "name two different environments")
            return nil
        }
        return (included, excluded, from, to, fromNode, toNode)
    }

    private mutating func environmentName(_ node: Node, _ what: String) -> EnvironmentName? {
        guard let text = string(node, what) else { return nil }
        guard let name = EnvironmentName(parsing: text) else {
            report(node, "'\(text)' is no environment name", "use lowercase letters, digits and '-', beginning with a letter")
            return nil
        }
        return name
    }

    private mutating func tagRules(_ node: Node?) -> TagRules {
        var rules = TagRules()
        guard let node, let members = members(node, of: "tags", allowed: ["semver", "prerelease", "patterns", "exclude", "target", "existing"]) else { return rules }
        if let item = members["semver"], let text = string(item, "semver") {
            rules.semver = SemanticVersionRange(parsing: text)
            if rules.semver == nil { report(item, "'\(text)' is no range of versions", "write for example '>=1.0.0 <2.0.0', '^1.2' or '1.x'") }
        }
        if let allowed = members["prerelease"].flatMap({ bool($0, "prerelease") }) { rules.allowPrerelease = allowed }
        rules.patterns = patterns(members["patterns"], "patterns")
        rules.exclude = patterns(members["exclude"], "exclude")
        if let existing = members["existing"].flatMap({ choice($0, "existing", TagRules.Existing.self) }) { rules.existing = existing }
        if let targets = members["target"] {
            rules.target = []
            for item in list(targets, "target") {
                guard let text = string(item, "target") else { continue }
                guard let template = TagTemplate(parsing: text) else {
                    report(item, "'\(text)' makes no tag", "use letters, digits, '.', '_', '-' and {tag}, {semver.major}, {semver.minor}, {semver.patch}")
                    continue
                }
                rules.target.append(template)
            }
        }
        return rules
    }

    private mutating func patterns(_ node: Node?, _ what: String) -> [TextPattern] {
        guard let node else { return [] }
        var patterns: [TextPattern] = []
        for item in list(node, what) {
            if let pattern = pattern(item, what) { patterns.append(pattern) }
        }
        return patterns
    }

    private mutating func platforms(_ node: Node?) -> [Platform] {
        guard let node, let members = members(node, of: "platforms", allowed: ["require"]) else { return [] }
        guard let required = members["require"] else {
            report(node, "platforms requires none", "add 'require: [linux/amd64]', or leave the key out")
            return []
        }
        var platforms: [Platform] = []
        for item in list(required, "require") {
            guard let text = string(item, "require") else { continue }
            guard let platform = Platform(parsing: text) else {
                report(item, "'\(text)' is no platform", "write os/architecture, for example linux/amd64 or linux/arm/v7")
                continue
            }
            platforms.append(platform)
        }
        return platforms
    }

    private mutating func labels(_ node: Node?) -> [RequiredLabel] {
        guard let node, let members = members(node, of: "labels", allowed: ["require"]) else { return [] }
        guard let required = members["require"] else {
            report(node, "labels requires none", "add 'require:' with names and patterns, or leave the key out")
            return []
        }
        guard case .mapping(let mapping) = required, !mapping.isEmpty, mapping.count <= Self.maximumItems else {
            report(required, "labels are required by name", "write 'org.opencontainers.image.source: \"https://git.example.com/**\"'")
            return []
        }
        var labels: [RequiredLabel] = []
        for (key, value) in mapping {
            guard let name = string(key, "a label's name"), let pattern = pattern(value, name) else { continue }
            labels.append(RequiredLabel(name: name, pattern: pattern, source: SourceLocation(file: file, line: key.mark?.line ?? 1)))
        }
        return labels
    }
}

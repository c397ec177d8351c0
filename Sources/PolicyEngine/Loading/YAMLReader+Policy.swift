import OCI
import Yams

extension YAMLReader {
    private static let policyKeys = [
        "version", "kind", "name", "description", "mode", "match", "tags", "platforms", "labels", "gates", "defaults", "override", "rollback", "referrers",
    ]

    /// Reads a document of kind Policy.
    mutating func policy(_ document: Node) -> Policy? {
        guard let members = members(document, of: "a policy", allowed: Self.policyKeys) else { return nil }
        guard let nameNode = members["name"], let name = string(nameNode, "name") else {
            if members["name"] == nil { report(document, "the policy has no name", "add 'name: to-production'") }
            return nil
        }
        guard let matchNode = members["match"] else {
            report(document, "the policy does not say what it is about", "add 'match:' with images, from and to")
            return nil
        }
        if let description = members["description"] { _ = string(description, "description") }
        guard let match = match(matchNode) else { return nil }
        let source = SourceLocation(file: file, line: nameNode.mark?.line ?? 1)
        let gates = shorthands(members) + gateRules(members["gates"], "gates")
        let defaults = gateRules(members["defaults"], "defaults")
        return Policy(
            name: name, source: source, mode: members["mode"].flatMap { choice($0, "mode", Policy.Mode.self) } ?? .enforce, images: match.included,
            excludedImages: match.excluded, from: match.from, to: match.to, tags: policyTags(members["tags"]), gates: gates, defaults: defaults,
            overrides: overrides(members["override"], gates + defaults), rollback: rollback(members["rollback"], gates + defaults), referrers: referrers(members["referrers"]),
            place: source.description)
    }

    /// `platforms:` and `labels:` beside the gates are gates too.
    private mutating func shorthands(_ members: [String: Node]) -> [GateRule] {
        var rules: [GateRule] = []
        if let node = members["platforms"], let gate = PlatformGate(node, &self) { rules.append(Self.rule(gate, SourceLocation(file: file, line: node.mark?.line ?? 1))) }
        if let node = members["labels"], let gate = LabelGate(node, &self) { rules += gate.labels.map { Self.rule(LabelGate($0), $0.source) } }
        return rules
    }

    private mutating func referrers(_ node: Node?) -> ReferrerChoice? {
        guard let node else { return nil }
        switch node.scalar?.string {
        case "all": return .all
        case "none": return ReferrerChoice.none
        case .some(let text):
            report(node, "'\(text.prefix(80))' does not say what goes with the image", "write 'all', 'none' or a list of artifact types")
            return nil
        case nil: break
        }
        var types: [String] = []
        for item in list(node, "referrers") {
            guard let text = string(item, "referrers") else { continue }
            guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
                report(item, "'\(text.prefix(80))' is no artifact type", "write a media type such as application/spdx+json; * stands for any text")
                continue
            }
            types.append(text)
        }
        return .types(types)
    }

    private struct Match {
        var included: [ImagePattern] = []
        var excluded: [ImagePattern] = []
        var from: EnvironmentName?
        var to: EnvironmentName?
    }

    private mutating func match(_ node: Node) -> Match? {
        guard let members = members(node, of: "match", allowed: ["images", "from", "to"]),
            let imagesNode = required(members["images"], "images", in: node, "add 'images: [\"shop/**\"]'")
        else { return nil }
        var match = Match()
        let items = list(imagesNode, "images")
        for item in items {
            guard let text = string(item, "images") else { continue }
            do {
                if text.hasPrefix("!") {
                    match.excluded.append(try ImagePattern(parsing: String(text.dropFirst())))
                } else {
                    match.included.append(try ImagePattern(parsing: text))
                }
            } catch { report(item, "'\(text)' is no image pattern: \(error.description)", "use a glob such as shop/** or regex:…") }
        }
        if match.included.isEmpty, !items.isEmpty, match.excluded.count == items.count {
            report(imagesNode, "no images are matched", "name at least one pattern that does not begin with '!'")
        }
        match.from = members["from"].flatMap { knownEnvironment($0, "from") }
        match.to = members["to"].flatMap { knownEnvironment($0, "to") }
        if let from = match.from, from == match.to, let toNode = members["to"] {
            report(toNode, "a promotion from '\(from)' to itself moves nothing", "name two different environments")
        }
        return match
    }

    private mutating func policyTags(_ node: Node?) -> TagRules? {
        let keys = ["semver", "prerelease", "patterns", "exclude", "target", "existing"]
        guard let node, let members = members(node, of: "tags", allowed: keys) else { return nil }
        var rules = tagRules(members)
        if let existing = members["existing"].flatMap({ choice($0, "existing", TagRules.Existing.self) }) { rules.existing = existing }
        guard let targets = members["target"] else { return rules }
        var templates: [TagTemplate] = []
        for item in list(targets, "target") {
            guard let text = string(item, "target") else { continue }
            guard let template = TagTemplate(parsing: text) else {
                report(item, "'\(text)' makes no tag", "use letters, digits, '.', '_', '-' and {tag}, {semver.major}, {semver.minor}, {semver.patch}")
                continue
            }
            templates.append(template)
        }
        rules.target = templates
        return rules
    }

    /// What is asked of a tag: the keys that `tags:` and the gate `tag` share.
    mutating func tagRules(_ members: [String: Node]) -> TagRules {
        var rules = TagRules()
        if let item = members["semver"], let text = string(item, "semver") {
            rules.semver = SemanticVersionRange(parsing: text)
            if rules.semver == nil { report(item, "'\(text)' is no range of versions", "write for example '>=1.0.0 <2.0.0', '^1.2' or '1.x'") }
        }
        if let allowed = members["prerelease"].flatMap({ bool($0, "prerelease") }) { rules.allowPrerelease = allowed }
        rules.patterns = patterns(members["patterns"], "patterns")
        rules.exclude = patterns(members["exclude"], "exclude")
        return rules
    }

    private mutating func rollback(_ node: Node?, _ rules: [GateRule]) -> RollbackRule? {
        guard let node, let members = members(node, of: "rollback", allowed: ["relax"]) else { return nil }
        guard let gatesNode = required(members["relax"], "relax", in: node, "name the gates that do not count for a rollback: 'relax: [soak]'") else { return nil }
        return RollbackRule(relax: gateNames(gatesNode, "relax", known: rules.map(\.name) + ["target-tag"]), source: SourceLocation(file: file, line: node.mark?.line ?? 1))
    }

    private mutating func overrides(_ node: Node?, _ rules: [GateRule]) -> OverrideRule? {
        guard let node, let members = members(node, of: "override", allowed: ["by", "gates", "count"]) else { return nil }
        guard let byNode = required(members["by"], "by", in: node, "name the groups that may: 'by: [incident-commanders]'"),
            let gatesNode = required(members["gates"], "gates", in: node, "name the gates that it opens: 'gates: [freeze, soak]'")
        else { return nil }
        let gates = gateNames(gatesNode, "gates", known: rules.map(\.name))
        return OverrideRule(
            by: people(byNode, "by"), gates: gates, count: members["count"].flatMap { integer($0, "count", in: 1...5) } ?? 1,
            source: SourceLocation(file: file, line: node.mark?.line ?? 1))
    }

    /// Names of gates that the policy has.
    private mutating func gateNames(_ node: Node, _ what: String, known: [String]) -> [String] {
        var gates: [String] = []
        for item in list(node, what) {
            guard let name = string(item, what) else { continue }
            guard known.contains(name) else {
                let nearest = Spelling.nearest(to: name, in: known)
                report(
                    item, "the policy has no gate '\(name)'", nearest.map { "did you mean '\($0)'?" } ?? "its gates: \(known.joined(separator: ", "))"
                )
                continue
            }
            gates.append(name)
        }
        return gates
    }
}

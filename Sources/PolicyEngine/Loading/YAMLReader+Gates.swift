import OCI
import Yams

extension YAMLReader {
    /// Most gates in one list.
    static let maximumGates = 200

    private static let kinds: [any Gate.Type] = [
        TagGate.self, LabelGate.self, AnnotationGate.self, PlatformGate.self, UserGate.self, BaseImageGate.self, MediaTypeGate.self,
        ArtifactTypeGate.self,
        SizeGate.self, AgeGate.self, SoakGate.self, PathGate.self, QuotaGate.self, RequesterGate.self, ApprovalGate.self, EvidenceGate.self,
        SBOMGate.self,
        SignatureGate.self, ProvenanceGate.self, VulnerabilityGate.self, FreezeGate.self, CheckGate.self,
    ]

    private static let compositions = ["allOf", "anyOf", "not"]

    /// The keys of a gate, as files spell them.
    static let gateKeys = ["name"] + kinds.map { $0.kind } + compositions

    /// Reads a list of gates. Labels and annotations stand for a rule each.
    mutating func gateRules(_ node: Node?, _ what: String) -> [GateRule] {
        guard let node else { return [] }
        let items = list(node, what)
        guard items.count <= Self.maximumGates else {
            report(node, "\(what) has \(items.count) gates", "a policy has at most \(Self.maximumGates)")
            return []
        }
        var rules: [GateRule] = []
        for item in items {
            guard let (name, condition) = gate(item) else { continue }
            let source = SourceLocation(file: file, line: item.mark?.line ?? 1)
            switch condition {
            case .gate(let gate as LabelGate) where name == nil: rules += gate.labels.map { Self.rule(LabelGate($0), $0.source) }
            case .gate(let gate as AnnotationGate) where name == nil: rules += gate.annotations.map { Self.rule(AnnotationGate($0), $0.source) }
            default: rules.append(GateRule(name: name ?? Self.name(of: condition), source: source, condition: condition))
            }
        }
        return rules
    }

    static func rule(_ gate: any Gate, _ source: SourceLocation) -> GateRule { GateRule(name: gate.name, source: source, condition: .gate(gate)) }

    private static func name(of condition: GateCondition) -> String {
        switch condition {
        case .gate(let gate): gate.name
        case .all: "allOf"
        case .any: "anyOf"
        case .not: "not"
        }
    }

    private mutating func gate(_ node: Node) -> (name: String?, GateCondition)? {
        guard case .mapping = node, var members = members(node, of: "a gate", allowed: Self.gateKeys) else {
            if node.mapping == nil { report(node, "a gate must be a mapping", "write for example '- soak: { for: 24h }'") }
            return nil
        }
        let nameNode = members.removeValue(forKey: "name")
        let name = nameNode.flatMap { string($0, "name") }
        guard let (key, value) = members.first, members.count == 1 else {
            report(node, members.isEmpty ? "the gate does not say what it asks for" : "a gate has one kind", "write each gate as '- KIND: { … }'")
            return nil
        }
        return condition(key, value).map { (name, $0) }
    }

    private mutating func condition(_ key: String, _ node: Node) -> GateCondition? {
        switch key {
        case "allOf": return conditions(node, key).map { .all($0) }
        case "anyOf": return conditions(node, key).map { .any($0) }
        case "not": return gate(node).map { .not($0.1) }
        default: return Self.kinds.first { $0.kind == key }?.init(node, &self).map { .gate($0) }
        }
    }

    private mutating func conditions(_ node: Node, _ what: String) -> [GateCondition]? {
        guard case .sequence = node else {
            report(node, "\(what) must be a list", "write its gates as '- KIND: { … }' lines")
            return nil
        }
        let items = list(node, what)
        let conditions = items.compactMap { gate($0)?.1 }
        return conditions.count == items.count && !conditions.isEmpty ? conditions : nil
    }
}

extension YAMLReader {
    /// The value of a key that must be there.
    mutating func required(_ node: Node?, _ what: String, in mapping: Node, _ remedy: String) -> Node? {
        if node == nil { report(mapping, "there is no '\(what)'", remedy) }
        return node
    }

    mutating func duration(_ node: Node?, _ what: String, in mapping: Node) -> PolicyDuration? {
        guard let node = required(node, what, in: mapping, "add '\(what): 24h'"), let text = string(node, what) else { return nil }
        guard let duration = PolicyDuration(parsing: text) else {
            report(node, "'\(text)' is no length of time", "write a whole number and s, m, h, d or w, for example 90m, 24h or 7d, at most ten years")
            return nil
        }
        return duration
    }

    mutating func size(_ node: Node?, _ what: String, in mapping: Node) -> ByteSize? {
        guard let node = required(node, what, in: mapping, "add '\(what): 500MiB'"), let text = string(node, what) else { return nil }
        guard let size = ByteSize(parsing: text) else {
            report(node, "'\(text)' is no size", "write a whole number and B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, for example 500MiB")
            return nil
        }
        return size
    }

    mutating func digests(_ node: Node?, _ what: String) -> [Digest] {
        guard let node else { return [] }
        var digests: [Digest] = []
        for item in list(node, what) {
            guard let text = string(item, what) else { continue }
            do throws(DigestError) { digests.append(try Digest(parsing: text)) } catch {
                report(item, "\(error)", "write sha256: and 64 hexadecimal digits")
            }
        }
        return digests
    }

    mutating func patterns(_ node: Node?, _ what: String) -> [TextPattern] {
        guard let node else { return [] }
        var patterns: [TextPattern] = []
        for item in list(node, what) {
            if let pattern = pattern(item, what) { patterns.append(pattern) }
        }
        return patterns
    }

    mutating func allowedPatterns(_ node: Node, of what: String) -> [TextPattern]? {
        guard let members = members(node, of: what, allowed: ["allow"]),
            let list = required(members["allow"], "allow", in: node, "add 'allow:' with patterns")
        else { return nil }
        return patterns(list, "allow")
    }

    mutating func platforms(_ node: Node?, in mapping: Node) -> [Platform] {
        guard let node else {
            report(mapping, "platforms requires none", "add 'require: [linux/amd64]', or leave the key out")
            return []
        }
        var platforms: [Platform] = []
        for item in list(node, "require") {
            guard let text = string(item, "require") else { continue }
            guard let platform = Platform(parsing: text) else {
                report(item, "'\(text)' is no platform", "write os/architecture, for example linux/amd64 or linux/arm/v7")
                continue
            }
            platforms.append(platform)
        }
        return platforms
    }

    mutating func requiredTexts(_ node: Node?, of what: String, in mapping: Node) -> [RequiredText] {
        guard let node else {
            report(mapping, "\(what) requires none", "add 'require:' with names and patterns, or leave the key out")
            return []
        }
        guard case .mapping(let members) = node, !members.isEmpty, members.count <= Self.maximumItems else {
            report(node, "\(what) are required by name", "write 'org.opencontainers.image.source: \"https://git.example.com/**\"'")
            return []
        }
        var texts: [RequiredText] = []
        for (key, value) in members {
            guard let name = string(key, "a name"), let pattern = pattern(value, name) else { continue }
            texts.append(RequiredText(name: name, pattern: pattern, source: SourceLocation(file: file, line: key.mark?.line ?? 1)))
        }
        return texts
    }

    /// The result that evidence has where no other is asked for.
    var passed: TextPattern? { try? TextPattern(parsing: "passed") }

    mutating func acceptedFindings(_ node: Node?) -> [AcceptedFinding] {
        guard let node else { return [] }
        var findings: [AcceptedFinding] = []
        for item in list(node, "accept") {
            guard let members = members(item, of: "an exception", allowed: ["id", "images", "until", "reason"]) else { continue }
            let id = required(members["id"], "id", in: item, "add 'id: CVE-2026-1234'").flatMap { string($0, "id") }
            let until = required(members["until"], "until", in: item, "an exception ends: add 'until: 2027-01-31'").flatMap { day($0, "until") }
            let reason = required(members["reason"], "reason", in: item, "say why it is accepted").flatMap { string($0, "reason") }
            let images = members["images"].map { imagePatterns($0) } ?? []
            guard let id, let until, let reason else { continue }
            findings.append(AcceptedFinding(id: id, images: images, until: until, reason: reason))
        }
        return findings
    }

    private mutating func imagePatterns(_ node: Node) -> [ImagePattern] {
        var patterns: [ImagePattern] = []
        for item in list(node, "images") {
            guard let text = string(item, "images") else { continue }
            do { patterns.append(try ImagePattern(parsing: text)) } catch {
                report(item, "'\(text)' is no image pattern: \(error.description)", "use a glob such as shop/** or regex:…")
            }
        }
        return patterns
    }

    mutating func day(_ node: Node, _ what: String) -> CivilDate? {
        guard let text = string(node, what) else { return nil }
        guard let day = CivilDate(parsing: text) else {
            report(node, "'\(text)' is no date", "write it as 2027-01-31")
            return nil
        }
        return day
    }
}

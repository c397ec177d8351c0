import PolicyEngine
import Yams

/// Gathers what files say. What it can't say with our words it keeps as a remark; a rule never becomes wider than it was.
struct ImportSession {
    private(set) var rules: [ImportedRule] = []
    private(set) var requests: [ImportedRequest] = []
    private var remarks: [ImportedFolder.Remark] = []
    let file: String

    init(file: String) { self.file = file }

    /// The text's root.
    static func root(_ file: String, _ text: String) throws(ImportError) -> Node {
        guard text.utf8.count <= 16 << 20 else { throw ImportError(description: "\(file) has more than 16 MiB") }
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch { throw ImportError(description: "\(file) can't be read: \(error)".split(separator: "\n").first.map(String.init) ?? file) }
        guard let node else { throw ImportError(description: "\(file) is empty") }
        return node
    }

    mutating func remark(_ node: Node?, _ text: String) {
        remarks.append(ImportedFolder.Remark(file: file, line: node?.mark?.line ?? 1, text: text))
    }

    mutating func add(_ rule: ImportedRule) { rules.append(rule) }
    mutating func add(_ request: ImportedRequest) { requests.append(request) }

    /// The members of a mapping; a remark where there is none, and one for each that has no meaning to us.
    ///
    /// - Parameter unsaid: members that are understood and can't be said, and what to do about each.
    mutating func members(_ node: Node, of what: String, known: Set<String>, unsaid: [String: String] = [:]) -> [String: Node]? {
        guard case .mapping(let mapping) = node else {
            remark(node, "\(what) should hold 'name: value' lines; it is left out")
            return nil
        }
        var members: [String: Node] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? "?"
            if known.contains(name) {
                members[name] = value
            } else if let advice = unsaid[name] {
                if !Self.isNothing(value) { remark(key, "\(name): \(advice)") }
            } else {
                remark(key, "\(name): nothing is known of this; it is left out")
            }
        }
        return members
    }

    /// A value that says the same as none: `false`, `0`, an empty text or list.
    private static func isNothing(_ node: Node) -> Bool {
        switch node {
        case .scalar(let scalar): ["", "false", "0", "null", "~", "-1"].contains(scalar.string)
        case .sequence(let items): items.isEmpty
        case .mapping(let members): members.isEmpty
        case .alias: false
        }
    }

    func text(_ node: Node?) -> String? { node?.scalar?.string }
    func items(_ node: Node?) -> [Node] { node?.sequence.map(Array.init) ?? [] }

    /// Patterns over tags or names, in our words; nil where one of them has none, so that the rule would say something else without it.
    mutating func expressions(_ nodes: [Node], anchored: Bool) -> [String]? {
        var patterns: [String] = []
        for node in nodes {
            guard let text = text(node) else {
                remark(node, "a pattern must be a text; the rule is left out")
                return nil
            }
            guard let pattern = Self.expression(text, anchored: anchored) else {
                remark(node, "'\(text)': this expression can't be said here (no look-around, no flags); the rule is left out, write one by hand")
                return nil
            }
            patterns.append(pattern)
        }
        return patterns
    }

    /// A Go expression as one of ours, which always match the whole text.
    static func expression(_ text: String, anchored: Bool) -> String? {
        var body = text
        let (starts, ends) = (body.hasPrefix("^"), body.hasSuffix("$") && !body.hasSuffix("\\$"))
        if starts { body.removeFirst() }
        if ends { body.removeLast() }
        // '^a|b$' is '(^a)|(b$)': the ends belong to one branch each.
        if (starts || ends) && body.contains("|") && !anchored { return nil }
        if !anchored {
            if !starts { body = ".*(\(body))" } else if !ends { body = "(\(body))" }
            if !ends { body += ".*" }
        }
        // Plain words read better as such.
        if body.wholeMatch(of: /[A-Za-z0-9_][A-Za-z0-9_-]*/) != nil { return body }
        let pattern = "regex:" + body
        do { _ = try TextPattern(parsing: pattern) } catch { return nil }
        return pattern
    }

    /// A range of versions, if ours means the same.
    mutating func range(_ nodes: [Node]) -> String?? {
        let texts = nodes.compactMap { text($0) }
        guard !texts.isEmpty, let first = nodes.first else { return .some(nil) }
        let joined = texts.map { $0.replacing(", ", with: " ").replacing(",", with: " ") }.joined(separator: " || ")
        guard SemanticVersionRange(parsing: joined) != nil else {
            remark(first, "'\(joined)': this range can't be said here; the rule is left out, write one by hand")
            return nil
        }
        return .some(joined)
    }

    func finished() -> (rules: [ImportedRule], requests: [ImportedRequest], remarks: [ImportedFolder.Remark]) { (rules, requests, remarks) }
}

/// A repository's name with its host, as people write it: `registry.example.com/prod/shop/api`, `busybox`.
struct ImportedReference: Hashable {
    var host: String
    var path: [String]
    var tag: String?
    var digest: String?

    init?(_ text: String) {
        var rest = text[...]
        if let at = rest.firstIndex(of: "@") {
            digest = String(rest[rest.index(after: at)...])
            rest = rest[..<at]
        }
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        var parts = rest.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.allSatisfy({ !$0.isEmpty }), let first = parts.first else { return nil }
        if parts.count > 1, first.contains(".") || first.contains(":") || first == "localhost" {
            host = first
            parts.removeFirst()
        } else {
            host = "docker.io"
            if parts.count == 1 { parts.insert("library", at: 0) }
        }
        path = parts
    }

    /// A host alone, or with a path: `registry.example.com/mirror`.
    init(host: String, path: [String]) { (self.host, self.path) = (host, path) }

    /// The name that both have in common at their ends, and the two places: the image is what is the same on both sides.
    static func split(_ source: ImportedReference, _ target: ImportedReference) -> (image: String, from: ImportedPlace, to: ImportedPlace)? {
        var common = 0
        for (a, b) in zip(source.path.reversed(), target.path.reversed()) {
            guard a == b else { break }
            common += 1
        }
        guard common > 0 else { return nil }
        func place(_ reference: ImportedReference) -> ImportedPlace {
            ImportedPlace(host: reference.host, prefix: reference.path.dropLast(common).joined(separator: "/"))
        }
        return (source.path.suffix(common).joined(separator: "/"), place(source), place(target))
    }
}

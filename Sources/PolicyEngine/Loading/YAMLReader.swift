import Yams

/// Reads YAML strictly: every value knows where it stands, every mistake is collected, nothing is guessed.
struct YAMLReader {
    /// Largest file, in bytes.
    static let maximumBytes = 1 << 20
    static let maximumDepth = 20

    let file: String
    private(set) var diagnostics: [PolicyDiagnostic] = []

    init(file: String) { self.file = file }

    /// The file's one document; `nil` with a diagnostic where it can't be read.
    mutating func document(_ text: String) -> Node? {
        guard text.utf8.count <= Self.maximumBytes else {
            report(line: 1, column: 1, "the file has \(text.utf8.count) bytes", "a policy file has at most \(Self.maximumBytes) bytes")
            return nil
        }
        do {
            let documents = Array(try Yams.compose_all(yaml: text).prefix(2))
            guard let first = documents.first else {
                report(line: 1, column: 1, "the file is empty", "start it with 'version: 1' and 'kind: Environments' or 'kind: Policy'")
                return nil
            }
            if documents.count > 1 {
                report(line: documents[1].mark?.line ?? 1, column: 1, "a second document begins here", "put one document into each file")
            }
            refuseAliases(in: text)
            return check(first, depth: 0) ? first : nil
        } catch let error as YamlError {
            report(error)
            return nil
        } catch {
            report(line: 1, column: 1, "the file is not YAML", "check its indentation and quotes")
            return nil
        }
    }

    mutating func report(_ node: Node, _ problem: String, _ remedy: String) {
        report(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, problem, remedy)
    }

    mutating func report(line: Int, column: Int, _ problem: String, _ remedy: String) {
        diagnostics.append(PolicyDiagnostic(file: file, line: line, column: column, problem: problem, remedy: remedy))
    }

    private mutating func report(_ error: YamlError) {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            report(line: mark.line, column: mark.column, "not valid YAML: \(problem)", "check indentation, colons and quotes near this place")
        case .duplicatedKeysInMapping(let duplicates, let context):
            report(
                line: context.mark.line, column: context.mark.column,
                "a key stands here twice: \(duplicates.map { "\($0)" }.joined(separator: ", "))", "keep one of them")
        default:
            report(line: 1, column: 1, "not valid YAML", "check indentation, colons and quotes")
        }
    }

    /// An alias can make a small file huge, and says nothing that can't be written out.
    private mutating func refuseAliases(in text: String) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let bare = line.drop { $0 == " " }
            guard !bare.hasPrefix("#") else { continue }
            for marker in [": &", ": *", "- &", "- *", "<<:"] {
                guard let range = line.firstRange(of: marker), Self.isAnchor(marker, after: line[range.upperBound...]) else { continue }
                let column = line.distance(from: line.startIndex, to: range.lowerBound) + 1
                report(line: index + 1, column: column, "anchors, aliases and merge keys are not allowed", "write the value out; quote a text that begins with * or &")
                return
            }
        }
    }

    private static func isAnchor(_ marker: String, after rest: Substring) -> Bool {
        marker == "<<:" || rest.first.map { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "*" || $0 == "/" } ?? true
    }

    private mutating func check(_ node: Node, depth: Int) -> Bool {
        guard depth < Self.maximumDepth else {
            report(node, "the file is nested deeper than \(Self.maximumDepth)", "no setting needs that")
            return false
        }
        switch node {
        case .mapping(let mapping): return mapping.allSatisfy { check($0.value, depth: depth + 1) }
        case .sequence(let sequence): return sequence.allSatisfy { check($0, depth: depth + 1) }
        default: return true
        }
    }
}

extension YAMLReader {
    /// The members of a mapping, with unknown keys reported.
    mutating func members(_ node: Node, of what: String, allowed: [String]) -> [String: Node]? {
        guard case .mapping(let mapping) = node else {
            report(node, "\(what) must be a mapping", "write 'key: value' lines: \(allowed.joined(separator: ", "))")
            return nil
        }
        var members: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, allowed.contains(name) else {
                let found = key.scalar?.string ?? "?"
                let nearest = Spelling.nearest(to: found, in: allowed)
                report(key, "\(what) has no key '\(found)'", nearest.map { "did you mean '\($0)'?" } ?? "allowed: \(allowed.joined(separator: ", "))")
                continue
            }
            members[name] = value
        }
        return members
    }

    mutating func string(_ node: Node, _ what: String) -> String? {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty, scalar.string.utf8.count <= 1000 else {
            report(node, "\(what) must be a text", "write one value, in quotes if it has special characters")
            return nil
        }
        return scalar.string
    }

    mutating func bool(_ node: Node, _ what: String) -> Bool? {
        switch node.scalar?.string {
        case "true": return true
        case "false": return false
        default:
            report(node, "\(what) must be true or false", "write true or false without quotes")
            return nil
        }
    }

    mutating func integer(_ node: Node, _ what: String, in range: ClosedRange<Int>) -> Int? {
        guard let text = node.scalar?.string, let value = Int(text), range.contains(value) else {
            report(node, "\(what) must be a whole number", "from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return value
    }

    /// A list, or a single value standing for a list of one.
    mutating func list(_ node: Node, _ what: String) -> [Node] {
        switch node {
        case .sequence(let sequence): return Array(sequence)
        case .scalar: return [node]
        default:
            report(node, "\(what) must be a list", "write '- value' lines or [a, b]")
            return []
        }
    }

    mutating func pattern(_ node: Node, _ what: String) -> TextPattern? {
        guard let text = string(node, what) else { return nil }
        do { return try TextPattern(parsing: text) } catch {
            report(node, "'\(text)' is no pattern: \(error.description)", "use a glob such as shop/* or regex:…")
            return nil
        }
    }

    mutating func choice<Value: RawRepresentable & CaseIterable>(_ node: Node, _ what: String, _: Value.Type) -> Value? where Value.RawValue == String {
        let names = Value.allCases.map(\.rawValue)
        guard let text = node.scalar?.string, let value = Value(rawValue: text) else {
            report(node, "\(what) can't be '\(node.scalar?.string ?? "?")'", "use one of: \(names.joined(separator: ", "))")
            return nil
        }
        return value
    }
}

/// Finds what somebody probably meant.
enum Spelling {
    static func nearest(to text: String, in candidates: [String]) -> String? {
        let scored = candidates.map { ($0, distance(text.lowercased(), $0.lowercased())) }
        guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(2, text.count / 3) else { return nil }
        return best.0
    }

    private static func distance(_ lhs: String, _ rhs: String) -> Int {
        let right = Array(rhs.prefix(64))
        var row = Array(0...right.count)
        for (i, left) in lhs.prefix(64).enumerated() {
            var previous = row[0]
            row[0] = i + 1
            for (j, character) in right.enumerated() {
                let substitution = previous + (left == character ? 0 : 1)
                previous = row[j + 1]
                row[j + 1] = min(substitution, row[j] + 1, row[j + 1] + 1)
            }
        }
        return row[right.count]
    }
}

import Yams

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
                if isFull { break }
                let found = key.scalar.map { String($0.string.prefix(80)) } ?? "?"
                let nearest = Spelling.nearest(to: found, in: allowed)
                report(key, "\(what) has no key '\(found)'", nearest.map { "did you mean '\($0)'?" } ?? "allowed: \(allowed.joined(separator: ", "))")
                continue
            }
            members[name] = value
        }
        return members
    }

    mutating func string(_ node: Node, _ what: String) -> String? {
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            report(node, "\(what) must be a text", "write one value, in quotes if it has special characters")
            return nil
        }
        guard scalar.string.utf8.count <= 1000 else {
            report(node, "\(what) has \(scalar.string.utf8.count) bytes", "a text has at most 1000")
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

    /// A list, or a single value standing for a list of one. A list that says nothing is a mistake: its writer meant something by it.
    mutating func list(_ node: Node, _ what: String) -> [Node] {
        switch node {
        case .sequence(let sequence) where sequence.count > Self.maximumItems:
            report(node, "\(what) has \(sequence.count) values", "a list has at most \(Self.maximumItems)")
            return []
        case .sequence(let sequence) where sequence.isEmpty:
            report(node, "\(what) is an empty list", "name at least one value, or leave the key out")
            return []
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

    mutating func choice<Value: RawRepresentable & CaseIterable>(_ node: Node, _ what: String, _: Value.Type) -> Value?
    where Value.RawValue == String {
        let names = Value.allCases.map(\.rawValue)
        guard let text = node.scalar?.string, let value = Value(rawValue: text) else {
            let found = node.scalar.map { String($0.string.prefix(80)) } ?? "?"
            let nearest = Spelling.nearest(to: found, in: names)
            report(node, "\(what) can't be '\(found)'", nearest.map { "did you mean '\($0)'?" } ?? "use one of: \(names.joined(separator: ", "))")
            return nil
        }
        return value
    }
}

/// Finds what somebody probably meant.
enum Spelling {
    static func nearest(to text: String, in candidates: [String]) -> String? {
        let scored = candidates.map { ($0, distance(text.lowercased(), $0.lowercased())) }
        guard let best = scored.min(by: { $0.1 < $1.1 }), best.1 <= max(2, min(text.count, best.0.count) / 3), best.1 < text.count else { return nil }
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

import Foundation
import OCI
import Yams

extension YAMLReader {
    /// The time of a decision where a file names none.
    private static let noon = Date(timeIntervalSince1970: 1_767_268_800)  // 2026-01-01T12:00:00Z

    /// Reads a document of kind Cases.
    mutating func cases(_ document: Node) -> [PolicyCase] {
        guard let members = members(document, of: "the file", allowed: ["version", "kind", "description", "at", "given", "cases"]) else { return [] }
        if let description = members["description"] { _ = string(description, "description") }
        guard let list = required(members["cases"], "cases", in: document, "add 'cases:' with what is given and expected") else { return [] }
        let at = members["at"].flatMap { time($0, "at", now: Self.noon) } ?? Self.noon
        let common = members["given"].flatMap { self.members($0, of: "given", allowed: Self.factKeys) } ?? [:]
        return self.list(list, "cases").compactMap { policyCase($0, at, common) }
    }

    private mutating func policyCase(_ node: Node, _ commonTime: Date, _ common: [String: Node]) -> PolicyCase? {
        let keys = ["name", "at", "given", "expect", "gate", "reason", "gates", "targetTags", "retryAt"]
        guard let members = members(node, of: "a case", allowed: keys) else { return nil }
        let name = required(members["name"], "name", in: node, "say what the case shows").flatMap { string($0, "name") }
        let at = members["at"].flatMap { time($0, "at", now: commonTime) } ?? commonTime
        let own = members["given"].flatMap { self.members($0, of: "given", allowed: Self.factKeys) } ?? [:]
        let facts = facts(common.merging(own) { $1 }, in: members["given"] ?? node, now: at)
        let outcome = required(members["expect"], "expect", in: node, "add 'expect: deny'").flatMap { choice($0, "expect", CaseOutcome.self) }
        guard let name, let facts, let outcome else { return nil }
        var expectation = CaseExpectation(outcome: outcome.outcome)
        expectation.gate = members["gate"].flatMap { string($0, "gate") }
        expectation.reason = members["reason"].flatMap { reasonPattern($0) }
        expectation.gates = members["gates"].map { expectedGates($0) } ?? []
        expectation.targetTags = members["targetTags"].map { tags($0, "targetTags") }
        expectation.retryAt = members["retryAt"].flatMap { time($0, "retryAt", now: at) }
        return PolicyCase(name: name, source: SourceLocation(file: file, line: node.mark?.line ?? 1), facts: facts, at: at, expectation: expectation)
    }

    private enum CaseOutcome: String, CaseIterable {
        case allow, deny, wait

        var outcome: GateOutcome {
            switch self {
            case .allow: .allow
            case .deny: .deny
            case .wait: .wait
            }
        }
    }

    /// A part of the reason, or an expression over the whole of it.
    private mutating func reasonPattern(_ node: Node) -> TextPattern? {
        guard let text = string(node, "reason") else { return nil }
        do { return try TextPattern(parsing: text.hasPrefix("regex:") ? text : "**\(text)**") } catch {
            report(node, "'\(text)' is no pattern: \(error.description)", "write a part of the reason, or regex:…")
            return nil
        }
    }

    private mutating func expectedGates(_ node: Node) -> [(String, GateOutcome)] {
        guard case .mapping(let mapping) = node else {
            report(node, "gates must be a mapping", "write 'soak: wait' lines")
            return []
        }
        var gates: [(String, GateOutcome)] = []
        for (key, value) in mapping {
            guard let name = string(key, "a gate's name"), let outcome = choice(value, name, CaseOutcome.self) else { continue }
            gates.append((name, outcome.outcome))
        }
        return gates
    }

    /// RFC 3339, or how long before or after the decision: `30h ago`, `in 5m`.
    mutating func time(_ node: Node, _ what: String, now: Date) -> Date? {
        guard let text = string(node, what) else { return nil }
        let words = text.split(separator: " ")
        if words.count == 2, words[1] == "ago", let duration = PolicyDuration(parsing: String(words[0])) { return now - duration }
        if words.count == 2, words[0] == "in", let duration = PolicyDuration(parsing: String(words[1])) { return now + duration }
        if text == "now" { return now }
        if let date = Timestamp.date(text) { return date }
        report(node, "'\(text)' is no time", "write 2026-11-27T17:00:00Z, '30h ago', 'in 5m' or 'now'")
        return nil
    }

    mutating func tags(_ node: Node, _ what: String) -> [OCI.Tag] {
        if case .sequence(let items) = node, items.isEmpty { return [] }
        return list(node, what).compactMap { tag($0, what) }
    }

    mutating func tag(_ node: Node, _ what: String) -> OCI.Tag? {
        guard let text = string(node, what) else { return nil }
        do throws(NameError) { return try Tag(parsing: text) } catch {
            report(node, "\(error)", "write a tag such as 1.4.2")
            return nil
        }
    }
}

import OCI
import Yams

/// A label that every platform's image must carry; annotations of the index count where a platform has none.
struct LabelGate: Gate {
    static let kind = "labels"
    let labels: [RequiredText]

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "labels", allowed: ["require"]) else { return nil }
        labels = reader.requiredTexts(members["require"], of: "labels", in: node)
    }

    init(_ label: RequiredText) { labels = [label] }

    var name: String { labels.count == 1 ? "label \(labels[0].name)" : Self.kind }

    var text: String { labels.map { "label \($0.name) matches '\($0.pattern)'" }.joined(separator: ", ") }

    func add(to needs: inout FactNeeds) { needs.configurations = true }

    func judge(_ context: GateContext) -> Verdict {
        let facts = context.facts
        guard !facts.platforms.isEmpty else { return .deny("the artifact has no image that could carry labels") }
        var seen: [String] = []
        for label in labels {
            var last: String?
            for platform in facts.platforms {
                guard let value = platform.labels[label.name] ?? facts.annotations[label.name] else {
                    return .deny("\(platform.platform) has no such label; set \(label.name) when the image is built")
                }
                // The platforms of an image nearly always have the same.
                if value == last { continue }
                if let reason = label.refusal(of: value) { return .deny("\(platform.platform) has \(reason)") }
                last = value
            }
            seen.append("'\((last ?? "").excerpt)' matches '\(label.pattern)'")
        }
        return .allow(seen.joined(separator: ", "))
    }
}

/// Annotations that the manifest itself must carry.
struct AnnotationGate: Gate {
    static let kind = "annotations"
    let annotations: [RequiredText]

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "annotations", allowed: ["require"]) else { return nil }
        annotations = reader.requiredTexts(members["require"], of: "annotations", in: node)
    }

    init(_ annotation: RequiredText) { annotations = [annotation] }

    var name: String { annotations.count == 1 ? "annotation \(annotations[0].name)" : Self.kind }

    var text: String { annotations.map { "annotation \($0.name) matches '\($0.pattern)'" }.joined(separator: ", ") }

    func judge(_ context: GateContext) -> Verdict {
        for annotation in annotations {
            guard let value = context.facts.annotations[annotation.name] else {
                return .deny("the manifest has no such annotation; set \(annotation.name) when the image is built")
            }
            if let reason = annotation.refusal(of: value) { return .deny("the manifest has \(reason)") }
        }
        return .allow(
            annotations.map { "'\(context.facts.annotations[$0.name, default: ""].excerpt)' matches '\($0.pattern)'" }.joined(separator: ", "))
    }
}

/// A label's or an annotation's name, and what its value must match.
public struct RequiredText: Sendable, Hashable {
    public let name: String
    public let pattern: TextPattern
    public let source: SourceLocation

    func refusal(of value: String) -> String? {
        pattern.matches(value) ? nil : "'\(value.excerpt)', which does not match '\(pattern)'"
    }
}

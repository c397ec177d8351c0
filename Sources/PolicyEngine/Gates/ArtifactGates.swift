import Foundation
import OCI
import Yams

/// The manifest's media type.
struct MediaTypeGate: Gate {
    static let kind = "mediaTypes"
    let allowed: [TextPattern]

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let allowed = reader.allowedPatterns(node, of: Self.kind) else { return nil }
        self.allowed = allowed
    }

    var text: String { "media type is one of \(allowed.map(\.description).joined(separator: ", "))" }

    func judge(_ context: GateContext) -> Verdict {
        let found = context.facts.mediaType.description
        return allowed.contains { $0.matches(found) }
            ? .allow("'\(found.excerpt)' is allowed")
            : .deny("'\(found.excerpt)' is none of: \(allowed.map(\.description).joined(separator: ", "))")
    }
}

/// What kind of thing the artifact is; an index that does not say so is judged by its media type.
struct ArtifactTypeGate: Gate {
    static let kind = "artifactTypes"
    let allowed: [TextPattern]

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let allowed = reader.allowedPatterns(node, of: Self.kind) else { return nil }
        self.allowed = allowed
    }

    var text: String { "artifact type is one of \(allowed.map(\.description).joined(separator: ", "))" }

    func judge(_ context: GateContext) -> Verdict {
        let found = context.facts.artifactType ?? context.facts.mediaType.description
        return allowed.contains { $0.matches(found) }
            ? .allow("'\(found.excerpt)' is allowed")
            : .deny("'\(found.excerpt)' is none of: \(allowed.map(\.description).joined(separator: ", "))")
    }
}

/// The size of everything that the artifact refers to.
struct SizeGate: Gate {
    static let kind = "size"
    let maximum: ByteSize

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "size", allowed: ["max"]), let size = reader.size(members["max"], "max", in: node) else {
            return nil
        }
        maximum = size
    }

    var text: String { "at most \(maximum)" }

    func judge(_ context: GateContext) -> Verdict {
        let found = ByteSize(bytes: context.facts.sizeBytes)
        return found.bytes <= maximum.bytes
            ? .allow("\(found) of at most \(maximum)") : .deny("the artifact has \(found); at most \(maximum) are allowed")
    }
}

/// How long ago the image was built, or first seen.
struct AgeGate: Gate {
    static let kind = "age"
    /// A clock may be this much ahead of ours.
    static let skew: TimeInterval = 300
    let maximum: PolicyDuration
    let reference: Reference

    enum Reference: String, CaseIterable { case created, firstSeen }

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "age", allowed: ["max", "of"]) else { return nil }
        reference = members["of"].flatMap { reader.choice($0, "of", Reference.self) } ?? .created
        guard let maximum = reader.duration(members["max"], "max", in: node) else { return nil }
        self.maximum = maximum
    }

    var text: String { "\(reference == .created ? "built" : "first seen") at most \(maximum) ago" }

    func add(to needs: inout FactNeeds) {
        switch reference {
        case .created: needs.configurations = true
        case .firstSeen: needs.presence = true
        }
    }

    func judge(_ context: GateContext) -> Verdict {
        let start: Date
        switch reference {
        case .created:
            guard let text = context.facts.created else { return .deny("the image does not say when it was built") }
            guard let date = context.created else { return .deny("the image says that it was built at '\(text.excerpt)', which is no time") }
            start = date
        case .firstSeen:
            guard let date = context.facts.firstSeen else { return .missing("it is not known when \(context.artifact) was first seen", .wait) }
            start = date
        }
        let age = context.now.timeIntervalSince(start)
        guard age >= -Self.skew else {
            return .deny("\(reference == .created ? "built" : "first seen") at \(Timestamp.text(start)), which is in the future")
        }
        let seen = "\(reference == .created ? "built" : "first seen") \(PolicyDuration.text(age)) ago"
        return age <= Double(maximum.seconds)
            ? .allow("\(seen), at most \(maximum) is allowed") : .deny("\(seen); at most \(maximum) is allowed: build it anew")
    }
}

/// A number of bytes: `500MiB`.
struct ByteSize: Sendable, Hashable, CustomStringConvertible {
    let bytes: Int64

    private static let units: [(name: String, bytes: Int64)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000),
        ("KB", 1_000),
        ("B", 1),
    ]

    init(bytes: Int64) { self.bytes = bytes }

    /// `nil` where the text is no whole number with a unit behind it.
    init?(parsing text: String) {
        guard let unit = Self.units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let digits = Array(text.dropLast(unit.name.count).utf8)
        guard (1...12).contains(digits.count), let number = CivilDate.number(digits[...]), number > 0 else { return nil }
        let (product, overflow) = Int64(number).multipliedReportingOverflow(by: unit.bytes)
        guard !overflow else { return nil }
        bytes = product
    }

    var description: String {
        guard let unit = Self.units.prefix(4).first(where: { bytes >= $0.bytes }) else { return "\(bytes) B" }
        let tenths = bytes / (unit.bytes / 10)
        return tenths.isMultiple(of: 10) ? "\(tenths / 10) \(unit.name)" : "\(tenths / 10).\(tenths % 10) \(unit.name)"
    }
}

import Foundation
import OCI
import Yams

/// One kind of gate with its parameters: read from a policy file, asked about a promotion.
///
/// A gate is a pure function of the facts and the time. It never opens on what it does not know.
protocol Gate: Sendable {
    /// The key in policy files.
    static var kind: String { get }

    /// Reads the parameters; `nil`, with a diagnostic, where they make no sense.
    init?(_ node: Node, _ reader: inout YAMLReader)

    /// What it is called where its rule has no name.
    var name: String { get }

    /// What it asks for, in words.
    var text: String { get }

    func judge(_ context: GateContext) -> Verdict

    /// Adds what it looks at beyond what every decision has.
    func add(to needs: inout FactNeeds)

    /// The groups, signers and ids that it names.
    var people: [String] { get }

    /// What somebody can give that it looks at.
    var wish: GateWish? { get }
}

extension Gate {
    var name: String { Self.kind }

    func add(to needs: inout FactNeeds) {}

    var people: [String] { [] }

    var wish: GateWish? { nil }
}

extension Digest {
    /// Short enough to read, long enough to find.
    var label: String { "\(algorithm.rawValue):\(short)…" }
}

extension String {
    /// At most 200 characters of a text that somebody else wrote.
    var excerpt: Substring { utf8.count <= 200 ? self[...] : prefix(200) }
}

/// What a gate says.
struct Verdict: Sendable {
    var outcome: GateOutcome
    var reason: String
    /// The earliest time at which a wait can end, where it is known.
    var retryAt: Date?
    /// The manifests that it looked at.
    var evidence: [Digest] = []
    /// Whether everything was known that the gate looks at. `not` does not turn round what is not known.
    var isKnown = true

    static func allow(_ reason: String, evidence: [Digest] = []) -> Verdict { Verdict(outcome: .allow, reason: reason, evidence: evidence) }
    static func deny(_ reason: String, evidence: [Digest] = []) -> Verdict { Verdict(outcome: .deny, reason: reason, evidence: evidence) }
    static func wait(_ reason: String, until: Date? = nil, evidence: [Digest] = []) -> Verdict {
        Verdict(outcome: .wait, reason: reason, retryAt: until, evidence: evidence)
    }

    /// Something that the gate needs is not there: it waits for it, or denies where the policy says so.
    static func missing(_ reason: String, _ missing: MissingEvidence) -> Verdict {
        Verdict(outcome: missing == .deny ? .deny : .wait, reason: reason, isKnown: false)
    }
}

/// What happens while evidence is missing. It never passes.
enum MissingEvidence: String, Sendable, CaseIterable {
    case wait, deny
}

/// Gates together. A gate that is not open waits or denies; what is known of the rest decides which.
enum GateCondition: Sendable {
    case gate(any Gate)
    case all([GateCondition])
    case any([GateCondition])
    indirect case not(GateCondition)

    func judge(_ context: GateContext) -> Verdict {
        switch self {
        case .gate(let gate): gate.judge(context)
        case .all(let conditions): Self.together(conditions.map { $0.judge(context) })
        case .any(let conditions): Self.either(conditions.map { $0.judge(context) })
        case .not(let condition): Self.reversed(condition.judge(context))
        }
    }

    private static func together(_ verdicts: [Verdict]) -> Verdict {
        let outcome: GateOutcome = verdicts.contains { $0.outcome == .deny } ? .deny : verdicts.contains { $0.outcome == .wait } ? .wait : .allow
        let decisive = verdicts.filter { $0.outcome == outcome }
        return Verdict(
            outcome: outcome, reason: decisive.map(\.reason).joined(separator: "; "),
            retryAt: outcome == .wait ? decisive.compactMap(\.retryAt).max() : nil,
            evidence: verdicts.flatMap(\.evidence), isKnown: outcome == .allow ? verdicts.allSatisfy(\.isKnown) : decisive.contains(where: \.isKnown))
    }

    private static func either(_ verdicts: [Verdict]) -> Verdict {
        if let open = verdicts.first(where: { $0.outcome == .allow }) { return open }
        let waiting = verdicts.filter { $0.outcome == .wait }
        return Verdict(
            outcome: waiting.isEmpty ? .deny : .wait, reason: "none of these: " + verdicts.map { "(\($0.reason))" }.joined(separator: " "),
            // One of them is enough; a wait whose end is not known may end first.
            retryAt: waiting.compactMap(\.retryAt).min(), evidence: verdicts.flatMap(\.evidence), isKnown: verdicts.allSatisfy(\.isKnown))
    }

    private static func reversed(_ verdict: Verdict) -> Verdict {
        var result = verdict
        guard verdict.isKnown else { return result }
        result.outcome = verdict.outcome == .allow ? .deny : .allow
        result.retryAt = nil
        result.reason = verdict.outcome == .allow ? "must not be: \(verdict.reason)" : "as it must be, not open: \(verdict.reason)"
        return result
    }

    var text: String {
        switch self {
        case .gate(let gate): gate.text
        case .all(let conditions): conditions.map(\.text).joined(separator: "; ")
        case .any(let conditions): "one of: " + conditions.map { "(\($0.text))" }.joined(separator: " ")
        case .not(let condition): "not (\(condition.text))"
        }
    }

    func add(to needs: inout FactNeeds) {
        switch self {
        case .gate(let gate): gate.add(to: &needs)
        case .all(let conditions), .any(let conditions):
            for condition in conditions { condition.add(to: &needs) }
        case .not(let condition): condition.add(to: &needs)
        }
    }

    var wishes: [GateWish] {
        switch self {
        case .gate(let gate): [gate.wish].compactMap(\.self)
        case .all(let conditions), .any(let conditions): conditions.flatMap(\.wishes)
        case .not(let condition): condition.wishes
        }
    }
}

/// A gate in a policy: its name and its place.
public struct GateRule: Sendable {
    public let name: String
    public let source: SourceLocation
    let condition: GateCondition
    /// `source` as decisions show it, made once.
    let place: String

    init(name: String, source: SourceLocation, condition: GateCondition) {
        self.name = name
        self.source = source
        self.condition = condition
        place = source.description
    }

    /// What it asks for, in words.
    public var text: String { condition.text }
}

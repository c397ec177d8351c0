import Foundation
import OCI
import Yams

/// The answer of a service outside. It was asked before the decision, and the answer is a fact like any other.
struct CheckGate: Gate {
    static let kind = "check"
    let endpoint: String
    let onFailure: OnFailure

    /// What happens where the service can't be asked, or gives no answer that can be believed.
    enum OnFailure: String, CaseIterable {
        case deny, allow
    }

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "check", allowed: ["endpoint", "onFailure"]) else { return nil }
        onFailure = members["onFailure"].flatMap { reader.choice($0, "onFailure", OnFailure.self) } ?? .deny
        guard let endpoint = reader.required(members["endpoint"], "endpoint", in: node, "name a check of the environments file").flatMap({ reader.check($0) })
        else { return nil }
        self.endpoint = endpoint
    }

    var name: String { "check \(endpoint)" }

    var text: String { "\(endpoint) says yes\(onFailure == .allow ? ", or can't be asked" : "")" }

    func add(to needs: inout FactNeeds) { needs.checks.insert(endpoint) }

    func judge(_ context: GateContext) -> Verdict {
        let facts = context.facts
        guard let fact = facts.checks?.last(where: { $0.endpoint == endpoint && $0.digest == facts.digest }) else {
            return .missing("\(endpoint) was not asked about \(context.artifact)", .wait)
        }
        let said = fact.reason.isEmpty ? "" : ": \(fact.reason.excerpt)"
        switch fact.outcome {
        case .allow: return .allow("\(endpoint) says yes\(said)")
        case .deny: return .deny("\(endpoint) says no\(said)")
        case .wait: return .wait("\(endpoint) says not yet\(said)", until: fact.retryAt)
        case .failed where onFailure == .allow:
            return Verdict(outcome: .allow, reason: "\(endpoint) could not be asked\(said); the policy lets pass what it can't ask about", isKnown: false)
        case .failed: return Verdict(outcome: .deny, reason: "\(endpoint) could not be asked\(said); ask for the promotion again when it answers", isKnown: false)
        }
    }
}

extension YAMLReader {
    /// A check of the environments file.
    fileprivate mutating func check(_ node: Node) -> String? {
        guard let name = string(node, "endpoint") else { return nil }
        refer(to: .check, name, node)
        return name
    }
}

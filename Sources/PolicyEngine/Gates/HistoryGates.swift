import Foundation
import OCI
import Yams

/// How long the digest must have been in an environment.
struct SoakGate: Gate {
    static let kind = "soak"
    let minimum: PolicyDuration
    /// `nil` is the promotion's source.
    let environment: EnvironmentName?
    /// Whether a break starts the time anew.
    let isContinuous: Bool

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "soak", allowed: ["for", "in", "continuous"]) else { return nil }
        environment = members["in"].flatMap { reader.knownEnvironment($0, "in") }
        isContinuous = members["continuous"].flatMap { reader.bool($0, "continuous") } ?? true
        guard let minimum = reader.duration(members["for"], "for", in: node) else { return nil }
        self.minimum = minimum
    }

    var text: String { "at least \(minimum)\(isContinuous ? " without a break" : "") in \(environment?.description ?? "the source environment")" }

    func add(to needs: inout FactNeeds) { needs.presence = true }

    func judge(_ context: GateContext) -> Verdict {
        let environment = environment ?? context.facts.from
        guard let presence = context.facts.presence else {
            return .missing("it is not known since when \(context.artifact) is in \(environment); it must be there for \(minimum)", .wait)
        }
        let found = presence.first { $0.environment == environment }
        guard let start = isContinuous ? found?.since : found?.firstSeen else {
            return .wait("\(context.artifact) is not in \(environment); it must be there for \(minimum)")
        }
        let age = context.now.timeIntervalSince(start)
        let seen = "in \(environment) for \(PolicyDuration.text(age)) of \(minimum)"
        return age >= Double(minimum.seconds) ? .allow(seen) : .wait("\(seen), until \(Timestamp.text(start + minimum))", until: start + minimum)
    }
}

/// Environments that the digest must have been in: no step is left out.
struct PathGate: Gate {
    static let kind = "path"
    /// `nil` is every environment that stands before the target.
    let through: [EnvironmentName]?

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "path", allowed: ["through"]) else { return nil }
        guard let list = members["through"] else {
            reader.report(node, "path does not say through which environments", "write 'through: all', or name them")
            return nil
        }
        if list.scalar?.string == "all" {
            through = nil
        } else {
            var names: [EnvironmentName] = []
            for item in reader.list(list, "through") {
                if let name = reader.knownEnvironment(item, "through") { names.append(name) }
            }
            through = names
        }
    }

    var text: String { "has been in \(through?.map(\.description).joined(separator: ", ") ?? "every environment before the target")" }

    func add(to needs: inout FactNeeds) { needs.presence = true }

    func judge(_ context: GateContext) -> Verdict {
        let before = context.policies.environments.prefix { $0.name != context.facts.to }.map(\.name)
        let required = through ?? before
        let list = required.isEmpty ? "no other environment" : required.map(\.description).joined(separator: ", ")
        guard let presence = context.facts.presence else {
            return .missing("it is not known where \(context.artifact) has been; it must have been in \(list)", .wait)
        }
        let missing = required.filter { name in !presence.contains { $0.environment == name } }
        guard let first = missing.first else { return .allow("has been in \(list)") }
        return .deny("\(context.artifact) has never been in \(missing.map(\.description).joined(separator: ", ")); promote it to \(first) first")
    }
}

/// How many promotions may enter the target in a time.
struct QuotaGate: Gate {
    static let kind = "quota"
    let maximum: Int
    let window: PolicyDuration
    let scope: Scope

    enum Scope: String, CaseIterable { case image, environment, requester }

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "quota", allowed: ["max", "per", "of"]) else { return nil }
        scope = members["of"].flatMap { reader.choice($0, "of", Scope.self) } ?? .image
        guard let maximum = reader.required(members["max"], "max", in: node, "add 'max: 5'").flatMap({ reader.integer($0, "max", in: 1...100_000) }),
            let window = reader.duration(members["per"], "per", in: node)
        else { return nil }
        self.maximum = maximum
        self.window = window
    }

    var text: String { "at most \(maximum) promotions per \(window) of the same \(scope.rawValue)" }

    func add(to needs: inout FactNeeds) { needs.recentPromotions = max(needs.recentPromotions ?? window, window) }

    func judge(_ context: GateContext) -> Verdict {
        let facts = context.facts
        guard let recent = facts.recentPromotions else {
            return .missing("it is not known how many promotions entered \(facts.to); at most \(maximum) per \(window) are allowed", .wait)
        }
        let start = context.now - window
        let counted = recent.filter { promotion in
            switch scope {
            case .image: promotion.image == facts.image
            case .environment: true
            case .requester: promotion.requester == facts.requester
            }
        }.map(\.at).filter { $0 > start }.sorted()
        let seen = "\(counted.count) of \(maximum) in \(window)"
        guard counted.count >= maximum else { return .allow(seen) }
        // When this one leaves the window, one less than the maximum is in it.
        let retryAt = counted[counted.count - maximum] + window
        return .wait("\(seen) entered \(facts.to); the next may at \(Timestamp.text(retryAt))", until: retryAt)
    }
}

import Foundation
import OCI
import Yams

/// Times in which nothing enters the target.
struct FreezeGate: Gate {
    static let kind = "freeze"
    let hours: OpeningHours
    /// As it was written: Foundation knows some zones under another name.
    let zone: String

    init?(_ node: Node, _ reader: inout YAMLReader) {
        guard let members = reader.members(node, of: "freeze", allowed: ["timezone", "deny", "allow"]) else { return nil }
        guard let zoneNode = reader.required(members["timezone"], "timezone", in: node, "add 'timezone: Europe/Berlin', or UTC"),
            let zone = reader.timeZone(zoneNode)
        else { return nil }
        self.zone = zoneNode.scalar?.string ?? zone.identifier
        let clock = LocalClock(zone: zone)
        hours = OpeningHours(
            clock: clock, closed: reader.windows(members["deny"], "deny", clock), open: reader.windows(members["allow"], "allow", clock))
        if members["deny"] == nil, members["allow"] == nil { reader.report(node, "freeze names no time", "add deny, allow, or both") }
    }

    var text: String {
        let closed = hours.closed.map(\.name).joined(separator: ", ")
        let open = hours.open.map(\.name).joined(separator: ", ")
        return [open.isEmpty ? nil : "open in: \(open)", closed.isEmpty ? nil : "closed in: \(closed)"].compactMap(\.self).joined(separator: ", ")
            + " (\(zone))"
    }

    func judge(_ context: GateContext) -> Verdict {
        switch hours.state(at: context.now) {
        case .open(let window): return .allow(window.map { "open: \($0)" } ?? "no freeze")
        case .closed(let window, let next):
            let seen = window.map { "frozen: \($0)" } ?? "outside of: \(hours.open.map(\.name).joined(separator: ", "))"
            guard let next else { return .deny("\(seen); it does not open again: change the policy") }
            return .wait("\(seen), until \(Timestamp.text(next))", until: next)
        }
    }
}

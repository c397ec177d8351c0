import Foundation
import Synchronization
import TestSupport

/// The table of gates in Tests/README.md: of each kind its outcomes.
enum GateTable {
    /// Of each kind the cells of `allow`, `deny` and `wait`: `✓`, or why it can't be.
    static func rows() throws -> [(kind: String, cells: [(outcome: String, cell: String)])] {
        let text = try String(contentsOfFile: Lift.repositoryFolder + "/Tests/README.md", encoding: .utf8)
        let section = text.components(separatedBy: "## Gates").last?.components(separatedBy: "\n## ").first ?? ""
        return section.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard line.hasPrefix("| `"), cells.count == 4 else { return nil }
            return (cells[0].replacing("`", with: ""), Array(zip(["allow", "deny", "wait"], cells.dropFirst())))
        }
    }
}

/// Which outcomes a kind of gate was seen to give.
final class SeenOutcomes: Sendable {
    private let seen = Mutex<Set<String>>([])

    func note(_ kind: String, _ outcome: String?) {
        if let outcome { seen.withLock { _ = $0.insert("\(kind) \(outcome)") } }
    }

    func has(_ kind: String, _ outcome: String) -> Bool { seen.withLock { $0.contains("\(kind) \(outcome)") } }
}

import Foundation
import Testing

@testable import AuditLog

@Suite("Verification")
struct TamperTests {
    private static let count = 96
    private static let every = 8

    /// The ways to change a log, each once, as its database's superuser could.
    enum Tampering: CaseIterable {
        case bitOfText, bitOfLeafHash, idOfRow, column, columnEmptied, entryGone, rowGone, rowDoubled, entriesSwapped,
            rowsSwapped, inserted
        case tailCut, rewritten, rewrittenTail, bitOfNote, rootOfCheckpoint, frontierOfCheckpoint
    }

    @Test("an untouched log is intact, with any number of checkpoints")
    func intact() throws {
        for count in [0, 1, 2, 15, 16, 17, 100] {
            let log = try SampleLog(count: count, checkpointEvery: Self.every)
            var frontier = MerkleFrontier()
            for leaf in log.leaves { frontier.append(leaf.leafHash) }
            #expect(
                log.verify() == .intact(size: UInt64(count), root: frontier.root, checkpoints: log.checkpoints.count))
        }
    }

    @Test("1,000 random single changes: the first bad entry is named each time")
    func thousandChanges() throws {
        let original = try SampleLog(count: Self.count, checkpointEvery: Self.every)
        var random = SeededGenerator(seed: 1000)
        for round in 0..<1000 {
            let tampering = Tampering.allCases[round % Tampering.allCases.count]
            var log = original
            let at = Int.random(in: 0..<Self.count, using: &random)
            let expected = try Self.tamper(&log, by: tampering, at: at, using: &random)
            let result = log.verify()
            guard case .broken(let finding) = result else {
                Issue.record("\(tampering) at \(at) went unnoticed")
                continue
            }
            #expect(Self.matches(finding, expected), "\(tampering) at \(at): \(finding) instead of \(expected)")
        }
    }

    /// A malformed text has a reason of many words; elsewhere all must be equal.
    private static func matches(_ finding: AuditFinding, _ expected: AuditFinding) -> Bool {
        switch (finding, expected) {
        case (.badCheckpoint(let size, _), .badCheckpoint(let other, _)): size == other
        default: finding == expected
        }
    }

    /// Changes the log and answers what must be found.
    private static func tamper(
        _ log: inout SampleLog, by tampering: Tampering, at: Int, using random: inout SeededGenerator
    ) throws -> AuditFinding {
        switch tampering {
        case .bitOfText, .bitOfLeafHash, .idOfRow, .column, .columnEmptied, .entryGone:
            changeRow(&log, by: tampering, at: at, using: &random)
        case .rowGone, .rowDoubled, .entriesSwapped, .rowsSwapped, .inserted, .tailCut, .rewritten, .rewrittenTail:
            try changeOrder(&log, by: tampering, at: at, using: &random)
        case .bitOfNote, .rootOfCheckpoint, .frontierOfCheckpoint: changeCheckpoint(&log, by: tampering, using: &random)
        }
    }

    private static func changeRow(
        _ log: inout SampleLog, by tampering: Tampering, at: Int, using random: inout SeededGenerator
    ) -> AuditFinding {
        let leaf = log.leaves[at]
        let index = Int64(at)
        var columns = leaf.columns
        switch tampering {
        case .bitOfText:
            log.leaves[at] = leaf.with(text: .some(bent(leaf.canonicalText ?? "", using: &random)))
            return .changed(index: index, id: leaf.id)
        case .bitOfLeafHash:
            var bytes = leaf.leafHash.bytes
            bytes[Int.random(in: 0..<32, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            log.leaves[at] = leaf.with(leafHash: MerkleHash(bytes: bytes))
            return .changed(index: index, id: leaf.id)
        case .idOfRow:
            let other = UUID()
            log.leaves[at] = leaf.with(id: other)
            return .columnDiffers(index: index, id: other, column: "id")
        case .column:
            let column = leaf.columns.keys.sorted().randomElement(using: &random) ?? ""
            columns[column] = .some(leaf.columns[column].flatMap(\.self).map { bent($0, using: &random) } ?? "added")
            log.leaves[at] = leaf.with(columns: columns)
            return .columnDiffers(index: index, id: leaf.id, column: column)
        case .columnEmptied:
            columns["actor"] = .some(nil)
            log.leaves[at] = leaf.with(columns: columns)
            return .columnDiffers(index: index, id: leaf.id, column: "actor")
        default:
            log.leaves[at] = leaf.with(text: .some(nil))
            return .removed(index: index, id: leaf.id)
        }
    }

    private static func changeOrder(
        _ log: inout SampleLog, by tampering: Tampering, at: Int, using random: inout SeededGenerator
    ) throws -> AuditFinding {
        let after = UInt64(at / every * every)
        let size = min(after + UInt64(every), UInt64(count))
        switch tampering {
        case .rowGone:
            log.leaves.remove(at: at)
            return at == count - 1
                ? .truncated(size: UInt64(at), checkpoint: UInt64(count)) : .missing(index: Int64(at))
        case .rowDoubled:
            log.leaves.insert(log.leaves[at], at: at)
            return .duplicate(index: Int64(at))
        case .entriesSwapped:
            let (first, second) = (log.leaves[at], log.leaves[(at + 1) % count])
            log.leaves[at] = first.with(text: .some(second.canonicalText))
            log.leaves[(at + 1) % count] = second.with(text: .some(first.canonicalText))
            let bad = min(at, (at + 1) % count)
            return .changed(index: Int64(bad), id: log.leaves[bad].id)
        case .rowsSwapped:
            let other = at == count - 1 ? 0 : Int.random(in: (at + 1)..<count, using: &random)
            let (low, high) = (min(at, other), max(at, other))
            (log.leaves[low], log.leaves[high]) = (
                log.leaves[high].with(index: Int64(low)), log.leaves[low].with(index: Int64(high))
            )
            let start = UInt64(low / every * every)
            return .rootDiffers(after: start, size: min(start + UInt64(every), UInt64(count)))
        case .inserted:
            log.leaves.insert(SampleLog.leaf(try SampleLog.entry(5000), at: Int64(at)), at: at)
            for later in (at + 1)..<log.leaves.count { log.leaves[later] = log.leaves[later].with(index: Int64(later)) }
            return .rootDiffers(after: after, size: size)
        case .tailCut:
            log.leaves.removeSubrange(at...)
            return .truncated(size: UInt64(at), checkpoint: UInt64(count))
        case .rewritten:
            log.leaves[at] = SampleLog.leaf(try SampleLog.entry(6000), at: Int64(at))
            return .rootDiffers(after: after, size: size)
        default:
            // Everything from here on consistently anew; one checkpoint published elsewhere is enough.
            log.checkpoints = log.checkpoints.suffix(1)
            for later in at..<count {
                log.leaves[later] = SampleLog.leaf(try SampleLog.entry(7000 + later), at: Int64(later))
            }
            return .rootDiffers(after: 0, size: UInt64(count))
        }
    }

    private static func changeCheckpoint(
        _ log: inout SampleLog, by tampering: Tampering, using random: inout SeededGenerator
    ) -> AuditFinding {
        let at = Int.random(in: 0..<log.checkpoints.count, using: &random)
        let old = log.checkpoints[at]
        switch tampering {
        case .bitOfNote:
            log.checkpoints[at] = StoredCheckpoint(
                size: old.size, note: bent(old.note, using: &random), root: old.root, frontier: old.frontier)
        case .rootOfCheckpoint:
            log.checkpoints[at] = StoredCheckpoint(size: old.size, note: old.note, root: .empty, frontier: old.frontier)
        default:
            var frontier = old.frontier ?? []
            frontier[Int.random(in: 0..<frontier.count, using: &random)] ^= 1
            log.checkpoints[at] = StoredCheckpoint(size: old.size, note: old.note, root: old.root, frontier: frontier)
        }
        return .badCheckpoint(size: old.size, reason: "")
    }

    /// The text with one bit of one ASCII character changed.
    private static func bent(_ text: String, using random: inout SeededGenerator) -> String {
        var bytes = Array(text.utf8)
        while true {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            guard bytes[at] < 0x80 else { continue }
            bytes[at] ^= 1 << UInt8.random(in: 0..<7, using: &random)
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    @Test("a text that hashes right but is no entry is named")
    func malformedEntry() throws {
        var log = try SampleLog(count: 4, checkpointEvery: 100)
        log.checkpoints = []
        let text = (log.leaves[2].canonicalText ?? "") + " "
        log.leaves[2] = log.leaves[2].with(leafHash: MerkleHash(leaf: text.utf8), text: .some(text))
        guard case .broken(.malformed(index: 2, id: log.leaves[2].id, _)) = log.verify() else {
            Issue.record("\(log.verify())")
            return
        }
    }

    @Test("a column that differs only in Unicode normalisation differs, and one of unknown name is not passed over")
    func columnsAreComparedByBytes() throws {
        // With an escape in its canonical form and without.
        for end in ["", "\n"] {
            let entry = try AuditEntry(
                id: UUID(), time: Date(timeIntervalSince1970: 0),
                actor: AuditActor(id: "jos\u{E9}\(end)", authentication: .token), action: "a",
                outcome: .success)
            func verify(_ columns: [String: String?]) -> AuditVerification {
                var verifier = AuditVerifier(notes: [], keys: [])
                _ = verifier.add(SampleLog.leaf(entry, at: 0).with(columns: columns))
                return verifier.finish()
            }
            let intact = AuditVerification.intact(size: 1, root: entry.leafHash, checkpoints: 0)
            #expect(verify(["actor": "jos\u{E9}\(end)"]) == intact)
            #expect(
                verify(["actor": "jose\u{301}\(end)"])
                    == .broken(.columnDiffers(index: 0, id: entry.id, column: "actor")))
            #expect(verify(["occurred_at": "0"]) == intact)
            #expect(verify(["leaf_hash": entry.leafHash.description]) == intact)
            #expect(verify(["leaf_hash": nil]) == .broken(.columnDiffers(index: 0, id: entry.id, column: "leaf_hash")))
            #expect(verify(["weather": "fine"]) == .broken(.columnDiffers(index: 0, id: entry.id, column: "weather")))
        }
    }

    @Test("an entry that was never sequenced is found, but only after what is wrong in the tree")
    func neverSequenced() throws {
        let log = try SampleLog(count: 3, checkpointEvery: 2)
        let id = UUID()
        var verifier = AuditVerifier(checkpoints: log.checkpoints, keys: [log.signer.verifier])
        for leaf in log.leaves {
            let goesOn = verifier.add(leaf)
            #expect(goesOn)
        }
        #expect(verifier.finish(unsequenced: id) == .broken(.neverSequenced(id: id)))
        #expect(
            AuditVerifier(checkpoints: log.checkpoints, keys: [log.signer.verifier]).finish(unsequenced: id)
                == .broken(.truncated(size: 0, checkpoint: 3)))
    }

    @Test("a checkpoint of another size, another log, or over an empty tree that wasn't")
    func strangeCheckpoints() throws {
        let log = try SampleLog(count: 3, checkpointEvery: 3)
        let keys = [log.signer.verifier]
        #expect(
            AuditVerifier(notes: [(size: 2, note: log.checkpoints[0].note)], keys: keys).finish()
                == .broken(.badCheckpoint(size: 2, reason: "not a signed checkpoint: it is about 3 entries")))
        #expect(
            AuditVerifier(notes: [(size: 3, note: log.checkpoints[0].note)], keys: []).finish()
                == .broken(.badCheckpoint(size: 3, reason: "no signature is by a known key")))
        func empty(_ root: MerkleHash) throws -> AuditVerification {
            let note = try log.signer.sign(Checkpoint(origin: log.signer.name, size: 0, root: root))
            return AuditVerifier(notes: [(size: 0, note: note)], keys: keys).finish()
        }
        #expect(try empty(.empty) == .intact(size: 0, root: .empty, checkpoints: 1))
        #expect(try empty(MerkleHash(leaf: [])) == .broken(.rootDiffers(after: 0, size: 0)))
        // A split view: two genuine checkpoints of one size.
        let other = try log.signer.sign(Checkpoint(origin: log.signer.name, size: 3, root: .empty))
        var verifier = AuditVerifier(
            notes: [(size: 3, note: log.checkpoints[0].note), (size: 3, note: other)], keys: keys)
        for leaf in log.leaves { _ = verifier.add(leaf) }
        guard case .broken(.rootDiffers(_, size: 3)) = verifier.finish() else {
            Issue.record("\(verifier.finish())")
            return
        }
    }
}

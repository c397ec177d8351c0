import Foundation
import TestSupport
import Testing

@testable import AuditLog

@Suite("Export", .timeLimit(.minutes(2)))
struct ExportTests {
    private static let count = 40
    private let log: SampleLog
    private let lines: [String]

    init() throws {
        log = try SampleLog(count: Self.count, checkpointEvery: 16)
        lines = try Self.export(log)
    }

    private static func export(_ log: SampleLog) throws -> [String] {
        var frontier = MerkleFrontier()
        var lines = [try AuditExportLine.header.text()]
        for checkpoint in log.checkpoints { lines.append(try AuditExportLine.checkpoint(note: checkpoint.note).text()) }
        for leaf in log.leaves {
            lines.append(
                try AuditExportLine.leaf(
                    index: leaf.index, id: leaf.id, leafHash: leaf.leafHash, canonicalText: leaf.canonicalText ?? ""
                ).text())
            frontier.append(leaf.leafHash)
        }
        return lines + [try AuditExportLine.end(size: frontier.size, root: frontier.root).text()]
    }

    private func verify(_ lines: [String]) throws(AuditExportError) -> AuditVerification {
        var verifier = try AuditExportVerifier(keys: [log.signer.verifier])
        for line in lines where try !verifier.add(Array(line.utf8)) { break }
        return try verifier.finish()
    }

    /// What a verification says, in the words of the Python verifier.
    private func words(_ lines: [String]) -> String {
        do throws(AuditExportError) {
            switch try verify(lines) {
            case .intact(let size, let root, _): return "intact \(size) \(root)"
            case .broken(.missing(let index)): return "broken missing \(index)"
            case .broken(.moved(let index)): return "broken moved \(index)"
            case .broken(.nodeDiffers(let level, let index)): return "broken nodeDiffers \(level) \(index)"
            case .broken(.duplicate(let index)): return "broken duplicate \(index)"
            case .broken(.changed(let index, _)): return "broken changed \(index)"
            case .broken(.malformed(let index, _, _)): return "broken malformed \(index)"
            case .broken(.columnDiffers(let index, _, _)): return "broken columnDiffers \(index)"
            case .broken(.rootDiffers(_, let size)): return "broken rootDiffers \(size)"
            case .broken(.truncated(let size, _)): return "broken truncated \(size)"
            case .broken(.badCheckpoint(let size, _)): return "broken badCheckpoint \(size)"
            case .broken(.removed(let index, _)): return "broken removed \(index)"
            case .broken(.neverSequenced(let id)): return "broken neverSequenced \(id)"
            }
        } catch {
            return "not an export"
        }
    }

    /// Runs the Python verifier and answers its exit code and line.
    private func python(_ arguments: [String], on lines: [String]) async throws -> (code: Int32, line: String) {
        let file = FileManager.default.temporaryDirectory.appending(path: "audit-export-\(UUID().uuidString).ndjson")
        try Data(lines.map { $0 + "\n" }.joined().utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "verify_export.py").path(
            percentEncoded: false)
        let result = try await Tool.run("python3", ["-B", script] + arguments + [file.path(percentEncoded: false)])
        guard case .exited(let code) = result.status else { throw HarnessError.serverExited(name: "python3", status: result.status, log: result.errors) }
        return (code, result.output.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    @Test("an export is read back line by line, and its lines are one line each")
    func roundTrip() throws {
        #expect(words(lines).hasPrefix("intact 40 "))
        for line in lines {
            #expect(!line.contains("\n"))
            #expect(try AuditExportLine(parsing: Array(line.utf8)).text() == line)
        }
    }

    @Test("the Python verifier agrees on an intact export, and checks its signatures where it can")
    func pythonOnIntact() async throws {
        let (code, line) = try await python(["--key", log.signer.verifier.description], on: lines)
        #expect(line.hasPrefix(words(lines)))
        #expect(code == 0 || (code == 3 && line.hasSuffix("(signatures not checked)")), "exit \(code): \(line)")
        let (unsigned, note) = try await python([], on: lines)
        #expect(unsigned == 3 && note.hasSuffix("(signatures not checked)"))
        let empty = try Self.export(SampleLog(count: 0, checkpointEvery: 1))
        #expect(words(empty).hasPrefix("intact 0 e3b0c442"))
        #expect(try await python([], on: empty).line.hasPrefix("intact 0 e3b0c442"))
    }

    /// The header is line 0, the checkpoints 1 to 3 (16, 32, 40), leaf n is line n + 4, the end is line 44.
    private static let tamperings: [(name: String, expected: String, change: @Sendable (inout [String]) -> Void)] = [
        (
            "a letter of an entry", "broken changed 5",
            {
                $0[9] = $0[9].replacing("payments/api", with: "payments/apo").replacing(
                    "production", with: "productiom")
            }
        ),
        ("a digit of a hash", "broken changed 7", { $0[11] = Self.bentHash($0[11]) }),
        (
            "a row's id", "broken columnDiffers 9",
            { $0[13] = $0[13].replacing(#"{"index":9,"id":"0193"#, with: #"{"index":9,"id":"0194"#) }
        ),
        ("a leaf left out", "broken missing 20", { $0.remove(at: 24) }),
        ("a leaf doubled", "broken duplicate 20", { $0.insert($0[24], at: 24) }),
        ("two leaves swapped", "broken moved 10", { $0.swapAt(14, 15) }),
        ("the tail cut off", "broken truncated 30", { $0.removeSubrange(34...) }),
        ("the tail cut off before its end", "broken truncated 30", { $0.removeSubrange(34..<44) }),
        ("the end left out", "not an export", { $0.removeLast() }),
        (
            "the end of another root", "not an export",
            { $0[44] = #"{"root":""# + String(repeating: "0", count: 64) + #"","size":40}"# }
        ),
        ("a header of another format", "not an export", { $0[0] = $0[0].replacing("1}", with: "2}") }),
        ("no header", "not an export", { $0.removeFirst() }),
        ("a checkpoint after the leaves", "not an export", { $0.insert($0[1], at: 20) }),
        ("a line after the end", "not an export", { $0.append($0[43]) }),
        ("no JSON", "not an export", { $0[8] = "index 4" }),
        ("an empty line", "not an export", { $0.insert("", at: 8) }),
        (
            "an index with a zero before it", "not an export",
            { $0[8] = $0[8].replacing(#""index":4"#, with: #""index":04"#) }
        ),
        ("nothing at all", "not an export", { $0 = [] }),
        (
            "an entry with a space in it, hash and all", "broken malformed 3",
            { $0[7] = Self.rehashed($0[7]) { $0.replacing(",\"outcome\"", with: ", \"outcome\"") } }
        ),
        (
            "an entry with another key, hash and all", "broken malformed 3",
            { $0[7] = Self.rehashed($0[7]) { $0.replacing("\"image\"", with: "\"imagf\"") } }
        ),
        (
            "an entry with keys out of order", "broken malformed 3",
            { $0[7] = Self.rehashed($0[7]) { $0.replacing("\"bytes\":", with: "\"zz\":") } }
        ),
        (
            "an entry of another schema", "broken malformed 3",
            { $0[7] = Self.rehashed($0[7]) { $0.replacing("\"schema\":1", with: "\"schema\":2") } }
        ),
        (
            "an entry rewritten, hash and all", "broken rootDiffers 16",
            { $0[7] = Self.rehashed($0[7]) { $0.replacing("payments", with: "playment") } }
        ),
        (
            "an entry of the last third rewritten", "broken rootDiffers 40",
            { $0[40] = Self.rehashed($0[40]) { $0.replacing("staging", with: "stagins") } }
        ),
    ]

    /// The leaf's line with its hash's first digit changed.
    private static func bentHash(_ line: String) -> String {
        let parts = line.split(separator: #""leafHash":""#, maxSplits: 1).map(String.init)
        return parts[0] + #""leafHash":""# + (parts[1].hasPrefix("0") ? "1" : "0") + parts[1].dropFirst()
    }

    /// The leaf's line with another text and the hash that fits.
    private static func rehashed(_ line: String, _ change: (String) -> String) -> String {
        let parts = line.split(separator: #","entry":"#, maxSplits: 1).map(String.init)
        let text = change(String(parts[1].dropLast()))
        return parts[0].dropLast(65) + "\(MerkleHash(leaf: text.utf8))" + #"","entry":"# + text + "}"
    }

    @Test("both verifiers name the same first bad entry", arguments: tamperings.indices)
    func tampering(at place: Int) async throws {
        let tampering = Self.tamperings[place]
        var changed = lines
        tampering.change(&changed)
        try #require(changed != lines)
        #expect(words(changed) == tampering.expected, "\(tampering.name)")
        let (code, line) = try await python(["--key", log.signer.verifier.description], on: changed)
        #expect(line.hasPrefix(tampering.expected), "\(tampering.name): \(line)")
        #expect(code == (tampering.expected == "not an export" ? 2 : 1))
    }

    @Test("a checkpoint that was forged is named by us, and by Python where it has Ed25519")
    func forgedCheckpoint() async throws {
        var changed = lines
        let forger = try CheckpointSigner(name: log.signer.name, seed: Data(repeating: 3, count: 32))
        changed[2] = try AuditExportLine.checkpoint(
            note: forger.sign(Checkpoint(origin: forger.name, size: 32, root: MerkleHash(leaf: [])))
        ).text()
        #expect(words(changed) == "broken badCheckpoint 32")
        let (code, line) = try await python(["--key", log.signer.verifier.description], on: changed)
        // Without Ed25519, Python still sees that the tree hasn't this root.
        #expect(code == 1 && (line == "broken badCheckpoint 32" || line == "broken rootDiffers 32"), "\(line)")
    }

    @Test("Python agrees on all proofs of trees up to 24, and refuses bent ones")
    func pythonOnProofs() async throws {
        let hashes = log.leaves.map(\.leafHash)
        var good: [String] = []
        var bad: [String] = []
        for size in 1...24 {
            for index in 0..<size {
                let plan = try #require(MerkleProofPlan(inclusionOf: UInt64(index), in: UInt64(size)))
                let path = try #require(plan.path(Self.subtrees(hashes)))
                good.append(
                    Self.line(
                        ["leaf": hashes[index], "root": Self.root(hashes, size)], ["index": index, "size": size], path))
                bad.append(
                    Self.line(
                        ["leaf": hashes[30], "root": Self.root(hashes, size)], ["index": index, "size": size], path))
                let consistency = try #require(MerkleProofPlan(consistencyOf: UInt64(index + 1), with: UInt64(size)))
                let steps = try #require(consistency.path(Self.subtrees(hashes)))
                let sizes = ["first": index + 1, "second": size]
                good.append(
                    Self.line(
                        ["firstRoot": Self.root(hashes, index + 1), "root": Self.root(hashes, size)], sizes, steps))
                bad.append(Self.line(["firstRoot": hashes[30], "root": Self.root(hashes, size)], sizes, steps))
            }
        }
        #expect(try await python(["--proofs"], on: good).line == String(repeating: "1", count: good.count))
        #expect(try await python(["--proofs"], on: bad).line == String(repeating: "0", count: bad.count))
    }

    private static func root(_ hashes: [MerkleHash], _ size: Int) -> MerkleHash {
        var frontier = MerkleFrontier()
        for hash in hashes.prefix(size) { frontier.append(hash) }
        return frontier.root
    }

    private static func subtrees(_ hashes: [MerkleHash]) -> [MerkleSubtree: MerkleHash] {
        var all: [MerkleSubtree: MerkleHash] = [:]
        for level in 0...4 {
            for index in 0..<(hashes.count >> level) {
                all[MerkleSubtree(level: level, index: UInt64(index))] = root(
                    Array(hashes[(index << level)...]), 1 << level)
            }
        }
        return all
    }

    private static func line(_ hashes: [String: MerkleHash], _ numbers: [String: Int], _ path: [MerkleHash]) -> String {
        let members = hashes.map { "\"\($0.key)\":\"\($0.value)\"" } + numbers.map { "\"\($0.key)\":\($0.value)" }
        return "{\(members.joined(separator: ",")),\"path\":[\(path.map { "\"\($0)\"" }.joined(separator: ","))]}"
    }
}

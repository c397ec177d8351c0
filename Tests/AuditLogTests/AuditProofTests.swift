import Foundation
import TestSupport
import Testing

@testable import AuditLog

@Suite("Kept nodes and proofs in files", .timeLimit(.minutes(2)))
struct AuditProofTests {
    private let log: SampleLog
    private let proof: AuditProof

    init() throws {
        log = try SampleLog(count: 300, checkpointEvery: 100)
        proof = try Self.proof(of: 77, in: log)
    }

    /// The kept hashes of a tree, as the sequencer keeps them.
    private static func kept(_ leaves: [MerkleHash]) -> [MerkleSubtree: MerkleHash] {
        var kept: [MerkleSubtree: MerkleHash] = [:]
        var frontier = MerkleFrontier()
        for (index, leaf) in leaves.enumerated() {
            kept[MerkleSubtree(level: 0, index: UInt64(index))] = leaf
            frontier.append(leaf) { subtree, hash in
                if StoredTree.levels.contains(subtree.level) { kept[subtree] = hash }
            }
        }
        return kept
    }

    private static func proof(of index: Int, in log: SampleLog) throws -> AuditProof {
        let plan = try #require(MerkleProofPlan(inclusionOf: UInt64(index), in: UInt64(log.leaves.count)))
        let path = try #require(plan.path(fromKept: kept(log.leaves.map(\.leafHash))))
        return AuditProof(
            index: UInt64(index), canonicalText: try #require(log.leaves[index].canonicalText), path: path, note: try #require(log.checkpoints.last).note)
    }

    @Test("proofs from kept nodes hold over three kept levels, and read a few hundred hashes")
    func keptNodes() throws {
        let leaves = (0..<66_000).map { MerkleHash(leaf: "\($0)".utf8) }
        let kept = Self.kept(leaves)
        #expect(kept[MerkleSubtree(level: 16, index: 0)] != nil && kept.keys.filter { $0.level == 8 }.count == 257)
        var roots: [UInt64: MerkleHash] = [:]
        var frontier = MerkleFrontier()
        let sizes: Set<UInt64> = [1, 2, 255, 256, 257, 511, 4096, 65_535, 65_536, 65_537, 66_000]
        for leaf in leaves {
            frontier.append(leaf)
            if sizes.contains(frontier.size) { roots[frontier.size] = frontier.root }
        }
        for (size, root) in roots {
            #expect(MerkleProofPlan(rootOf: size)?.path(fromKept: kept) == [root])
            for index in Set([0, size / 3, size / 2, size - 1]) {
                let plan = try #require(MerkleProofPlan(inclusionOf: index, in: size))
                #expect(plan.sources.count <= 3 * 512)
                let path = try #require(plan.path(fromKept: kept))
                #expect(InclusionProof(index: index, size: size, path: path).proves(leaves[Int(index)], in: root))
            }
            for (first, old) in roots where first <= size {
                let path = try #require(MerkleProofPlan(consistencyOf: first, with: size)?.path(fromKept: kept))
                #expect(ConsistencyProof(first: first, second: size, path: path).proves(old, in: root))
            }
        }
        // A hash that is missing is noticed, not made up.
        var holed = kept
        holed[MerkleSubtree(level: 8, index: 3)] = nil
        #expect(MerkleProofPlan(inclusionOf: 5, in: 66_000)?.path(fromKept: holed) == nil)
        #expect(MerkleProofPlan(rootOf: 0) == nil)
    }

    @Test("a proof's file is read back, and holds everything but the key")
    func roundTrip() throws {
        let read = try AuditProof(parsing: proof.text)
        #expect(read == proof)
        let (entry, checkpoint) = try read.verify(keys: [log.signer.verifier])
        #expect(entry.id == log.leaves[77].id && checkpoint.size == 300)
        #expect(throws: AuditProofError.badCheckpoint(.unsigned)) { _ = try read.verify(keys: []) }
        let other = CheckpointSigner(generatingFor: "audit.example/log")
        #expect(throws: AuditProofError.self) { _ = try read.verify(keys: [other.verifier]) }
    }

    @Test("no byte of a proof's file can be changed")
    func everyByte() throws {
        let bytes = Array(proof.text.utf8)
        for index in bytes.indices {
            var bent = bytes
            bent[index] ^= 1
            guard let text = String(validating: bent, as: UTF8.self) else { continue }
            var isProven = true
            do { _ = try AuditProof(parsing: text).verify(keys: [log.signer.verifier]) } catch { isProven = false }
            #expect(!isProven, "byte \(index)")
        }
    }

    @Test("an entry is proven at its own place, under its own checkpoint, and nowhere else")
    func forgeries() throws {
        let other = try Self.proof(of: 78, in: log)
        let keys = [log.signer.verifier]
        let forged = [
            AuditProof(index: 78, canonicalText: proof.canonicalText, path: proof.path, note: proof.note),
            AuditProof(index: 77, canonicalText: other.canonicalText, path: proof.path, note: proof.note),
            AuditProof(index: 77, canonicalText: proof.canonicalText, path: other.path, note: proof.note),
            AuditProof(index: 77, canonicalText: proof.canonicalText, path: proof.path, note: try #require(log.checkpoints.first).note),
            AuditProof(index: 77, canonicalText: proof.canonicalText, path: Array(proof.path.dropLast()), note: proof.note),
            AuditProof(index: 377, canonicalText: proof.canonicalText, path: proof.path, note: proof.note),
        ]
        for proof in forged { #expect(throws: AuditProofError.doesNotProve(index: proof.index)) { _ = try proof.verify(keys: keys) } }
        for text in ["", "c2sp.org/tlog-proof@v1", proof.text.replacing("index 77", with: "index 077"), String(repeating: "x", count: AuditProof.maximumBytes + 1)] {
            #expect(throws: AuditProofError.self) { _ = try AuditProof(parsing: text) }
        }
    }

    @Test("an older checkpoint is the beginning of a later one, or it is said that it isn't")
    func consistency() throws {
        let kept = Self.kept(log.leaves.map(\.leafHash))
        let (old, new) = (try Checkpoint(claimedBy: log.checkpoints[0].note), try Checkpoint(claimedBy: log.checkpoints[2].note))
        let path = try #require(MerkleProofPlan(consistencyOf: old.size, with: new.size)?.path(fromKept: kept))
        try AuditConsistency.verify(path, from: old, to: new)
        let rewritten = Checkpoint(origin: old.origin, size: old.size, root: new.root)
        #expect(throws: AuditProofError.inconsistent(first: 100, second: 300)) { try AuditConsistency.verify(path, from: rewritten, to: new) }
        let elsewhere = Checkpoint(origin: "other", size: old.size, root: old.root)
        #expect(throws: AuditProofError.self) { try AuditConsistency.verify(path, from: elsewhere, to: new) }
    }

    @Test("the Python verifier agrees on a proof's file, and on one that was changed")
    func python() async throws {
        let folder = try TemporaryFolder()
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "verify_export.py").path(percentEncoded: false)
        func run(_ text: String) async throws -> TestSupport.ExitStatus {
            let file = try folder.write(text, to: "entry.tlog-proof")
            return try await Tool.run("python3", ["-B", script, "--key", log.signer.verifier.description, "--proof", file]).status
        }
        // 3: without the module for signatures.
        let genuine = try await run(proof.text)
        #expect(genuine == .exited(0) || genuine == .exited(3))
        let other = try Self.proof(of: 78, in: log)
        #expect(try await run(AuditProof(index: 77, canonicalText: other.canonicalText, path: proof.path, note: proof.note).text) == .exited(1))
        #expect(try await run(proof.text.replacing("index 77", with: "index 76")) == .exited(1))
    }

    @Test("a kept node that is not what the entries give is found, and one over entries that aren't there")
    func nodesAreChecked() throws {
        var kept = Self.kept(log.leaves.map(\.leafHash)).filter { $0.key.level > 0 }
        func finding() -> AuditFinding? {
            var verifier = AuditVerifier(checkpoints: log.checkpoints, nodes: kept, keys: [log.signer.verifier])
            for leaf in log.leaves where !verifier.add(leaf) { break }
            if case .broken(let finding) = verifier.finish() { return finding }
            return nil
        }
        #expect(kept.count == 1 && finding() == nil)
        kept[MerkleSubtree(level: 8, index: 1)] = .empty
        #expect(finding() == .nodeDiffers(level: 8, index: 1))
        kept = [MerkleSubtree(level: 8, index: 0): .empty]
        #expect(finding() == .nodeDiffers(level: 8, index: 0))
    }
}

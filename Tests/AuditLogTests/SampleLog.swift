import AuditLog
import Foundation

/// A seeded source of randomness (SplitMix64): a failing run can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

/// A log in memory, as the database holds it: leaves with their entries' rows, and signed checkpoints.
struct SampleLog {
    static let seed = Data((0..<32).map { UInt8($0) })

    var leaves: [StoredLeaf] = []
    var checkpoints: [StoredCheckpoint] = []
    let signer: CheckpointSigner

    /// - Parameter every: a checkpoint is signed each so many entries, and over the last.
    init(count: Int, checkpointEvery every: Int, origin: String = "audit.example/log") throws {
        signer = try CheckpointSigner(name: origin, seed: Self.seed)
        var frontier = MerkleFrontier()
        for index in 0..<count {
            let leaf = Self.leaf(try Self.entry(index), at: Int64(index))
            leaves.append(leaf)
            frontier.append(leaf.leafHash)
            guard (index + 1) % every == 0 || index + 1 == count else { continue }
            let checkpoint = Checkpoint(origin: origin, size: frontier.size, root: frontier.root)
            checkpoints.append(
                StoredCheckpoint(
                    size: frontier.size, note: try signer.sign(checkpoint), root: frontier.root,
                    frontier: frontier.stored))
        }
    }

    static func entry(_ index: Int) throws -> AuditEntry {
        let id = UUID(
            uuid: (
                1, 0x93, 0, 0, UInt8(index >> 16 & 255), 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, UInt8(index >> 8 & 255),
                UInt8(index & 255)
            ))
        return try AuditEntry(
            id: id, time: Date(timeIntervalSince1970: 1_795_000_000 + Double(index) / 8),
            actor: AuditActor(id: "token:0193-\(index % 7)", authentication: .token),
            action: index % 3 == 0 ? "promotion.requested" : "tag.written",
            outcome: index % 11 == 0 ? .denied : .success,
            subject: AuditEntry.Subject(
                image: index % 5 == 0 ? nil : "payments/api", digest: "sha256:" + String(repeating: "ab", count: 32),
                environment: "production", fromEnvironment: "staging", tags: ["1.2.\(index)"],
                promotionID: "0193-\(index)"),
            requestID: "r-\(index)", policyVersion: "v1",
            reason: index % 4 == 0 ? "release \u{1F680} \"\(index)\"\n" : nil,
            before: .string("queued"), after: .string("copying"),
            details: [
                "bytes": .integer(Int64(index) * 4096), "mounted": .array([.bool(true), .null]),
                "z": .object(["é": .string("ö\u{1}")]),
            ])
    }

    static func leaf(_ entry: AuditEntry, at index: Int64) -> StoredLeaf {
        StoredLeaf(
            index: index, id: entry.id, leafHash: entry.leafHash, canonicalText: entry.canonicalText,
            columns: entry.columns)
    }

    func verify() -> AuditVerification {
        var verifier = AuditVerifier(checkpoints: checkpoints, keys: [signer.verifier])
        for leaf in leaves where !verifier.add(leaf) { break }
        return verifier.finish()
    }
}

extension StoredLeaf {
    /// A copy with something else in it.
    func with(
        index: Int64? = nil, id: UUID? = nil, leafHash: MerkleHash? = nil, text: String?? = nil,
        columns: [String: String?]? = nil
    ) -> StoredLeaf {
        StoredLeaf(
            index: index ?? self.index, id: id ?? self.id, leafHash: leafHash ?? self.leafHash,
            canonicalText: text ?? canonicalText,
            columns: columns ?? self.columns)
    }
}

import Foundation

/// That an entry is in a tree whose root the log signed (RFC 6962 §2.1.1, RFC 9162 §2.1.3.2).
struct InclusionProof: Sendable, Hashable {
    static let maximumSteps = 64
    let index: UInt64
    let size: UInt64
    let root: Data
    let path: [Data]
    let checkpoint: String

    init(_ value: JSON) throws(TrustError) {
        guard let index = value["logIndex"]?.integer, let size = value["treeSize"]?.integer, index >= 0, index < size else {
            throw .malformed("the inclusion proof", reason: "its logIndex and treeSize don't fit together")
        }
        guard let checkpoint = value["checkpoint"]?["envelope"]?.text else { throw .log(reason: "the inclusion proof has no checkpoint") }
        let hashes = value["hashes"]?.items ?? []
        guard hashes.count <= Self.maximumSteps else { throw .tooLarge("the inclusion proof", limit: Self.maximumSteps) }
        var path: [Data] = []
        for hash in hashes { path.append(try Encodings.base64(hash, "the inclusion proof")) }
        self.index = UInt64(index)
        self.size = UInt64(size)
        root = try Encodings.base64(value["rootHash"], "the inclusion proof's root hash")
        self.path = path
        self.checkpoint = checkpoint
    }

    /// Checks the way from the entry to the root, and the root against the checkpoint of this log.
    func check(_ entry: Data, log: TrustedRoot.Log) throws(TrustError) {
        guard rootOf(entry) == root else { throw .log(reason: "the inclusion proof does not lead from the entry to the root") }
        let signed = try LogCheckpoint(parsing: checkpoint, signedBy: log)
        guard signed.size == size, signed.root == root else { throw .log(reason: "the checkpoint is of another tree than the inclusion proof") }
    }

    private func rootOf(_ entry: Data) -> Data? {
        var (place, last, node) = (index, size - 1, (Data([0]) + entry).sha256)
        for step in path {
            guard last > 0, step.count == 32 else { return nil }
            if place & 1 == 1 || place == last {
                node = (Data([1]) + step + node).sha256
                while place & 1 == 0, place > 0 { (place, last) = (place >> 1, last >> 1) }
            } else {
                node = (Data([1]) + node + step).sha256
            }
            (place, last) = (place >> 1, last >> 1)
        }
        return last == 0 ? node : nil
    }
}

/// A log's signed tree head as a note (C2SP tlog-checkpoint, signed-note).
struct LogCheckpoint: Sendable, Hashable {
    let size: UInt64
    let root: Data

    init(parsing note: String, signedBy log: TrustedRoot.Log) throws(TrustError) {
        guard note.utf8.count <= 16_384 else { throw .tooLarge("the checkpoint", limit: 16_384) }
        guard let gap = note.range(of: "\n\n") else { throw .malformed("the checkpoint", reason: "it has no signatures") }
        let text = String(note[..<gap.lowerBound]) + "\n"
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 4, let size = UInt64(lines[1]), let root = Data(base64Encoded: String(lines[2])), root.count == 32 else {
            throw .malformed("the checkpoint", reason: "its first three lines are not origin, size and root hash")
        }
        let signatures = note[gap.upperBound...].split(separator: "\n").prefix(16).compactMap { line -> Data? in
            let parts = line.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "\u{2014}" else { return nil }
            return Data(base64Encoded: String(parts[2]))
        }
        // Rekor's key hint is the beginning of its log id; other logs' signatures beside it (witnesses) say nothing to us.
        let own = signatures.filter { $0.count > 4 && $0.prefix(4) == log.id.prefix(4) }
        guard !own.isEmpty else { throw .log(reason: "the checkpoint is not signed by the pinned log") }
        guard own.contains(where: { log.key.isValid(Data($0.dropFirst(4)), of: Data(text.utf8)) }) else { throw .badSignature("the checkpoint") }
        self.size = size
        self.root = root
    }
}

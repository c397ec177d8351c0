import Foundation

/// Why a proof proves nothing.
public enum AuditProofError: Error, Sendable, Hashable, CustomStringConvertible {
    case malformed(String)
    case badCheckpoint(CheckpointError)
    case badEntry(AuditEntryError)
    /// The path does not lead from the entry to the checkpoint's root.
    case doesNotProve(index: UInt64)
    /// The second tree does not begin with the first.
    case inconsistent(first: UInt64, second: UInt64)

    public var description: String {
        switch self {
        case .malformed(let reason): "not a proof: \(reason)"
        case .badCheckpoint(let error): "the proof's checkpoint: \(error)"
        case .badEntry(let error): "the proof's entry: \(error)"
        case .doesNotProve(let index): "the entry is not the one that the signed checkpoint has at place \(index)"
        case .inconsistent(let first, let second):
            "the log of \(second) entries is no continuation of the log of \(first): something before entry \(first) was changed"
        }
    }
}

/// One entry with its proof, for a file (C2SP tlog-proof): its text is the extra data, then index, path, and the signed checkpoint.
///
/// Everything that is needed to believe it stands in the file, but the public key.
public struct AuditProof: Sendable, Hashable {
    static let firstLine = "c2sp.org/tlog-proof@v1"
    /// An entry in base64, 63 hashes and a note.
    public static let maximumBytes = 4 * AuditEntry.maximumBytes
    /// Most hashes of a path: a tree of 2⁶³ leaves has no longer one.
    static let maximumPath = 63

    public let index: UInt64
    /// The entry's canonical text, whose hash is the leaf.
    public let canonicalText: String
    public let path: [MerkleHash]
    /// The checkpoint as a signed note.
    public let note: String

    public init(index: UInt64, canonicalText: String, path: [MerkleHash], note: String) {
        self.index = index
        self.canonicalText = canonicalText
        self.path = path
        self.note = note
    }

    /// The file's text.
    public var text: String {
        var lines = [Self.firstLine, "extra \(Data(canonicalText.utf8).base64EncodedString())", "index \(index)"]
        lines += path.map { Data($0.bytes).base64EncodedString() }
        return lines.joined(separator: "\n") + "\n\n" + note
    }

    /// Reads the file's text; whether it proves anything, `verify` says.
    public init(parsing text: String) throws(AuditProofError) {
        guard text.utf8.count <= Self.maximumBytes else { throw .malformed("it has more than \(Self.maximumBytes) bytes") }
        // By bytes: Swift takes "\r\n" for one character.
        let parts = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)
        var lines = parts[...]
        func next() -> String? { lines.popFirst().flatMap { String(Substring($0)) } }
        guard next() == Self.firstLine else { throw .malformed("its first line is not '\(Self.firstLine)'") }
        guard let extra = next(), extra.hasPrefix("extra "), let data = SignedNote.decode(String(extra.dropFirst(6))),
            let entry = String(validating: data, as: UTF8.self)
        else { throw .malformed("its second line holds no entry") }
        guard let place = next(), place.hasPrefix("index "), let index = UInt64(place.dropFirst(6)), place == "index \(index)"
        else { throw .malformed("its third line holds no index") }
        var path: [MerkleHash] = []
        while let line = next(), !line.isEmpty {
            guard path.count < Self.maximumPath, let hash = SignedNote.decode(line).flatMap({ MerkleHash(bytes: Array($0)) }) else {
                throw .malformed("its path is malformed")
            }
            path.append(hash)
        }
        guard let first = lines.first else { throw .malformed("it has no checkpoint") }
        note = String(text.utf8[first.startIndex...]) ?? ""
        self.index = index
        self.path = path
        canonicalText = entry
    }

    /// Checks the signature, the path and the entry's form.
    ///
    /// - Parameter keys: the log's public keys; nothing in the file is believed without one of them.
    public func verify(keys: [CheckpointVerifier]) throws(AuditProofError) -> (entry: AuditEntry, checkpoint: Checkpoint) {
        let checkpoint: Checkpoint
        do { checkpoint = try CheckpointVerifier.open(note, with: keys) } catch { throw .badCheckpoint(error) }
        guard
            InclusionProof(index: index, size: checkpoint.size, path: path)
                .proves(MerkleHash(leaf: canonicalText.utf8), in: checkpoint.root)
        else { throw .doesNotProve(index: index) }
        do { return (try AuditEntry(canonical: canonicalText), checkpoint) } catch { throw .badEntry(error) }
    }
}

/// That the log of one size continues the log of a smaller one.
public struct AuditConsistency: Sendable, Hashable {
    public let proof: ConsistencyProof
    public let firstRoot: MerkleHash
    public let secondRoot: MerkleHash
    /// The signed checkpoint over the second size, where there is one.
    public let note: String?

    public init(proof: ConsistencyProof, firstRoot: MerkleHash, secondRoot: MerkleHash, note: String?) {
        self.proof = proof
        self.firstRoot = firstRoot
        self.secondRoot = secondRoot
        self.note = note
    }

    /// Checks that what an older checkpoint says still stands in the newer one. Both roots come from signed notes, never from the answer.
    public static func verify(
        _ path: [MerkleHash], from old: Checkpoint, to new: Checkpoint
    ) throws(AuditProofError) {
        guard old.origin == new.origin, ConsistencyProof(first: old.size, second: new.size, path: path).proves(old.root, in: new.root)
        else { throw .inconsistent(first: old.size, second: new.size) }
    }
}

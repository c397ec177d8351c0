public import Foundation

/// One line of an exported log (NDJSON): a header, checkpoints, the leaves in their order, an end.
///
///     {"format":"shiplift-audit-export","version":1}
///     {"checkpoint":"audit.example/log\n2\n…"}
///     {"index":0,"id":"0193…","leafHash":"6e34…","entry":{…}}
///     {"root":"fac5…","size":2}
///
/// An entry stands there with the very bytes that were hashed, so that anybody can check them without our code.
public enum AuditExportLine: Sendable, Hashable {
    case header
    case checkpoint(note: String)
    case leaf(index: Int64, id: UUID, leafHash: MerkleHash, canonicalText: String)
    /// How many leaves there were, and their root: not signed, but a file that was cut off lacks it.
    case end(size: UInt64, root: MerkleHash)

    private static let headerText = #"{"format":"shiplift-audit-export","version":1}"#
    /// An entry and what stands around it; a note, every character escaped, is shorter.
    public static let maximumBytes = 6 * SignedNote.maximumBytes + 256

    /// The line, without a newline; no line holds one.
    public func text() throws(AuditEntryError) -> String {
        switch self {
        case .header: return Self.headerText
        case .checkpoint(let note): return try Self.canonical(["checkpoint": .string(note)])
        case .leaf(let index, let id, let leafHash, let text):
            return
                #"{"index":\#(index),"id":"\#(id.uuidString.lowercased())","leafHash":"\#(leafHash)","entry":\#(text)}"#
        case .end(let size, let root):
            guard let size = Int64(exactly: size) else { throw .integerOutOfRange(.max) }
            return try Self.canonical(["root": .string(root.description), "size": .integer(size)])
        }
    }

    private static func canonical(_ members: [String: JSONValue]) throws(AuditEntryError) -> String {
        var text = ""
        try JSONValue.object(members).appendCanonical(to: &text)
        return text
    }

    /// Reads a line, without its newline. Whether an entry is what it should be is for the verifier to say.
    public init(parsing line: [UInt8]) throws(AuditEntryError) {
        guard line.count <= Self.maximumBytes else { throw .tooLarge(bytes: line.count, limit: Self.maximumBytes) }
        if line.starts(with: "{\"index\":".utf8) {
            self = try Self.leaf(line)
            return
        }
        var reader = CanonicalReader(line)
        let value = try reader.value(depth: 0)
        guard reader.isAtEnd, case .object(let members) = value else { throw .malformed("it is no line of an export") }
        if members == ["format": .string("shiplift-audit-export"), "version": .integer(1)] {
            self = .header
        } else if case .string(let note)? = members["checkpoint"], members.count == 1 {
            self = .checkpoint(note: note)
        } else if case .string(let digits)? = members["root"], case .integer(let size)? = members["size"],
            members.count == 2,
            let root = MerkleHash(hex: digits), let size = UInt64(exactly: size)
        {
            self = .end(size: size, root: root)
        } else {
            throw .malformed("it is no line of an export")
        }
    }

    private static func leaf(_ line: [UInt8]) throws(AuditEntryError) -> AuditExportLine {
        var reader = CanonicalReader(line)
        try reader.expect(#"{"index":"#)
        let index = try reader.integer()
        try reader.expect(#","id":"#)
        let id = UUID(lowercase: line[try reader.token().range])
        try reader.expect(#","leafHash":"#)
        let hash = MerkleHash(hex: line[try reader.token().range])
        try reader.expect(#","entry":"#)
        guard index >= 0, let id, let hash, line.count > reader.position, line.last == UInt8(ascii: "}"),
            let text = String(validating: line[reader.position..<line.count - 1], as: UTF8.self)
        else { throw .malformed("it is no leaf") }
        return .leaf(index: index, id: id, leafHash: hash, canonicalText: text)
    }
}

/// Why a file is no export, or not a whole one.
public enum AuditExportError: Error, Sendable, Hashable, CustomStringConvertible {
    case malformed(line: Int, reason: String)
    case misplaced(line: Int)
    case tooManyCheckpoints(limit: Int)
    /// The end says another size or root than the leaves have.
    case endDiffers(line: Int)
    case incomplete(lines: Int)

    public var description: String {
        switch self {
        case .malformed(let line, let reason): "line \(line) is not of an audit export: \(reason)"
        case .misplaced(let line):
            "line \(line) stands where it can't: an export is a header, checkpoints, leaves, an end"
        case .tooManyCheckpoints(let limit): "more than \(limit) checkpoints"
        case .endDiffers(let line): "line \(line), the export's end, is not about the leaves before it"
        case .incomplete(let lines): "after \(lines) lines the export has no end: it was cut off"
        }
    }
}

/// Checks an exported log line by line, without a database and without trusting whoever made it.
public struct AuditExportVerifier: Sendable {
    /// Most checkpoints in one export: one a minute for a year is 525,600; an export takes every tenth.
    public static let maximumCheckpoints = 100_000

    private enum Place: Sendable {
        case start, checkpoints, leaves, end
    }

    private var place = Place.start
    private var lines = 0
    private let keys: [CheckpointVerifier]
    private var checkpoints: [StoredCheckpoint] = []
    private var verifier = AuditVerifier(checkpoints: [], keys: [])

    /// - Parameters:
    ///   - notes: signed checkpoints from elsewhere, published earlier: the log in the file must continue each of them.
    ///   - keys: the log's public keys.
    public init(checkpoints notes: [String] = [], keys: [CheckpointVerifier]) throws(AuditExportError) {
        self.keys = keys
        for note in notes { try append(note) }
    }

    /// Checks the next line, without its newline. Answers whether there is any sense in going on.
    public mutating func add(_ bytes: [UInt8]) throws(AuditExportError) -> Bool {
        lines += 1
        if let missing = verifier.missing {
            // The rest of the file says whether it stands elsewhere.
            guard bytes.starts(with: "{\"index\":\(missing),".utf8) else { return true }
            verifier.turnedUp()
            return false
        }
        let line: AuditExportLine
        do throws(AuditEntryError) { line = try AuditExportLine(parsing: bytes) } catch {
            throw .malformed(line: lines, reason: error.description)
        }
        switch (line, place) {
        case (.header, .start): place = .checkpoints
        case (.checkpoint(let note), .checkpoints): try append(note)
        case (.leaf(let index, let id, let leafHash, let text), .checkpoints),
            (.leaf(let index, let id, let leafHash, let text), .leaves):
            beginLeaves()
            return verifier.add(StoredLeaf(index: index, id: id, leafHash: leafHash, canonicalText: text, columns: [:])) || verifier.missing != nil
        case (.end(let size, let root), .checkpoints), (.end(let size, let root), .leaves):
            beginLeaves()
            place = .end
            if case .intact(let seen, let computed, _) = verifier.finish(), seen != size || computed != root {
                throw .endDiffers(line: lines)
            }
        default: throw .misplaced(line: lines)
        }
        return true
    }

    private mutating func append(_ note: String) throws(AuditExportError) {
        guard checkpoints.count < Self.maximumCheckpoints else {
            throw .tooManyCheckpoints(limit: Self.maximumCheckpoints)
        }
        do throws(CheckpointError) {
            // Its size alone is needed here; whether it is genuine, the log's verifier says.
            let claimed = try Checkpoint(body: SignedNote(parsing: note).text)
            checkpoints.append(StoredCheckpoint(size: claimed.size, note: note))
        } catch {
            throw .malformed(line: lines, reason: error.description)
        }
    }

    private mutating func beginLeaves() {
        guard place == .checkpoints else { return }
        place = .leaves
        verifier = AuditVerifier(checkpoints: checkpoints, keys: keys)
        checkpoints = []
    }

    /// Ends the check.
    public func finish() throws(AuditExportError) -> AuditVerification {
        switch (place, verifier.finish()) {
        case (.end, let result): return result
        case (.leaves, .broken(let finding)): return .broken(finding)
        default: throw .incomplete(lines: lines)
        }
    }
}

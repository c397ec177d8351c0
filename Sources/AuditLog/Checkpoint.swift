import Foundation

/// A statement of a log's size and root (C2SP tlog-checkpoint), to be signed and published.
public struct Checkpoint: Sendable, Hashable {
    /// The log's name: a schema-less URL, without spaces or newlines.
    public let origin: String
    public let size: UInt64
    public let root: MerkleHash

    public init(origin: String, size: UInt64, root: MerkleHash) {
        self.origin = origin
        self.size = size
        self.root = root
    }

    /// What a signed note claims, its signatures not looked at: to know which size it is about, never to believe it.
    public init(claimedBy note: String) throws(CheckpointError) { try self.init(body: SignedNote(parsing: note).text) }

    /// Reads the lines of a checkpoint; what follows the first three is the origin's own business.
    init(body: String) throws(CheckpointError) {
        let lines = body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 4, SignedNote.isKeyName(lines[0]), let size = UInt64(lines[1]), String(size) == lines[1],
            let root = SignedNote.decode(lines[2]).flatMap({ MerkleHash(bytes: Array($0)) })
        else { throw .malformed("the first three lines are not origin, size and root") }
        self.init(origin: lines[0], size: size, root: root)
    }

    /// The three lines that are signed.
    public var body: String { "\(origin)\n\(size)\n\(Data(root.bytes).base64EncodedString())\n" }
}

/// Why a checkpoint is not believed.
public enum CheckpointError: Error, Sendable, Hashable, CustomStringConvertible {
    case malformed(String)
    case unsigned
    case badSignature(key: String)
    case badKey
    /// A key that bears another log's name was to sign, or signed.
    case otherOrigin(String)

    public var description: String {
        switch self {
        case .malformed(let reason): "not a signed checkpoint: \(reason)"
        case .unsigned: "no signature is by a known key"
        case .badSignature(let key): "the signature by \(key) is wrong"
        case .otherOrigin(let origin): "no key that signed bears the log's name '\(origin)'"
        case .badKey: "not a key of the form NAME+HASH+BASE64"
        }
    }
}

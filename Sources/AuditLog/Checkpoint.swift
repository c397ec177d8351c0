import Crypto
public import Foundation

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

    /// The three lines that are signed.
    public var body: String { "\(origin)\n\(size)\n\(Data(root.bytes).base64EncodedString())\n" }
}

/// Why a checkpoint is not believed.
public enum CheckpointError: Error, Sendable, Hashable, CustomStringConvertible {
    case malformed(String)
    case unsigned
    case badSignature(key: String)
    case badKey

    public var description: String {
        switch self {
        case .malformed(let reason): "not a signed checkpoint: \(reason)"
        case .unsigned: "no signature is by a known key"
        case .badSignature(let key): "the signature by \(key) is wrong"
        case .badKey: "not a key of the form NAME+HASH+BASE64"
        }
    }
}

/// The key that signs checkpoints (C2SP signed-note, Ed25519).
public struct CheckpointSigner: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let name: String
    private let key: Curve25519.Signing.PrivateKey

    /// - Parameters:
    ///   - name: the log's origin.
    ///   - seed: 32 bytes, secret.
    public init(name: String, seed: some ContiguousBytes) throws(CheckpointError) {
        self.name = name
        do { key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed) } catch { throw .badKey }
    }

    /// A new key.
    public init(generatingFor name: String) {
        self.name = name
        key = Curve25519.Signing.PrivateKey()
    }

    /// The 32 secret bytes, for the key's own file and nothing else.
    public func revealSeed() -> Data { key.rawRepresentation }

    public var verifier: CheckpointVerifier { CheckpointVerifier(name: name, key: key.publicKey) }

    /// The signed note: the checkpoint's lines, an empty line, the signature.
    public func sign(_ checkpoint: Checkpoint) throws(CheckpointError) -> String {
        let body = checkpoint.body
        let signature: Data
        do { signature = try key.signature(for: Data(body.utf8)) } catch { throw .badKey }
        let blob = Data(verifier.keyID) + signature
        return "\(body)\n\u{2014} \(name) \(blob.base64EncodedString())\n"
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// A public key that checks checkpoints; its text form is `NAME+HASH+BASE64` (signed-note's vkey).
public struct CheckpointVerifier: Sendable, CustomStringConvertible {
    public let name: String
    private let key: Curve25519.Signing.PublicKey

    init(name: String, key: Curve25519.Signing.PublicKey) {
        self.name = name
        self.key = key
    }

    /// Reads a vkey.
    public init(parsing text: String) throws(CheckpointError) {
        let parts = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: "+", maxSplits: 2).map(String.init)
        guard parts.count == 3, !parts[0].isEmpty, let blob = Data(base64Encoded: parts[2]), blob.count == 33, blob.first == 1 else { throw .badKey }
        do { key = try Curve25519.Signing.PublicKey(rawRepresentation: blob.dropFirst()) } catch { throw .badKey }
        name = parts[0]
        guard Self.hex(keyID) == parts[1] else { throw .badKey }
    }

    /// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)[:4].
    var keyID: [UInt8] {
        Array(SHA256.hash(data: Data(name.utf8) + [0x0A, 0x01] + key.rawRepresentation).prefix(4))
    }

    public var description: String {
        "\(name)+\(Self.hex(keyID))+\((Data([1]) + key.rawRepresentation).base64EncodedString())"
    }

    private static func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    /// Checks a signed note with the known keys. Unknown keys are ignored; a known one that fails refuses the note.
    public static func open(_ note: String, with keys: [CheckpointVerifier]) throws(CheckpointError) -> Checkpoint {
        guard note.utf8.count <= 65_536, let split = note.range(of: "\n\n", options: .backwards) else { throw .malformed("no signature block") }
        let body = String(note[..<split.lowerBound]) + "\n"
        let lines = body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard lines.count >= 4, let size = UInt64(lines[1]), String(size) == lines[1], let raw = Data(base64Encoded: lines[2]),
            let root = MerkleHash(bytes: Array(raw))
        else { throw .malformed("the first three lines are not origin, size and root") }
        var known = 0
        for line in note[split.upperBound...].split(separator: "\n").prefix(16) {
            let parts = line.split(separator: " ")
            guard parts.count == 3, parts[0] == "\u{2014}", let blob = Data(base64Encoded: String(parts[2])), blob.count > 4 else {
                throw .malformed("a signature line is malformed")
            }
            guard let verifier = keys.first(where: { $0.name == parts[1] && $0.keyID == Array(blob.prefix(4)) }) else { continue }
            guard verifier.key.isValidSignature(blob.dropFirst(4), for: Data(body.utf8)) else { throw .badSignature(key: verifier.name) }
            known += 1
        }
        guard known > 0 else { throw .unsigned }
        return Checkpoint(origin: lines[0], size: size, root: root)
    }
}

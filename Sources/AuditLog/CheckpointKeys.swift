import Crypto
public import Foundation

/// The key that signs checkpoints (C2SP signed-note, Ed25519).
public struct CheckpointSigner: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let name: String
    private let key: Curve25519.Signing.PrivateKey
    /// The key before this one, while keys are rotated: both sign.
    private let previous: Curve25519.Signing.PrivateKey?

    /// - Parameters:
    ///   - name: the log's origin.
    ///   - seed: 32 bytes, secret.
    ///   - previousSeed: of the key before this one; while it is given, both sign, so that who knows only the old key believes on.
    public init(name: String, seed: some ContiguousBytes, previousSeed: Data? = nil) throws(CheckpointError) {
        guard SignedNote.isKeyName(name) else { throw .badKey }
        self.name = name
        do {
            key = try Curve25519.Signing.PrivateKey(rawRepresentation: seed)
            previous = try previousSeed.map { try Curve25519.Signing.PrivateKey(rawRepresentation: $0) }
        } catch { throw .badKey }
    }

    /// A new key.
    public init(generatingFor name: String) {
        self.name = name
        key = Curve25519.Signing.PrivateKey()
        previous = nil
    }

    /// The 32 secret bytes, for the key's own file and nothing else.
    public func revealSeed() -> Data { key.rawRepresentation }

    public var verifier: CheckpointVerifier { CheckpointVerifier(name: name, key: key.publicKey) }

    /// The public keys of all that sign, the newest first.
    public var verifiers: [CheckpointVerifier] { [verifier] + [previous].compactMap(\.self).map { CheckpointVerifier(name: name, key: $0.publicKey) } }

    /// The signed note: the checkpoint's lines, an empty line, the signatures. A key signs for its own log only.
    public func sign(_ checkpoint: Checkpoint) throws(CheckpointError) -> String {
        guard checkpoint.origin == name, SignedNote.isKeyName(name) else { throw .otherOrigin(checkpoint.origin) }
        let body = checkpoint.body
        var note = body + "\n"
        for key in [key, previous].compactMap(\.self) {
            let signature: Data
            do { signature = try key.signature(for: Data(body.utf8)) } catch { throw .badKey }
            let blob = Data(CheckpointVerifier(name: name, key: key.publicKey).keyID) + signature
            note += "\u{2014} \(name) \(blob.base64EncodedString())\n"
        }
        return note
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
        let parts = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: "+", maxSplits: 2).map(
            String.init)
        guard parts.count == 3, SignedNote.isKeyName(parts[0]), let blob = SignedNote.decode(parts[2]),
            blob.count == 33, blob.first == 1
        else { throw .badKey }
        do { key = try Curve25519.Signing.PublicKey(rawRepresentation: blob.dropFirst()) } catch { throw .badKey }
        name = parts[0]
        guard MerkleHash.hex(keyID) == parts[1] else { throw .badKey }
    }

    /// SHA-256(name ‖ 0x0A ‖ 0x01 ‖ key)[:4].
    var keyID: [UInt8] {
        Array(SHA256.hash(data: Data(name.utf8) + [0x0A, 0x01] + key.rawRepresentation).prefix(4))
    }

    public var description: String {
        "\(name)+\(MerkleHash.hex(keyID))+\((Data([1]) + key.rawRepresentation).base64EncodedString())"
    }

    func isValid(_ signature: Data, of text: String) -> Bool { key.isValidSignature(signature, for: Data(text.utf8)) }

    /// Checks a signed note with the known keys. Unknown keys are ignored; a known one that fails refuses the note.
    ///
    /// One of the signatures must be by a key that bears the log's name: a key that signs for one log says nothing of another.
    public static func open(_ note: String, with keys: [CheckpointVerifier]) throws(CheckpointError) -> Checkpoint {
        let note = try SignedNote(parsing: note)
        let checkpoint = try Checkpoint(body: note.text)
        var names: Set<String> = []
        for signature in note.signatures {
            guard let key = keys.first(where: { $0.name == signature.name && $0.keyID == signature.keyID }) else {
                continue
            }
            guard key.isValid(signature.bytes, of: note.text) else { throw .badSignature(key: key.name) }
            names.insert(key.name)
        }
        guard !names.isEmpty else { throw .unsigned }
        guard names.contains(checkpoint.origin) else { throw .otherOrigin(checkpoint.origin) }
        return checkpoint
    }
}

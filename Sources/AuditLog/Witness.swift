import Crypto
public import Foundation

/// A witness that cosigns checkpoints (C2SP tlog-cosignature, Ed25519): it has seen that the log only ever grew.
public struct WitnessVerifier: Sendable, Hashable, CustomStringConvertible {
    /// Most bytes of an answer that holds cosignatures.
    public static let maximumAnswer = 16_384

    public let name: String
    private let rawKey: Data

    /// Reads a vkey of type 0x04, `NAME+HASH+BASE64`.
    public init(parsing text: String) throws(CheckpointError) {
        let parts = text.trimmingCharacters(in: .whitespacesAndNewlines).split(separator: "+", maxSplits: 2).map(String.init)
        guard parts.count == 3, SignedNote.isKeyName(parts[0]), let blob = SignedNote.decode(parts[2]), blob.count == 33, blob.first == 4 else { throw .badKey }
        name = parts[0]
        rawKey = Data(blob.dropFirst())
        guard MerkleHash.hex(keyID) == parts[1] else { throw .badKey }
    }

    init(name: String, rawKey: Data) {
        self.name = name
        self.rawKey = rawKey
    }

    /// SHA-256(name ‖ 0x0A ‖ 0x04 ‖ key)[:4].
    var keyID: [UInt8] { Array(SHA256.hash(data: Data(name.utf8) + [0x0A, 0x04] + rawKey).prefix(4)) }

    public var description: String { "\(name)+\(MerkleHash.hex(keyID))+\((Data([4]) + rawKey).base64EncodedString())" }

    /// This witness's cosignature of a checkpoint, out of what it answered: its line, without a newline. Lines of other keys are ignored.
    ///
    /// - Throws: `badSignature` where it is wrong, `unsigned` where there is none of this key.
    public func cosignature(in answer: String, of note: String) throws(CheckpointError) -> (line: String, at: Date) {
        guard answer.utf8.count <= Self.maximumAnswer else { throw .malformed("the witness's answer has more than \(Self.maximumAnswer) bytes") }
        let body = try SignedNote(parsing: note).text
        let signatures = try SignedNote(parsing: body + "\n" + answer).signatures
        for signature in signatures where signature.name == name && signature.keyID == keyID {
            guard let at = signed(signature.bytes, body) else { throw .badSignature(key: name) }
            return ("\u{2014} \(name) \((Data(keyID) + signature.bytes).base64EncodedString())", at)
        }
        throw .unsigned
    }

    /// When it was signed; `nil` where it was not.
    private func signed(_ bytes: Data, _ body: String) -> Date? {
        guard bytes.count == 72 else { return nil }
        let time = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard time <= UInt64(Int64.max) else { return nil }
        let message = Data("cosignature/v1\ntime \(time)\n\(body)".utf8)
        do {
            let key = try Curve25519.Signing.PublicKey(rawRepresentation: rawKey)
            return key.isValidSignature(bytes.dropFirst(8), for: message) ? Date(timeIntervalSince1970: Double(time)) : nil
        } catch { return nil }
    }
}

extension CheckpointVerifier {
    /// How many of these witnesses cosigned a note. A known witness whose cosignature is wrong refuses it.
    public static func witnesses(of note: String, _ known: [WitnessVerifier]) throws(CheckpointError) -> [String] {
        let parsed = try SignedNote(parsing: note)
        var names: [String] = []
        for witness in known where parsed.signatures.contains(where: { $0.name == witness.name && $0.keyID == witness.keyID }) {
            let block = note.dropFirst(parsed.text.count + 1)
            _ = try witness.cosignature(in: String(block), of: note)
            names.append(witness.name)
        }
        return names
    }
}

/// What is said to a witness (C2SP tlog-witness, `add-checkpoint`).
public struct WitnessRequest: Sendable, Hashable {
    /// The size that the witness cosigned last; 0 where it knows nothing of the log.
    public let old: UInt64
    public let path: [MerkleHash]
    public let note: String

    public init(old: UInt64, path: [MerkleHash], note: String) {
        self.old = old
        self.path = path
        self.note = note
    }

    public var body: String { "old \(old)\n" + path.map { Data($0.bytes).base64EncodedString() + "\n" }.joined() + "\n" + note }

    /// The size in a witness's 409 answer; `nil` where it is none.
    public static func size(in answer: String) -> UInt64? {
        let line = answer.hasSuffix("\n") ? String(answer.dropLast()) : answer
        guard let size = UInt64(line), String(size) == line else { return nil }
        return size
    }
}

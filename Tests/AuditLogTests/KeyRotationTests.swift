import Crypto
import Foundation
import Testing

@testable import AuditLog

@Suite("Keys that change, and witnesses")
struct KeyRotationTests {
    private let old = Data((0..<32).map { UInt8($0) })
    private let new = Data((0..<32).map { UInt8(100 + $0) })
    private let checkpoint = Checkpoint(origin: "audit.example/log", size: 7, root: MerkleHash(leaf: [1]))

    @Test("while keys are rotated both sign: whoever knows either believes, and whoever knows neither doesn't")
    func bothSign() throws {
        let rotating = try CheckpointSigner(name: checkpoint.origin, seed: new, previousSeed: old)
        let (before, after) = (try CheckpointSigner(name: checkpoint.origin, seed: old), try CheckpointSigner(name: checkpoint.origin, seed: new))
        let note = try rotating.sign(checkpoint)
        #expect(rotating.verifiers.map(\.description) == [after.verifier.description, before.verifier.description])
        for keys in [[before.verifier], [after.verifier], rotating.verifiers] { #expect(try CheckpointVerifier.open(note, with: keys) == checkpoint) }
        let stranger = CheckpointSigner(generatingFor: checkpoint.origin)
        #expect(throws: CheckpointError.unsigned) { _ = try CheckpointVerifier.open(note, with: [stranger.verifier]) }
        #expect(throws: CheckpointError.unsigned) { _ = try CheckpointVerifier.open(try after.sign(checkpoint), with: [before.verifier]) }
    }

    private func cosigned(_ note: String, by key: Curve25519.Signing.PrivateKey, name: String, time: UInt64 = 1_800_000_000) throws -> String {
        let body = try SignedNote(parsing: note).text
        let public_ = Data([4]) + key.publicKey.rawRepresentation
        let id = Data(SHA256.hash(data: Data(name.utf8) + [0x0A] + public_).prefix(4))
        let stamp = Data((0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * UInt64($0))) })
        let signature = try key.signature(for: Data("cosignature/v1\ntime \(time)\n\(body)".utf8))
        return "\u{2014} \(name) \((id + stamp + signature).base64EncodedString())\n"
    }

    @Test("a witness's cosignature counts for its checkpoint, its time and its key alone")
    func cosignatures() throws {
        let signer = try CheckpointSigner(name: checkpoint.origin, seed: new)
        let note = try signer.sign(checkpoint)
        let key = Curve25519.Signing.PrivateKey()
        let witness = try WitnessVerifier(parsing: WitnessVerifier(name: "w.example/1", rawKey: key.publicKey.rawRepresentation).description)
        let line = try cosigned(note, by: key, name: "w.example/1")
        let (kept, at) = try witness.cosignature(in: line, of: note)
        #expect(kept + "\n" == line && at == Date(timeIntervalSince1970: 1_800_000_000))
        // A note with it is still the log's, and says who witnessed it.
        #expect(try CheckpointVerifier.open(note + line, with: [signer.verifier]) == checkpoint)
        #expect(try CheckpointVerifier.witnesses(of: note + line, [witness]) == ["w.example/1"] && CheckpointVerifier.witnesses(of: note, [witness]) == [])
        // Lines of others are ignored; theirs alone is none.
        let other = Curve25519.Signing.PrivateKey()
        let strange = try cosigned(note, by: other, name: "w.example/2")
        #expect(try witness.cosignature(in: strange + line, of: note).line == kept)
        #expect(throws: CheckpointError.unsigned) { _ = try witness.cosignature(in: strange, of: note) }
        // Another checkpoint, another time, a bit.
        let another = try signer.sign(Checkpoint(origin: checkpoint.origin, size: 8, root: checkpoint.root))
        #expect(throws: CheckpointError.badSignature(key: "w.example/1")) { _ = try witness.cosignature(in: line, of: another) }
        let encoded = try #require(line.split(separator: " ").last).dropLast()
        var blob = try #require(Data(base64Encoded: String(encoded)))
        for place in [4, 11, 12, 75] {
            blob[place] ^= 1
            #expect(throws: CheckpointError.badSignature(key: "w.example/1")) {
                _ = try witness.cosignature(in: "\u{2014} w.example/1 \(blob.base64EncodedString())\n", of: note)
            }
            blob[place] ^= 1
        }
        for answer in ["", "ok", line.replacing("\n", with: ""), String(repeating: line, count: 20)] {
            #expect(throws: CheckpointError.self) { _ = try witness.cosignature(in: answer, of: note) }
        }
        #expect(throws: CheckpointError.badKey) { _ = try WitnessVerifier(parsing: signer.verifier.description) }
    }

    @Test("what is said to a witness, and the size in its answer")
    func requests() {
        let hash = MerkleHash(leaf: [9])
        #expect(
            WitnessRequest(old: 5, path: [hash], note: "note\n").body == "old 5\n\(Data(hash.bytes).base64EncodedString())\n\nnote\n")
        #expect(WitnessRequest(old: 0, path: [], note: "note\n").body == "old 0\n\nnote\n")
        #expect(WitnessRequest.size(in: "12\n") == 12 && WitnessRequest.size(in: "012\n") == nil && WitnessRequest.size(in: "-1") == nil && WitnessRequest.size(in: "") == nil)
    }
}

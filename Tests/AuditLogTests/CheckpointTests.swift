import Foundation
import Testing

@testable import AuditLog

@Suite("Checkpoints (C2SP signed-note, tlog-checkpoint)")
struct CheckpointTests {
    private let signer: CheckpointSigner
    private let checkpoint: Checkpoint
    private let note: String

    init() throws {
        signer = try CheckpointSigner(name: "audit.example/log", seed: SampleLog.seed)
        checkpoint = Checkpoint(origin: "audit.example/log", size: 8, root: MerkleHash(leaf: [1]))
        note = try signer.sign(checkpoint)
    }

    private func open(_ note: String) throws(CheckpointError) -> Checkpoint {
        try CheckpointVerifier.open(note, with: [signer.verifier])
    }

    @Test("the example of Go's sumdb/note: key id, public key and signature")
    func goExample() throws {
        let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        let verifier = try CheckpointVerifier(parsing: vkey)
        #expect(verifier.description == vkey)
        let seed = try #require(Data(base64Encoded: "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")).dropFirst()
        #expect(try CheckpointSigner(name: "PeterNeumann", seed: Data(seed)).verifier.description == vkey)
        let text =
            "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
        let line =
            "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
        let note = try SignedNote(parsing: text + "\n" + line)
        #expect(note.text == text)
        #expect(note.signatures.count == 1 && note.signatures[0].keyID == [0xc7, 0x4f, 0x20, 0xa3])
        #expect(verifier.isValid(note.signatures[0].bytes, of: note.text))
        #expect(!verifier.isValid(note.signatures[0].bytes, of: note.text + "\n"))
    }

    @Test("the public key of the Go checksum database parses")
    func otherKey() throws {
        let vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
        #expect(try CheckpointVerifier(parsing: vkey + "\n").description == vkey)
    }

    @Test("a checkpoint is signed and opened; the body is C2SP's")
    func roundTrip() throws {
        #expect(try open(note) == checkpoint)
        #expect(
            note.hasPrefix(
                "audit.example/log\n8\n\(Data(checkpoint.root.bytes).base64EncodedString())\n\n\u{2014} audit.example/log "
            ))
        #expect(note.hasSuffix("\n"))
    }

    @Test("every change of one bit of a note is refused")
    func everyBitCounts() {
        let bytes = Array(note.utf8)
        for at in bytes.indices {
            for bit in 0..<8 {
                var bent = bytes
                bent[at] ^= 1 << UInt8(bit)
                guard let text = String(validating: bent, as: UTF8.self) else { continue }
                #expect(throws: CheckpointError.self, "bit \(bit) of byte \(at)") { try open(text) }
            }
        }
    }

    @Test("every cut, doubled and inserted byte is refused")
    func everyByteCounts() throws {
        let bytes = Array(note.utf8)
        for at in bytes.indices {
            let (head, tail) = (Array(bytes[..<at]), Array(bytes[at...]))
            for bent: [UInt8] in [head, head + tail.dropFirst(), head + tail.prefix(1) + tail, head + [0x0A] + tail] {
                guard let text = String(validating: bent, as: UTF8.self), text != note else { continue }
                #expect(throws: CheckpointError.self, "at byte \(at)") { try open(text) }
            }
        }
        #expect(throws: CheckpointError.self) { try open(note + "\n") }
        #expect(throws: CheckpointError.self) { try open("\n" + note) }
        #expect(throws: CheckpointError.self) { try open(note.replacing("\n", with: "\r\n")) }
        #expect(throws: CheckpointError.self) { try open("") }
    }

    @Test("unknown keys are ignored, a known one that fails refuses the note, and none is not enough")
    func severalSignatures() throws {
        let stranger = try CheckpointSigner(name: "audit.example/log", seed: Data(repeating: 7, count: 32))
        let strangers = String(try #require(try stranger.sign(checkpoint).split(separator: "\n").last)) + "\n"
        #expect(try open(note + strangers) == checkpoint)
        #expect(throws: CheckpointError.unsigned) { try open(stranger.sign(checkpoint)) }
        #expect(throws: CheckpointError.unsigned) { try CheckpointVerifier.open(note, with: []) }
        // Both keys known, as while keys rotate: both must be right.
        let both = [signer.verifier, stranger.verifier]
        #expect(try CheckpointVerifier.open(note + strangers, with: both) == checkpoint)
        let other = Checkpoint(origin: checkpoint.origin, size: 9, root: checkpoint.root)
        let stale = String(try #require(try stranger.sign(other).split(separator: "\n").last)) + "\n"
        #expect(throws: CheckpointError.badSignature(key: "audit.example/log")) {
            try CheckpointVerifier.open(note + stale, with: both)
        }
        #expect(try open(note + String(repeating: strangers, count: 15)) == checkpoint)
        #expect(throws: CheckpointError.self) { try open(note + String(repeating: strangers, count: 16)) }
    }

    @Test("a forger without the key can't make a checkpoint, nor use another log's")
    func forgeries() throws {
        let forged = Checkpoint(origin: checkpoint.origin, size: 8, root: MerkleHash(leaf: [2]))
        let signature = try #require(note.split(separator: "\n").last)
        #expect(throws: CheckpointError.badSignature(key: "audit.example/log")) {
            try open(forged.body + "\n\(signature)\n")
        }
        // A log of another name with a key that the verifier knows for that other log.
        let elsewhere = try CheckpointSigner(name: "other.example/log", seed: Data(repeating: 9, count: 32))
        let theirs = try elsewhere.sign(Checkpoint(origin: "other.example/log", size: 8, root: forged.root))
        let renamed = theirs.replacing("other.example/log\n", with: "audit.example/log\n")
        #expect(throws: CheckpointError.badSignature(key: "other.example/log")) {
            try CheckpointVerifier.open(renamed, with: [signer.verifier, elsewhere.verifier])
        }
        #expect(throws: CheckpointError.otherOrigin("other.example/log")) {
            try signer.sign(Checkpoint(origin: "other.example/log", size: 1, root: .empty))
        }
        #expect(throws: CheckpointError.otherOrigin("a\nb")) {
            try signer.sign(Checkpoint(origin: "a\nb", size: 1, root: .empty))
        }
    }

    @Test("a note signed elsewhere by the same seed is ours; one by another log's key under our name is not")
    func signedByAnotherImplementation() throws {
        let body = "audit.example/log\n8\ntBP0fRPuL+bIRbLuFBr4HehY307FSaWLeXC7lmRbyNI=\n\n"
        // Both made with Python's `cryptography`; the root is that of the one leaf 0x01.
        let ours = "TD7Nd4uIG046AgKO/1maSoDPLuRfWAhrNJKH5ASni+FKnHalOahUTO/8MI1dxDrY2N0MORgmwrLWVaphitDSyf1svQo="
        let theirs = "DM4Hf2qCYY3sSnopLriIld3y5sFhPaB9YgLAp1szzQMCBDE8PGoQIEVWP8MwsBhPJOKGM50kx7zZWxQ7+O6ykboWfAY="
        #expect(try open(body + "\u{2014} audit.example/log \(ours)\n") == checkpoint)
        let elsewhere = try CheckpointSigner(name: "other.example/log", seed: Data(repeating: 9, count: 32))
        #expect(throws: CheckpointError.otherOrigin("audit.example/log")) {
            try CheckpointVerifier.open(
                body + "\u{2014} other.example/log \(theirs)\n", with: [signer.verifier, elsewhere.verifier])
        }
    }

    @Test(
        "text that is no public key is refused",
        arguments: [
            "", "a", "a+b+c", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T", "PeterNeumann+c74f20a3+",
            "+c74f20a3+ARpc2QcUPDhMQegwxbzh",
            "PeterNeumann+c74f20a3+AhJc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        ])
    func badKeys(text: String) {
        #expect(throws: CheckpointError.badKey) { try CheckpointVerifier(parsing: text) }
    }

    @Test("seeds and names that make no key are refused")
    func badSigners() {
        #expect(throws: CheckpointError.badKey) { try CheckpointSigner(name: "a", seed: Data(count: 31)) }
        #expect(throws: CheckpointError.badKey) { try CheckpointSigner(name: "a b", seed: Data(count: 32)) }
        #expect(throws: CheckpointError.badKey) { try CheckpointSigner(name: "", seed: Data(count: 32)) }
    }

    @Test("a signing key shows nothing of itself")
    func keyIsSecret() throws {
        let fresh = CheckpointSigner(generatingFor: "audit.example/log")
        #expect(fresh.revealSeed().count == 32)
        #expect("\(fresh)" == "***" && String(reflecting: fresh) == "***" && String(describing: [fresh]) == "[***]")
        var dumped = ""
        dump(fresh, to: &dumped)
        #expect(dumped == "- ***\n")
    }
}

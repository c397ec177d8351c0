import AuditLog
import Foundation
import Trust

/// Files in the data folder that only their owner may read.
enum SecretFile {
    static func write(_ text: String, to file: URL) throws {
        // Made empty with the right mode before anything is in it.
        guard FileManager.default.createFile(atPath: file.path, contents: nil, attributes: [.posixPermissions: 0o600]) else {
            throw ConfigurationError(description: "\(file.path) can't be written")
        }
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    /// The key that signs statements about promotions, in PKCS#8; made at first start, with its public part beside it.
    static func statementSigner(_ file: URL) throws -> StatementSigner {
        if let stored = FileManager.default.contents(atPath: file.path) { return try StatementSigner(pem: String(decoding: stored, as: UTF8.self)) }
        let signer = try StatementSigner()
        try write(signer.revealPEM(), to: file)
        try Data(signer.publicKey.pem.utf8).write(to: file.appendingPathExtension("pub"))
        return signer
    }

    private static func seed(_ file: URL) throws -> Data? {
        guard let stored = FileManager.default.contents(atPath: file.path) else { return nil }
        guard let seed = Data(base64Encoded: String(decoding: stored, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw ConfigurationError(description: "\(file.path) holds no key")
        }
        return seed
    }

    /// Public keys that signed checkpoints once, a line each.
    static func checkpointVerifiers(_ file: URL?) throws -> [CheckpointVerifier] {
        guard let file else { return [] }
        guard let stored = FileManager.default.contents(atPath: file.path) else { throw ConfigurationError(description: "\(file.path) can't be read") }
        return try String(decoding: stored, as: UTF8.self).split(whereSeparator: \.isNewline).map { line in
            do { return try CheckpointVerifier(parsing: String(line)) } catch { throw ConfigurationError(description: "\(file.path): \(error)") }
        }
    }

    /// The key that signs the audit log's checkpoints; made at first start, with its public part beside it.
    ///
    /// - Parameter previous: the file of the key before it, while keys are rotated.
    static func checkpointSigner(_ file: URL, origin: String, previous: URL?) throws -> CheckpointSigner {
        let previousSeed = try previous.map { previous in
            guard let seed = try seed(previous) else { throw ConfigurationError(description: "\(previous.path), the previous checkpoint key, does not exist") }
            return seed
        }
        if let seed = try seed(file) { return try CheckpointSigner(name: origin, seed: seed, previousSeed: previousSeed) }
        guard previous == nil else { throw ConfigurationError(description: "\(file.path), the new checkpoint key, does not exist") }
        let signer = CheckpointSigner(generatingFor: origin)
        try write(signer.revealSeed().base64EncodedString() + "\n", to: file)
        try Data("\(signer.verifier)\n".utf8).write(to: file.appendingPathExtension("pub"))
        return signer
    }
}

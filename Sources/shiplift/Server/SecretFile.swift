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

    /// The key that signs the audit log's checkpoints; made at first start, with its public part beside it.
    static func checkpointSigner(_ file: URL, origin: String) throws -> CheckpointSigner {
        if let stored = FileManager.default.contents(atPath: file.path) {
            guard let seed = Data(base64Encoded: String(decoding: stored, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)) else {
                throw ConfigurationError(description: "\(file.path) holds no key")
            }
            return try CheckpointSigner(name: origin, seed: seed)
        }
        let signer = CheckpointSigner(generatingFor: origin)
        try write(signer.revealSeed().base64EncodedString() + "\n", to: file)
        try Data("\(signer.verifier)\n".utf8).write(to: file.appendingPathExtension("pub"))
        return signer
    }
}

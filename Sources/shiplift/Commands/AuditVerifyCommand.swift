import APIModel
import ArgumentParser
import AuditLog
import Foundation
import HTTPTransport

extension Audit {
    /// `shiplift audit verify`
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Checks the log: the service's own, an export, or one entry's proof.",
            discussion: """
                Without a file the service reads its whole log. With --export or --proof nothing but the file and the public key is used:
                no service, no database, no network. With --checkpoint an older checkpoint, kept since it was published, must be the
                beginning of today's log.

                Exit status 0: intact. 4: something was changed; the first bad entry is named.
                """)
        @Option(help: "An exported log (NDJSON), checked offline.")
        var export: String?
        @Option(help: "A proof of one entry (from 'shiplift audit prove'), checked offline.")
        var proof: String?
        @Option(help: "A checkpoint that was published earlier, or a file of them; the log must continue it.")
        var checkpoint: [String] = []
        @Option(help: "The log's public key: a file, or the text NAME+HASH+BASE64 itself. Repeat it for keys that were rotated.")
        var key: [String] = []
        @OptionGroup var service: ServiceOptions

        func validate() throws {
            guard export == nil || proof == nil else { throw ValidationError("name one of --export and --proof") }
            guard proof == nil || checkpoint.isEmpty else { throw ValidationError("--checkpoint goes with --export, or with neither") }
            let needsKey = export != nil || proof != nil || !checkpoint.isEmpty
            guard !needsKey || !key.isEmpty else { throw ValidationError("name the log's public key with --key: nothing is believed without it") }
        }

        func run() async throws {
            let keys = try self.key.flatMap(AuditFiles.keys)
            if let export {
                try report(try AuditFiles.verify(export: export, checkpoints: try checkpoint.flatMap(AuditFiles.notes), keys: keys))
            } else if let proof {
                try verify(proof: try AuditFiles.proof(proof), keys: keys)
            } else if checkpoint.isEmpty {
                try await verifyWhole()
            } else {
                for file in checkpoint {
                    guard let newest = try AuditFiles.notes(file).last else { throw ValidationError("\(file) holds no checkpoint") }
                    try await verify(older: newest, keys: keys)
                }
            }
        }

        private func verifyWhole() async throws {
            let data = try await service.client().send(.get, "/v1/audit/verification", timeout: .seconds(3600))
            try report(try APIJSON.decoder().decode(AuditVerificationResource.self, from: data))
        }

        private func report(_ result: AuditVerificationResource) throws {
            if service.isJSON {
                try Output.json(result)
            } else if result.intact {
                Output.line("the audit log is intact: \(result.size ?? 0) entries, \(result.checkpoints ?? 0) signed checkpoints, root \(result.root ?? "")")
            } else {
                Output.line("THE AUDIT LOG WAS CHANGED: \(result.finding ?? "")")
            }
            if !result.intact { throw ExitStatus.failed }
        }

        private func verify(proof: AuditProof, keys: [CheckpointVerifier]) throws {
            let (entry, checkpoint): (AuditEntry, AuditLog.Checkpoint)
            do throws(AuditProofError) { (entry, checkpoint) = try proof.verify(keys: keys) } catch {
                Output.line("NOT PROVEN: \(error)")
                throw ExitStatus.failed
            }
            if service.isJSON { return Output.line(entry.canonicalText) }
            Output.line("proven: this is entry \(proof.index) of the log \(checkpoint.origin), under the signed checkpoint over \(checkpoint.size) entries")
            Output.line(entry.canonicalText)
        }

        private func verify(older note: String, keys: [CheckpointVerifier]) async throws {
            let client = try service.client()
            do {
                let older = try CheckpointVerifier.open(note, with: keys)
                let newest = try CheckpointVerifier.open(String(decoding: try await client.send(.get, "/v1/audit/checkpoint"), as: UTF8.self), with: keys)
                guard newest.size >= older.size else {
                    Output.line("THE AUDIT LOG WAS CHANGED: it has \(newest.size) entries, but a checkpoint was signed over \(older.size): its end was cut off")
                    throw ExitStatus.failed
                }
                let answer: AuditConsistencyResource = try await client.get(
                    "/v1/audit/consistency", query: [("from", String(older.size)), ("to", String(newest.size))])
                let path = answer.path.compactMap(MerkleHash.init(hex:))
                try AuditConsistency.verify(path, from: older, to: newest)
                Output.line("the log of \(newest.size) entries continues the one of \(older.size) that the checkpoint was signed over")
            } catch let error as CheckpointError {
                Output.line("NOT PROVEN: \(error)")
                throw ExitStatus.failed
            } catch let error as AuditProofError {
                Output.line("THE AUDIT LOG WAS CHANGED: \(error)")
                throw ExitStatus.failed
            }
        }
    }
}

/// Reads what an auditor has on disk.
enum AuditFiles {
    static func keys(_ given: String) throws -> [CheckpointVerifier] {
        let text = given.contains("+") && !FileManager.default.fileExists(atPath: given) ? given : try read(given, limit: 1 << 16)
        let lines = text.split(whereSeparator: \.isNewline).map(String.init).filter { !$0.isEmpty && !$0.hasPrefix("#") }
        guard !lines.isEmpty else { throw ValidationError("\(given) holds no key") }
        return try lines.map { line in
            do { return try CheckpointVerifier(parsing: line) } catch { throw ValidationError("\(given): \(error)") }
        }
    }

    /// The checkpoints in a file: one signed note, or a line each as `checkpoint_file` writes them.
    static func notes(_ path: String) throws -> [String] {
        let text = try read(path, limit: 64 << 20)
        guard text.hasPrefix("{") else { return [text] }
        return try text.split(whereSeparator: \.isNewline).map { line in
            guard case .checkpoint(let note) = try AuditExportLine(parsing: Array(line.utf8)) else { throw ValidationError("\(path) holds something else than checkpoints") }
            return note
        }
    }

    static func proof(_ path: String) throws -> AuditProof {
        let text = try read(path, limit: AuditProof.maximumBytes)
        do { return try AuditProof(parsing: text) } catch { throw ValidationError("\(path): \(error)") }
    }

    private static func read(_ path: String, limit: Int) throws -> String {
        let data: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            data = try file.read(upToCount: limit + 1) ?? Data()
        } catch { throw ValidationError("\(path) can't be read") }
        guard data.count <= limit, let text = String(validating: data, as: UTF8.self) else { throw ValidationError("\(path) is too large, or no text") }
        return text
    }

    /// Reads an export piece by piece: memory stays the same whatever its size.
    static func verify(export path: String, checkpoints: [String], keys: [CheckpointVerifier]) throws -> AuditVerificationResource {
        var verifier = try AuditExportVerifier(checkpoints: checkpoints, keys: keys)
        let result: AuditVerification
        do {
            try lines(of: path) { try verifier.add($0) }
            result = try verifier.finish()
        } catch let error as AuditExportError {
            return AuditVerificationResource(intact: false, size: nil, root: nil, checkpoints: nil, finding: error.description)
        }
        switch result {
        case .intact(let size, let root, let checkpoints):
            guard checkpoints > 0 else {
                let finding = "no signed checkpoint is in the file: nothing shows that it is the log"
                return AuditVerificationResource(intact: false, size: Int64(size), root: root.description, checkpoints: 0, finding: finding)
            }
            return AuditVerificationResource(intact: true, size: Int64(size), root: root.description, checkpoints: checkpoints, finding: nil)
        case .broken(let finding):
            return AuditVerificationResource(intact: false, size: nil, root: nil, checkpoints: nil, finding: finding.description)
        }
    }

    /// Hands over line after line until `body` says that it has seen enough.
    private static func lines(of path: String, _ body: ([UInt8]) throws -> Bool) throws {
        guard let file = FileHandle(forReadingAtPath: path) else { throw ValidationError("\(path) can't be read") }
        var rest: [UInt8] = []
        while let piece = try file.read(upToCount: 1 << 20), !piece.isEmpty {
            let bytes = rest + piece
            var start = 0
            while let end = bytes[start...].firstIndex(of: 0x0A) {
                guard try body(Array(bytes[start..<end])) else { return }
                start = end + 1
            }
            rest = Array(bytes[start...])
            guard rest.count <= AuditExportLine.maximumBytes else { throw ValidationError("\(path) holds a line of more than \(AuditExportLine.maximumBytes) bytes") }
        }
        if !rest.isEmpty { _ = try body(rest) }
    }
}

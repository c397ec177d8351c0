import AuditLog
import Foundation
import PromotionCore

/// Appends checkpoints to a file, a line each as in an export: on another machine's disk, or where nothing is ever overwritten.
struct FileCheckpointSink: CheckpointSink {
    let path: String

    var name: String { "file \(path)" }

    func publish(
        _ note: String, size: UInt64, after published: UInt64, path proof: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> Cosignature? {
        // What is there already is not contradicted: a database that is older than its file says so, whenever that is noticed.
        if let last = try await newest() {
            let there: Checkpoint
            do { there = try Checkpoint(claimedBy: last) } catch { throw CheckpointSinkFailure("its last line is no checkpoint: \(error)") }
            guard there.size <= size else { throw CheckpointSinkFailure("it has a checkpoint over \(there.size) entries, more than the log's \(size)") }
            if there.size == size { return nil }
        }
        do {
            let line = try AuditExportLine.checkpoint(note: note).text() + "\n"
            if !FileManager.default.fileExists(atPath: path) {
                guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o644]) else {
                    throw CheckpointSinkFailure("it can't be made")
                }
            }
            let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try file.seekToEnd()
            try file.write(contentsOf: Data(line.utf8))
            try file.synchronize()
            try file.close()
        } catch let failure as CheckpointSinkFailure { throw failure } catch { throw CheckpointSinkFailure("it can't be written: \(error)") }
        return nil
    }

    func newest() async throws(CheckpointSinkFailure) -> String? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            let end = try file.seekToEnd()
            let most = UInt64(2 * AuditExportLine.maximumBytes)
            try file.seek(toOffset: end > most ? end - most : 0)
            let tail = [UInt8](try file.readToEnd() ?? Data())
            try file.close()
            // A line that a crash cut short is not one yet.
            guard let stop = tail.lastIndex(of: 0x0A) else { return nil }
            let start = tail[..<stop].lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
            guard case .checkpoint(let note) = try AuditExportLine(parsing: Array(tail[start..<stop])) else {
                throw CheckpointSinkFailure("its last line is no checkpoint")
            }
            return note
        } catch let failure as CheckpointSinkFailure { throw failure } catch { throw CheckpointSinkFailure("it can't be read: \(error)") }
    }
}

public import AuditLog
public import Foundation

/// Brings signed checkpoints to places outside our reach, and notices when such a place has more than the database.
public struct CheckpointPublishing: Sendable {
    private let sinks: [any CheckpointSink]
    private let ledger: any CheckpointLedger
    private let keys: [CheckpointVerifier]
    private let pause: Duration

    /// - Parameter pause: the shortest time between two checkpoints for one place.
    public init(sinks: [any CheckpointSink], ledger: any CheckpointLedger, keys: [CheckpointVerifier], pause: Duration) {
        self.sinks = sinks
        self.ledger = ledger
        self.keys = keys
        self.pause = pause
    }

    /// Publishes to each place that is due, side by side: one that hangs or fails holds up no other, and no act.
    ///
    /// - Returns: what failed; it is tried again later, with growing pauses.
    public func publish() async throws(StoreError) -> [CheckpointSinkFailure] {
        do {
            return try await withThrowingTaskGroup(of: CheckpointSinkFailure?.self) { group in
                for sink in sinks { group.addTask { try await publish(to: sink) } }
                return try await group.reduce(into: []) { failures, failure in if let failure { failures.append(failure) } }
            }
        } catch let error as StoreError { throw error } catch { throw .unavailable("\(error)") }
    }

    private func publish(to sink: any CheckpointSink) async throws(StoreError) -> CheckpointSinkFailure? {
        guard let due = try await ledger.due(sink.name) else { return nil }
        let cosignature: Cosignature?
        do throws(CheckpointSinkFailure) {
            cosignature = try await sink.publish(due.note, size: due.size, after: due.published) { [ledger] first in
                try await ledger.path(from: first, to: due.size)
            }
        } catch {
            try await ledger.failed(sink.name, error.description)
            return CheckpointSinkFailure("\(sink.name): \(error)")
        }
        try await ledger.published(due.size, to: sink.name, next: pause, cosignature: cosignature)
        return nil
    }

    /// What contradicts the database at the places that can be read back: more entries than it has, or another beginning.
    ///
    /// A database that was restored from an older copy would else go on from there, and make a second history.
    public func contradictions() async throws(StoreError) -> (contradictions: [String], unreadable: [CheckpointSinkFailure]) {
        var (contradictions, unreadable): ([String], [CheckpointSinkFailure]) = ([], [])
        for sink in sinks {
            do throws(CheckpointSinkFailure) {
                guard let note = try await sink.newest() else { continue }
                if let contradiction = try await contradiction(note, at: sink.name) { contradictions.append(contradiction) }
            } catch { unreadable.append(CheckpointSinkFailure("\(sink.name): \(error)")) }
        }
        return (contradictions, unreadable)
    }

    private func contradiction(_ note: String, at place: String) async throws(CheckpointSinkFailure) -> String? {
        let published: Checkpoint
        do { published = try CheckpointVerifier.open(note, with: keys) } catch {
            return "\(place) holds a checkpoint that this log's keys did not sign (\(error)): give it a place of its own, or name its old key"
        }
        do {
            let size = try await ledger.size()
            guard published.size <= size else {
                return "the audit log has \(size) entries, but a checkpoint over \(published.size) was published to \(place): "
                    + "the database is older than what was published; restore a newer copy"
            }
            guard try await ledger.root(of: published.size) == published.root else {
                return "the first \(published.size) entries of the audit log are not those of the checkpoint that was published to \(place): "
                    + "run 'shiplift audit verify'"
            }
            return nil
        } catch { throw CheckpointSinkFailure("\(error)") }
    }
}

extension SignedMessage {
    /// A message of our own, signed as Standard Webhooks says.
    public init(id: String, at: Date, body: Data, secret: CheckSecret) {
        let timestamp = String(Int(at.timeIntervalSince1970))
        self.init(id: id, timestamp: timestamp, signature: CheckExchange.sign(id, timestamp, body, secret), body: body)
    }
}

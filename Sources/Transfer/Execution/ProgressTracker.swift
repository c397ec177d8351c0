import OCI
import Synchronization

/// Adds up what all blobs of a transfer have moved, and tells it on.
final class ProgressTracker: Sendable {
    private struct State {
        var moving: [Digest: Int64] = [:]
        var blobsDone = 0
        var blobsTotal = 0
        var bytesDone: Int64 = 0
        var bytesTotal: Int64 = 0
    }

    private let state = Mutex(State())
    private let report: @Sendable (TransferProgress) -> Void

    init(report: @escaping @Sendable (TransferProgress) -> Void) { self.report = report }

    func expect(_ descriptors: [Descriptor]) {
        tell { state in
            state.blobsTotal += descriptors.count
            state.bytesTotal += descriptors.reduce(0) { $0 + $1.size }
        }
    }

    func moving(_ digest: Digest, bytes: Int64) { tell { $0.moving[digest] = bytes } }

    func finished(_ descriptor: Descriptor) {
        tell { state in
            state.moving[descriptor.digest] = nil
            state.blobsDone += 1
            state.bytesDone += descriptor.size
        }
    }

    private func tell(_ change: (inout State) -> Void) {
        let progress = state.withLock { state in
            change(&state)
            return TransferProgress(
                blobsDone: state.blobsDone, blobsTotal: state.blobsTotal, bytesDone: state.bytesDone + state.moving.values.reduce(0, +),
                bytesTotal: state.bytesTotal)
        }
        report(progress)
    }
}

import Foundation
import HTTPTransport
import OCI
import Registry

/// Sends one blob from the source to every target that needs it: it is read once, however many targets there are.
struct BlobRelaying: Sendable {
    let source: Site
    let sourceMeter: RequestMeter
    let tracker: ProgressTracker
    let bytesRead: ByteCounter
    let places: ConcurrencyLimiter
    /// Small blobs whose bytes we have.
    let kept: [Digest: Data]
    private static let attempts = 3
    /// Seconds.
    private static let longestPause = 10.0
    /// Below this size, bytes, a blob's session is opened while the blob waits for its place: a round trip less on the way. A larger one
    /// might wait longer than a session lives.
    private static let opensAhead: Int64 = 32 << 20

    func send(_ blob: Descriptor, _ sessions: [Int: UploadSession?], _ runs: [TargetRun]) async throws(TransferError) -> BlobCopier.Failures {
        if let bytes = kept[blob.digest] { return try await sendKept(blob, bytes, sessions, runs) }
        var pending = sessions
        var failures: BlobCopier.Failures = [:]
        if blob.size < Self.opensAhead {
            for (index, upload) in await open(blob, &pending, runs, &failures) { pending[index] = .some(upload.session) }
        }
        let (ready, refused) = (pending, failures)
        let result = await places.run { () async -> Result<BlobCopier.Failures, TransferError> in
            do throws(TransferError) { return .success(try await relay(blob, ready, refused, runs)) } catch { return .failure(error) }
        }
        guard let result else {
            for case (let index, let session?) in ready { await runs[index].site.client.cancelUpload(session, meter: runs[index].meter) }
            throw .cancelled
        }
        return try result.get()
    }

    private func relay(
        _ blob: Descriptor, _ sessions: [Int: UploadSession?], _ refused: BlobCopier.Failures, _ runs: [TargetRun]
    ) async throws(TransferError) -> BlobCopier.Failures {
        var pending = sessions
        var failures = refused
        var attempt = 1
        var checkpoint: RelayCheckpoint?
        while !pending.isEmpty {
            if Task.isCancelled { throw .cancelled }
            let isLast = attempt >= Self.attempts
            let uploads = await open(blob, &pending, runs, &failures)
            guard !uploads.isEmpty else { break }
            var worst: RegistryError?
            do throws(RegistryError) {
                let report = try await BlobRelay.relay(
                    blob, from: BlobSource(client: source.client, repository: source.repository, meter: sourceMeter), to: uploads.map(\.upload),
                    resumption: checkpoint,
                    progress: { tracker.moving(blob.digest, bytes: $0.bytesSent.values.min() ?? 0) })
                bytesRead.add(report.sourceBytes)
                checkpoint = report.checkpoint ?? checkpoint
                var isOtherWay = true
                for (number, (index, _)) in uploads.enumerated() {
                    let failure = report.failures[number]
                    if report.isWorthAnotherWay[number] {
                        // Another way is no repetition; there are few of them, each tried once.
                        pending[index] = .some(report.resumable[number])
                        continue
                    }
                    try await settle(blob, runs[index], failure, isLast, index, &pending, &failures)
                    guard pending[index] != nil else { continue }
                    isOtherWay = false
                    worst = Self.slower(worst, failure)
                    pending[index] = .some(report.resumable[number])
                }
                if isOtherWay, !pending.isEmpty { continue }
            } catch {
                for (_, upload) in uploads { await upload.client.cancelUpload(upload.session, meter: upload.meter) }
                for (index, _) in uploads { pending[index] = .some(nil) }
                if case .notFound(let place, _) = error { throw .missingAtSource(place, blob.digest) }
                if case .cancelled = error { throw .cancelled }
                // Whether it was damaged on the way, the promotion's one repetition shows.
                if case .contentMismatch = error { throw .registry(error) }
                guard error.isTransient, !isLast, !Self.asksForLongPause(error) else { throw .registry(error) }
                worst = error
            }
            if let worst { try await pause(attempt, after: worst) }
            attempt += 1
        }
        return failures
    }

    /// Sends a blob whose bytes are at hand. A target that does not take it at the first try gets it from the source, like any other.
    private func sendKept(
        _ blob: Descriptor, _ bytes: Data, _ sessions: [Int: UploadSession?], _ runs: [TargetRun]
    ) async throws(TransferError) -> BlobCopier.Failures {
        var failed: [Int: UploadSession?] = [:]
        for (index, session) in sessions {
            let run = runs[index]
            do throws(RegistryError) {
                let opened = if let session { session } else { try await run.site.client.upload(run.site.repository, bytes: blob.size, meter: run.meter) }
                try await run.site.client.finishUpload(opened, bytes: bytes, digest: blob.digest, meter: run.meter)
                await run.noteCopied(blob)
            } catch {
                if case .cancelled = error { throw .cancelled }
                failed[index] = .some(nil)
            }
        }
        guard !failed.isEmpty else { return [:] }
        let reading = BlobRelaying(source: source, sourceMeter: sourceMeter, tracker: tracker, bytesRead: bytesRead, places: places, kept: [:])
        return try await reading.send(blob, failed, runs)
    }

    /// Opens the sessions that are not open yet. A target that refuses is out.
    private func open(
        _ blob: Descriptor, _ pending: inout [Int: UploadSession?], _ runs: [TargetRun], _ failures: inout BlobCopier.Failures
    ) async -> [(index: Int, upload: BlobUpload)] {
        var uploads: [(index: Int, upload: BlobUpload)] = []
        for (index, session) in pending.sorted(by: { $0.key < $1.key }) {
            let run = runs[index]
            do throws(RegistryError) {
                let opened = if let session { session } else { try await run.site.client.upload(run.site.repository, bytes: blob.size, meter: run.meter) }
                uploads.append((index, BlobUpload(client: run.site.client, session: opened, meter: run.meter)))
            } catch {
                failures[index] = .registry(error)
                pending[index] = nil
            }
        }
        return uploads
    }

    /// Takes in one target's answer. Where it is open whether the blob arrived, a look decides.
    private func settle(
        _ blob: Descriptor, _ run: TargetRun, _ failure: RegistryError?, _ isLast: Bool, _ index: Int,
        _ pending: inout [Int: UploadSession?], _ failures: inout BlobCopier.Failures
    ) async throws(RegistryError) {
        guard let failure else {
            pending[index] = nil
            await run.noteCopied(blob)
            return
        }
        if case .cancelled = failure { throw failure }
        let mayTryAgain = Self.mayTryAgain(failure)
        // Whoever loses a race for the same blob hears 400, 409 or 500: the blob may be there nevertheless.
        let mayBeThere = mayTryAgain || failure.answer?.status == 400 || failure.answer?.status == 409
        do throws(RegistryError) {
            if mayBeThere, try await run.site.client.headBlob(run.site.repository, blob.digest, meter: run.meter) != nil {
                pending[index] = nil
                await run.noteCopied(blob)
                return
            }
        } catch {
            // The look failed as well: what the upload said counts.
        }
        guard mayTryAgain, !isLast else {
            failures[index] = .registry(failure)
            pending[index] = nil
            return
        }
        pending[index] = .some(nil)
    }

    /// A token that ran out during the body is worth another try with a fresh one.
    private static func mayTryAgain(_ failure: RegistryError) -> Bool {
        guard !asksForLongPause(failure) else { return false }
        return failure.isTransient || failure.answer?.status == 401 || failure.answer?.code == "BLOB_UPLOAD_INVALID"
    }

    /// A long pause is the job's business, not a blob's.
    private static func asksForLongPause(_ failure: RegistryError) -> Bool { (retryAfter(failure) ?? 0) > longestPause }

    private static func retryAfter(_ failure: RegistryError?) -> Double? {
        guard case .rateLimited(_, _, let seconds) = failure else { return nil }
        return seconds
    }

    /// The failure that asks for the longer pause.
    private static func slower(_ one: RegistryError?, _ other: RegistryError?) -> RegistryError? {
        (retryAfter(other) ?? 0) > (retryAfter(one) ?? -1) ? other : one
    }

    /// Jitter, growing with the attempts; never shorter than a registry asked for.
    private func pause(_ attempt: Int, after failure: RegistryError) async throws(TransferError) {
        let seconds = max(Double.random(in: 0.05...(0.2 * Double(1 << attempt))), Self.retryAfter(failure) ?? 0)
        do { try await Task.sleep(for: .seconds(seconds)) } catch { throw .cancelled }
    }
}

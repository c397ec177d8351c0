import HTTPTransport
import OCI
import Registry

/// Sends blobs from the source to every target that needs them: each is read once, however many targets there are.
struct BlobCopier: Sendable {
    let source: Site
    let sourceMeter: RequestMeter
    let tracker: ProgressTracker
    let bytesRead: ByteCounter
    private static let attempts = 3
    private static let width = 4

    /// What became of each target: the first error of any of its blobs.
    typealias Failures = [Int: TransferError]

    /// Sends what each target needs, the largest blobs first. A target that fails does not stop the others.
    func copy(_ needs: [Int: [BlobNeed]], to runs: [TargetRun]) async throws(TransferError) -> Failures {
        var byDigest: [Digest: (descriptor: Descriptor, sessions: [Int: UploadSession?])] = [:]
        for (index, list) in needs {
            for need in list {
                byDigest[need.descriptor.digest, default: (need.descriptor, [:])].sessions[index] = .some(need.session)
            }
        }
        let work = byDigest.values.sorted { ($0.descriptor.size, $0.descriptor.digest) > ($1.descriptor.size, $1.descriptor.digest) }
        tracker.expect(work.map(\.descriptor))
        let results = try await bounded(work, width: Self.width) { item throws(TransferError) in
            let failures = try await send(item.descriptor, item.sessions, runs)
            tracker.finished(item.descriptor)
            return failures
        }
        return results.reduce(into: [:]) { all, failures in all.merge(failures) { first, _ in first } }
    }

    private func send(_ blob: Descriptor, _ sessions: [Int: UploadSession?], _ runs: [TargetRun]) async throws(TransferError) -> Failures {
        var pending = sessions
        var failures: Failures = [:]
        var attempt = 1
        while !pending.isEmpty {
            if Task.isCancelled { throw .cancelled }
            let isLast = attempt >= Self.attempts
            let uploads = await open(&pending, runs, &failures)
            guard !uploads.isEmpty else { break }
            do throws(RegistryError) {
                let report = try await BlobRelay.relay(
                    blob, from: BlobSource(client: source.client, repository: source.repository, meter: sourceMeter), to: uploads.map(\.upload),
                    progress: { tracker.moving(blob.digest, bytes: $0.bytesSent.values.min() ?? 0) })
                bytesRead.add(report.sourceBytes)
                for ((index, _), failure) in zip(uploads, report.failures) {
                    try await settle(blob, runs[index], failure, isLast, index, &pending, &failures)
                }
            } catch {
                for (_, upload) in uploads { await upload.client.cancelUpload(upload.session, meter: upload.meter) }
                for (index, _) in uploads { pending[index] = .some(nil) }
                if case .notFound(let place, _) = error { throw .missingAtSource(place, blob.digest) }
                if case .cancelled = error { throw .cancelled }
                guard error.isTransient, !isLast else { throw .registry(error) }
                try await pause(attempt)
            }
            attempt += 1
        }
        return failures
    }

    /// Opens the sessions that are not open yet. A target that refuses is out.
    private func open(
        _ pending: inout [Int: UploadSession?], _ runs: [TargetRun], _ failures: inout Failures
    ) async -> [(index: Int, upload: BlobUpload)] {
        var uploads: [(index: Int, upload: BlobUpload)] = []
        for (index, session) in pending.sorted(by: { $0.key < $1.key }) {
            let run = runs[index]
            do throws(RegistryError) {
                let opened = if let session { session } else { try await run.site.client.startUpload(run.site.repository, meter: run.meter) }
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
        _ pending: inout [Int: UploadSession?], _ failures: inout Failures
    ) async throws(RegistryError) {
        guard let failure else {
            pending[index] = nil
            await run.noteCopied(blob)
            return
        }
        if case .cancelled = failure { throw failure }
        // A token that ran out during the body is worth another try with a fresh one.
        let mayTryAgain = failure.isTransient || failure.answer?.status == 401 || failure.answer?.code == "BLOB_UPLOAD_INVALID"
        do throws(RegistryError) {
            if mayTryAgain, try await run.site.client.headBlob(run.site.repository, blob.digest, meter: run.meter) != nil {
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

    private func pause(_ attempt: Int) async throws(TransferError) {
        do { try await Task.sleep(for: .milliseconds(Int.random(in: 50...(200 << attempt)))) } catch { throw .cancelled }
    }
}

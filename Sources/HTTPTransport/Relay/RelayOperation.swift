import Synchronization

/// One blob from its source through a ring to its targets, all in the event loop. See ``Operation`` for who may touch
/// it when.
///
/// libcurl's callbacks move bytes and mark the relay as changed; everything that pauses, wakes, starts or ends a
/// transfer happens in ``settle(on:)``, outside of them. The last bytes are released only when size and digest agree,
/// so that no target ever receives a whole body that is wrong.
final class RelayOperation: Operation, @unchecked Sendable {
    /// Bytes at the blob's end that wait for the verdict.
    static let holdBack: Int64 = 64 * 1024

    let cancelRequested = Atomic<Bool>(false)
    let admission: Admission
    let url: String
    let request: RelayRequest
    let ring: RelayRing
    /// Set by the caller before the operation is posted.
    var continuation: CheckedContinuation<Result<RelayOutcome, HTTPTransportError>, Never>?

    private var source: RelaySource?
    private var uploads: [RelayUpload] = []
    private var hash: ContentHash?
    private var trail = HashTrail()
    private var verdict: RelayReport.Verdict?
    private var haveTargetsStarted = false
    private var reported: RelayProgress?
    private unowned var loop: EventLoop?

    init(_ request: RelayRequest) {
        self.request = request
        url = request.source.url.redacted
        admission = Admission(request.source.url, request.sourceSettings)
        let reached = request.targets.map(\.offset).min() ?? 0
        let known = request.resumption?.state(before: min(reached, request.expectedBytes))
        hash = known?.hash ?? ContentHash(request.algorithm)
        ring = RelayRing(blobBytes: request.expectedBytes, start: known?.position ?? 0)
    }

    /// What libcurl moves at once: half the ring, less for small blobs.
    var bufferBytes: Int { max(16 * 1024, min(512 * 1024, ring.capacity / 2)) }

    /// What each target is given at once: however many there are, their buffers together are no larger than one target's.
    var uploadBufferBytes: Int { max(16 * 1024, bufferBytes / max(1, request.targets.count)) }

    /// Bytes that targets may have by now.
    var releasedBytes: Int64 {
        if verdict == .verified { return request.expectedBytes }
        return min(ring.head, max(0, request.expectedBytes - Self.holdBack))
    }

    /// The first byte that a target still needs.
    private var tail: Int64 {
        var tail = ring.head
        for upload in uploads where !upload.isOver { tail = min(tail, upload.cursor) }
        return tail
    }

    var freeBytes: Int { ring.free(tail: tail) }

    // MARK: From within libcurl

    /// Takes bytes that fit.
    func take(_ bytes: UnsafeRawBufferPointer) {
        unsafe hash?.update(bytes)
        unsafe ring.write(bytes, tail: tail)
        if let hash { trail.note(hash, at: ring.head) }
        changed()
    }

    func changed() {
        loop?.settleLater(self)
    }

    // MARK: Operation

    func begin(on loop: EventLoop) {
        self.loop = loop
        guard hash != nil else {
            return finish(.failure(.other(url: url, code: 0, message: "the digest can't be computed")), on: loop)
        }
        uploads = request.targets.map { RelayUpload($0, of: self) }
        let source = RelaySource(of: self)
        self.source = source
        source.ask(on: loop)
        settle(on: loop)
    }

    func transfer(_ transfer: Transfer, didEnd failure: HTTPTransportError?, on loop: EventLoop) {
        if let upload = uploads.first(where: { $0.transfer === transfer }) {
            upload.didEnd(failure)
        } else {
            source?.didEnd(failure)
        }
        settle(on: loop)
    }

    func tick(_ now: ContinuousClock.Instant, on loop: EventLoop) {
        source?.tick(now, on: loop)
        for upload in uploads { upload.tick(now, on: loop) }
        reportProgress()
        settle(on: loop)
    }

    func abort(_ error: HTTPTransportError, on loop: EventLoop) {
        finish(.failure(error), on: loop)
    }

    func refuse(_ error: HTTPTransportError) {
        continuation?.resume(returning: .failure(error))
        continuation = nil
    }

    func settle(on loop: EventLoop) {
        guard continuation != nil, let source else { return }
        if let refusal = source.refusal { return finish(.success(.sourceRefused(refusal)), on: loop) }
        if judge(source, on: loop) { return }
        startTargets(source, on: loop)
        if uploads.allSatisfy(\.isOver), haveTargetsStarted { return finishWithReport(source, on: loop) }
        if case .waiting(let until) = source.state, until <= .now { source.ask(on: loop) }
        source.resumeIfRoom()
        for upload in uploads where !upload.isOver {
            upload.startNextPart(on: loop)
            upload.resumeIfUseful()
        }
    }

    /// Whether all bytes came and are the promised ones.
    var isVerified: Bool { verdict == .verified }

    // MARK: Steps

    /// Decides about a source that has come to its end; true when the relay is over.
    private func judge(_ source: RelaySource, on loop: EventLoop) -> Bool {
        guard verdict == nil else { return false }
        switch source.state {
        case .complete:
            let found = hash?.finish() ?? ""
            guard found == request.expectedHex.lowercased() else {
                refuseContent(.digestMismatch(url: url, expected: request.expectedHex, found: found), on: loop)
                return false
            }
            verdict = .verified
            return false
        case .failed(let cause):
            guard source.isAccepted else {
                finish(.failure(cause), on: loop)
                return true
            }
            if case .sizeMismatch = cause {
                refuseContent(cause, on: loop)
            } else {
                refuseContent(.sourceFailed(url: url, afterBytes: ring.head, cause: cause), on: loop)
            }
            return false
        case .asking, .refused, .reading, .waiting:
            return false
        }
    }

    /// The bytes are not those that were promised: every target loses its connection before the last of them.
    private func refuseContent(_ error: HTTPTransportError, on loop: EventLoop) {
        verdict = .refused(error)
        haveTargetsStarted = true
        for upload in uploads { upload.abort(error, on: loop) }
    }

    /// An empty blob has no last bytes to hold back: its targets start after the verdict.
    private func startTargets(_ source: RelaySource, on loop: EventLoop) {
        guard !haveTargetsStarted, source.isAccepted, request.expectedBytes > 0 || verdict == .verified else { return }
        haveTargetsStarted = true
        for upload in uploads { upload.start(on: loop) }
    }

    private func finishWithReport(_ source: RelaySource, on loop: EventLoop) {
        reportProgress()
        var outcomes: [Int: RelayReport.TargetOutcome] = [:]
        for upload in uploads { outcomes[upload.target.id] = upload.outcome }
        let report = RelayReport(
            targets: outcomes, verdict: verdict ?? .undetermined, sourceBytes: source.bytesRead,
            resumes: source.resumes,
            peakBufferedBytes: ring.peak,
            bytesSent: Dictionary(uploads.map { ($0.target.id, $0.sentBytes) }) { first, _ in first },
            partURLs: uploads.reduce(into: [:]) { $0[$1.target.id] = $1.partURL },
            checkpoint: RelayCheckpoint(trail, entityTag: source.entityTag))
        finish(.success(.relayed(report)), on: loop)
    }

    private func finish(_ result: Result<RelayOutcome, HTTPTransportError>, on loop: EventLoop) {
        source?.stop(on: loop)
        for upload in uploads { upload.abort(.cancelled(url: upload.url), on: loop) }
        continuation?.resume(returning: result)
        continuation = nil
        loop.ended(self)
    }

    private func reportProgress() {
        guard let progress = request.progress, haveTargetsStarted else { return }
        let sent = uploads.map { ($0.target.id, $0.sentBytes) }
        let now = RelayProgress(bytesRead: ring.head, bytesSent: Dictionary(sent) { first, _ in first })
        guard now != reported else { return }
        reported = now
        progress(now)
    }
}

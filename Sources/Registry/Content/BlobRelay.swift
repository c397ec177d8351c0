import Foundation
public import HTTPTransport
public import OCI

/// Where a blob is read from.
public struct BlobSource: Sendable {
    public let client: RegistryClient
    public let repository: RepositoryName
    public let meter: RequestMeter?

    public init(client: RegistryClient, repository: RepositoryName, meter: RequestMeter? = nil) {
        self.client = client
        self.repository = repository
        self.meter = meter
    }
}

/// An upload that waits for a blob.
public struct BlobUpload: Sendable {
    public let client: RegistryClient
    public let session: UploadSession
    public let meter: RequestMeter?

    public init(client: RegistryClient, session: UploadSession, meter: RequestMeter? = nil) {
        self.client = client
        self.session = session
        self.meter = meter
    }
}

/// What became of a relayed blob.
public struct BlobRelayReport: Sendable {
    /// By the order of the uploads; `nil` is success.
    public let failures: [RegistryError?]
    /// By the order of the uploads: where one that broke can go on; `nil` where it can't, or need not.
    public let resumable: [UploadSession?]
    /// By the order of the uploads: whether the registry did not like how the blob was sent, and there is another way, which has been
    /// noted in its profile.
    public let isWorthAnotherWay: [Bool]
    /// Bytes read from the source.
    public let sourceBytes: Int64
    /// Where another relay of the blob can go on reading.
    public let checkpoint: RelayCheckpoint?
}

/// Moves a blob from one registry to others: read once, hashed on the way, never on disk.
public enum BlobRelay {
    private static let maximumRedirects = 5

    /// - Throws: where the source could not be read; no upload has then received a complete body.
    public static func relay(
        _ blob: Descriptor, from source: BlobSource, to uploads: [BlobUpload], resumption: RelayCheckpoint? = nil,
        progress: (@Sendable (RelayProgress) -> Void)? = nil
    ) async throws(RegistryError) -> BlobRelayReport {
        let place = source.client.place(source.repository, blob.digest.description)
        var call = RegistryClient.Call(
            method: .get, url: try source.client.url("\(source.repository)/blobs/\(blob.digest)"),
            scopes: [TokenScope(repository: source.repository, access: .pull)], place: place, meter: source.meter)
        // A session may be older than its registry's wish to be left alone.
        for upload in uploads { guard await upload.client.limiter.keepSilence() else { throw .cancelled(place) } }
        let (targets, refused) = await targets(blob, uploads)
        guard !targets.isEmpty else {
            return BlobRelayReport(
                failures: uploads.indices.map { refused[$0] }, resumable: uploads.map { _ in nil },
                isWorthAnotherWay: uploads.map { _ in false }, sourceBytes: 0, checkpoint: resumption)
        }
        var hasLoggedIn = false
        var redirects = 0
        while true {
            let request = RelayRequest(
                source: try await source.client.request(for: call, life: 5), sourceSettings: source.client.endpoint.connection,
                expectedBytes: blob.size, algorithm: blob.digest.algorithm == .sha256 ? .sha256 : .sha512, expectedHex: blob.digest.hex,
                targets: targets, resumption: resumption, progress: progress)
            source.meter?.count("get")
            switch try await run(request, source, place) {
            case .relayed(let report): return try await result(of: report, blob, uploads, targets, refused, place)
            case .sourceRefused(let response):
                source.client.traffic.answered(response, bytesSent: 0)
                await source.client.limiter.answered(
                    overloaded: response.status == 429 || response.status == 503, retryAfter: ErrorResponse.retryAfter(response))
                switch response.status {
                case 401 where !hasLoggedIn && call.url.origin == source.client.endpoint.url.origin:
                    hasLoggedIn = true
                    guard try await source.client.authenticator.learn(from: response, refused: request.source.fields["Authorization"]) else {
                        throw ErrorResponse.error(response, at: place)
                    }
                case 301, 302, 303, 307, 308:
                    redirects += 1
                    guard redirects <= maximumRedirects else { throw .malformed(place, "more than \(maximumRedirects) redirects") }
                    call.url = try source.client.target(of: response, from: call.url, place, why: "a redirect")
                default: throw ErrorResponse.error(response, at: place)
                }
            }
        }
    }

    private static func run(_ request: RelayRequest, _ source: BlobSource, _ place: RegistryPlace) async throws(RegistryError) -> RelayOutcome {
        let result = await source.client.limiter.run { () async -> Result<RelayOutcome, HTTPTransportError> in
            do throws(HTTPTransportError) {
                return .success(
                    try await source.client.traffic.counting { () async throws(HTTPTransportError) in try await source.client.http.relay(request) })
            } catch { return .failure(error) }
        }
        switch result {
        case nil, .failure(.cancelled): throw .cancelled(place)
        case .success(let outcome): return outcome
        case .failure(let error): throw failure(error, place)
        }
    }

    /// The targets, and why some can't be asked: that is no reason for the others to go without.
    private static func targets(_ blob: Descriptor, _ uploads: [BlobUpload]) async -> (targets: [RelayTarget], refused: [Int: RegistryError]) {
        var targets: [RelayTarget] = []
        var refused: [Int: RegistryError] = [:]
        for (id, upload) in uploads.enumerated() {
            do throws(RegistryError) { targets.append(try await target(id, blob, upload)) } catch { refused[id] = error }
        }
        return (targets, refused)
    }

    private static func target(_ id: Int, _ blob: Descriptor, _ upload: BlobUpload) async throws(RegistryError) -> RelayTarget {
        let step = try UploadStep(blob, upload)
        // At 1 MB/s the token must still be good when the body ends; the longest lives are up to the token service.
        let life = min(Double(blob.size - upload.session.offset) / 1_000_000 + 5, 45)
        return step.target(id, try await upload.client.request(for: step.first, life: life))
    }

    private static func result(
        of report: RelayReport, _ blob: Descriptor, _ uploads: [BlobUpload], _ targets: [RelayTarget], _ refused: [Int: RegistryError], _ place: RegistryPlace
    ) async throws(RegistryError) -> BlobRelayReport {
        for target in targets { uploads[target.id].meter?.count(target.request.method.rawValue.lowercased()) }
        for (id, outcome) in report.targets {
            let traffic = uploads[id].client.traffic
            traffic.moved(bytesIn: 0, bytesOut: Int((report.bytesSent[id] ?? 0) - uploads[id].session.offset))
            guard case .answered(let response) = outcome else {
                traffic.failed()
                continue
            }
            traffic.answered(response, bytesSent: 0)
            await uploads[id].client.limiter.answered(
                overloaded: response.status == 429 || response.status == 503, retryAfter: ErrorResponse.retryAfter(response))
        }
        if case .refused(let error) = report.verdict { throw failure(error, place) }
        var failures: [RegistryError?] = []
        var resumable: [UploadSession?] = []
        var isWorthAnotherWay: [Bool] = []
        for (id, upload) in uploads.enumerated() {
            let place = upload.client.place(upload.session.repository, blob.digest.description)
            switch report.targets[id] {
            case .answered(let response): failures.append(upload.client.uploadFailure(response, upload.session, blob.digest, place))
            case .failed(let error): failures.append(Self.failure(error, place))
            case nil: failures.append(refused[id] ?? .cancelled(place))
            }
            let target = targets.first { $0.id == id }
            if case .answered(let response) = report.targets[id], let target {
                isWorthAnotherWay.append(upload.client.learnFromRefusal(response, upload.session, target, blob))
            } else {
                isWorthAnotherWay.append(false)
            }
            var session = upload.session
            if let url = report.partURLs[id] { session.url = url }
            resumable.append(try await goingOn(upload, session, report.targets[id], failures[id], sent: report.bytesSent[id] ?? 0, blob, place))
        }
        return BlobRelayReport(failures: failures, resumable: resumable, isWorthAnotherWay: isWorthAnotherWay, sourceBytes: report.sourceBytes, checkpoint: report.checkpoint)
    }

    /// Where an upload that broke can go on: as its last answer says, or else its session.
    private static func goingOn(
        _ upload: BlobUpload, _ session: UploadSession, _ outcome: RelayReport.TargetOutcome?, _ failure: RegistryError?, sent: Int64, _ blob: Descriptor, _ place: RegistryPlace
    ) async throws(RegistryError) -> UploadSession? {
        guard let failure else { return nil }
        switch outcome {
        case .answered(let response) where response.status == 416:
            return try upload.client.continued(session, response, sent: sent, place)
        case .answered(let response) where response.status >= 500 || response.status == 401:
            return try await upload.client.resumable(session, sent: sent, meter: upload.meter)
        case .failed(let error) where failure.isTransient && error.isRetryable:
            return try await upload.client.resumable(session, sent: sent, meter: upload.meter)
        default: return nil
        }
    }

    private static func failure(_ error: HTTPTransportError, _ place: RegistryPlace) -> RegistryError {
        switch error {
        case .digestMismatch, .sizeMismatch: .contentMismatch(place, "\(error)")
        default: RegistryClient.failure(error, place)
        }
    }
}

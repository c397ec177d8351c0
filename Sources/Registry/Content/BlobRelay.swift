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
    /// Bytes read from the source.
    public let sourceBytes: Int64
}

/// Moves a blob from one registry to others: read once, hashed on the way, never on disk.
public enum BlobRelay {
    private static let maximumRedirects = 5

    /// - Throws: where the source could not be read; no upload has then received a complete body.
    public static func relay(
        _ blob: Descriptor, from source: BlobSource, to uploads: [BlobUpload], progress: (@Sendable (RelayProgress) -> Void)? = nil
    ) async throws(RegistryError) -> BlobRelayReport {
        let place = source.client.place(source.repository, blob.digest.description)
        var call = RegistryClient.Call(
            method: .get, url: try source.client.url("\(source.repository)/blobs/\(blob.digest)"),
            scopes: [TokenScope(repository: source.repository, access: .pull)], place: place, meter: source.meter)
        // A session may be older than its registry's wish to be left alone.
        for upload in uploads { guard await upload.client.limiter.keepSilence() else { throw .cancelled(place) } }
        let (targets, refused) = await targets(blob, uploads)
        guard !targets.isEmpty else { return BlobRelayReport(failures: uploads.indices.map { refused[$0] }, sourceBytes: 0) }
        var hasLoggedIn = false
        var redirects = 0
        while true {
            let request = RelayRequest(
                source: try await source.client.request(for: call, life: 5), sourceSettings: source.client.endpoint.connection,
                expectedBytes: blob.size, algorithm: blob.digest.algorithm == .sha256 ? .sha256 : .sha512, expectedHex: blob.digest.hex,
                targets: targets, progress: progress)
            source.meter?.count("get")
            switch try await run(request, source, place) {
            case .relayed(let report): return try await result(of: report, blob, uploads, refused, place)
            case .sourceRefused(let response):
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
            do throws(HTTPTransportError) { return .success(try await source.client.http.relay(request)) } catch { return .failure(error) }
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
        let place = upload.client.place(upload.session.repository, blob.digest.description)
        let call = RegistryClient.Call(
            method: .put, url: try upload.client.finishingURL(upload.session, blob.digest, place),
            fields: [("Content-Type", "application/octet-stream")],
            scopes: [TokenScope(repository: upload.session.repository, access: .push)], place: place, meter: upload.meter)
        // At 1 MB/s the token must still be good when the body ends; the longest lives are up to the token service.
        let life = min(Double(blob.size) / 1_000_000 + 5, 45)
        return RelayTarget(id: id, request: try await upload.client.request(for: call, life: life), settings: upload.client.endpoint.connection)
    }

    private static func result(
        of report: RelayReport, _ blob: Descriptor, _ uploads: [BlobUpload], _ refused: [Int: RegistryError], _ place: RegistryPlace
    ) async throws(RegistryError) -> BlobRelayReport {
        for (id, outcome) in report.targets {
            uploads[id].meter?.count("put")
            guard case .answered(let response) = outcome else { continue }
            await uploads[id].client.limiter.answered(
                overloaded: response.status == 429 || response.status == 503, retryAfter: ErrorResponse.retryAfter(response))
        }
        if case .refused(let error) = report.verdict { throw failure(error, place) }
        var failures: [RegistryError?] = []
        for (id, upload) in uploads.enumerated() {
            let place = upload.client.place(upload.session.repository, blob.digest.description)
            switch report.targets[id] {
            case .answered(let response): failures.append(upload.client.uploadFailure(response, blob.digest, place))
            case .failed(let error): failures.append(Self.failure(error, place))
            case nil: failures.append(refused[id] ?? .cancelled(place))
            }
        }
        return BlobRelayReport(failures: failures, sourceBytes: report.sourceBytes)
    }

    private static func failure(_ error: HTTPTransportError, _ place: RegistryPlace) -> RegistryError {
        switch error {
        case .cancelled: .cancelled(place)
        case .digestMismatch, .sizeMismatch: .contentMismatch(place, "\(error)")
        default: .unreachable(place, error)
        }
    }
}

public import Foundation
import HTTPTransport
public import OCI

/// What a probe found out.
public struct ProbeReport: Sendable, Hashable, Codable {
    public var profile = RegistryProfile()
    /// Whether the credentials may write; nothing else is known where they may not.
    public var mayWrite = true
    /// What was asked and answered, a sentence each.
    public var findings: [String] = []
    /// What could not be taken away again.
    public var leftBehind: [String] = []
    public var requests = 0

    public init() {}
}

/// Finds out what a registry can do, by doing it in two scratch repositories: a few small blobs and three manifests, which are deleted
/// again where the registry deletes.
public struct RegistryProbe: Sendable {
    let client: RegistryClient
    let scratch: RepositoryName
    let second: RepositoryName
    let meter = RequestMeter()

    /// - Parameters:
    ///   - scratch: a repository that nobody else uses.
    ///   - second: another one, to mount into.
    public init(client: RegistryClient, scratch: RepositoryName, second: RepositoryName) {
        self.client = client
        self.scratch = scratch
        self.second = second
    }

    /// Some thirty small requests, one after the other.
    ///
    /// - Parameter id: makes what is put this probe's own.
    /// - Throws: where the registry can't be reached, or asks to be left alone.
    public func run(id: UUID) async throws(RegistryError) -> ProbeReport {
        var report = ProbeReport()
        let content = ProbeContent(id: id)
        defer { report.requests = meter.requests.values.reduce(0, +) }
        guard try await sendWhole(content.first, &report) else {
            report.requests = meter.requests.values.reduce(0, +)
            return report
        }
        try await sendInOneRequest(content.second, &report)
        try await sendInParts(content.third, &report)
        _ = try await put(content.empty, in: scratch)
        let isMountable = try await mount(content.first, &report, isCommitted: false)
        if try await putManifests(content, &report) {
            if !isMountable { _ = try await mount(content.first, &report, isCommitted: true) }
            try await askForReferrers(content, &report)
        }
        try await clean(content, &report)
        report.requests = meter.requests.values.reduce(0, +)
        return report
    }

    // MARK: Requests

    func send(
        _ method: HTTPMethod, _ url: HTTPURL, _ repository: RepositoryName, fields: [(String, String)] = [], body: Data? = nil,
        access: TokenScope.Access = .push, from source: RepositoryName? = nil
    ) async throws(RegistryError) -> HTTPResponse {
        var call = RegistryClient.Call(
            method: method, url: url, fields: fields, body: body.map(Array.init), scopes: [TokenScope(repository: repository, access: access)],
            place: client.place(repository), maximumBytes: ManifestLimits.bytes, isRepeatable: false, meter: meter)
        if let source { call.scopes.append(TokenScope(repository: source, access: .pull)) }
        let response = try await client.sendAuthorized(call)
        // Whoever is asked to leave a registry alone learns nothing from it.
        if response.status == 429 || response.status == 503 { throw ErrorResponse.error(response, at: call.place) }
        return response
    }

    private func open(_ repository: RepositoryName, query: [(String, String)] = [], body: Data = Data(), from source: RepositoryName? = nil) async throws(RegistryError)
        -> HTTPResponse
    {
        let fields = [("Content-Type", "application/octet-stream")]
        return try await send(.post, try client.url("\(repository)/blobs/uploads/", query: query), repository, fields: fields, body: body, from: source)
    }

    private func next(_ response: HTTPResponse, _ repository: RepositoryName) throws(RegistryError) -> HTTPURL {
        guard response.fields["Location"] != nil else { return response.url }
        return try client.target(of: response, from: response.url, client.place(repository), why: "an upload session")
    }

    private func finish(_ session: HTTPURL, _ blob: Data, _ repository: RepositoryName, body: Data) async throws(RegistryError) -> HTTPResponse {
        let url = try client.finishingURL(UploadSession(url: session, repository: repository), Digest(hashing: blob), client.place(repository))
        return try await send(.put, url, repository, fields: [("Content-Type", "application/octet-stream")], body: body)
    }

    /// Sends a blob by POST and PUT; its last answer.
    private func put(_ blob: Data, in repository: RepositoryName) async throws(RegistryError) -> HTTPResponse {
        let opened = try await open(repository)
        guard opened.status == 202 else { return opened }
        return try await finish(try next(opened, repository), blob, repository, body: blob)
    }

    // MARK: Blobs

    /// Whether a blob got there, by whatever way.
    private func sendWhole(_ blob: Data, _ report: inout ProbeReport) async throws(RegistryError) -> Bool {
        let answer = try await put(blob, in: scratch)
        report.findings.append("POST and PUT: \(answer.status)")
        if answer.status == 201 || answer.status == 204 {
            report.profile.upload = .put
            return true
        }
        if [401, 403].contains(answer.status) || (answer.status == 404 && answer.url.path.hasSuffix("/uploads/")) {
            report.mayWrite = false
            let words = ErrorResponse.answer(answer)
            report.findings.append("\(scratch) can't be written: \([words.code, words.message].filter { !$0.isEmpty }.joined(separator: " "))")
            return false
        }
        let opened = try await open(scratch)
        guard opened.status == 202 else { return false }
        let sent = try await send(.patch, try next(opened, scratch), scratch, fields: [("Content-Type", "application/octet-stream")], body: blob)
        guard (200..<300).contains(sent.status) else { return false }
        let ended = try await finish(try next(sent, scratch), blob, scratch, body: Data())
        report.findings.append("POST, PATCH and PUT: \(ended.status)")
        guard ended.status == 201 || ended.status == 204 else { return false }
        report.profile.upload = .patch
        return true
    }

    private func sendInOneRequest(_ blob: Data, _ report: inout ProbeReport) async throws(RegistryError) {
        let answer = try await open(scratch, query: [("digest", Digest(hashing: blob).description)], body: blob)
        report.findings.append("single POST: \(answer.status)")
        if answer.status == 202 { try await giveUp(answer, scratch) }
        // It is believed when the blob is there.
        guard answer.status == 201, try await head(blob, in: scratch) else { return }
        report.profile.upload = .post
    }

    private func sendInParts(_ blob: Data, _ report: inout ProbeReport) async throws(RegistryError) {
        let opened = try await open(scratch)
        guard opened.status == 202 else { return }
        let half = blob.count / 2
        guard (opened.fields["OCI-Chunk-Min-Length"].flatMap { Int($0) } ?? 0) <= half else {
            report.findings.append("parts: not tried, the registry asks for large ones")
            return try await giveUp(opened, scratch)
        }
        func fields(_ range: String) -> [(String, String)] { [("Content-Type", "application/octet-stream"), ("Content-Range", range)] }
        let first = try await send(.patch, try next(opened, scratch), scratch, fields: fields("0-\(half - 1)"), body: blob.prefix(half))
        guard (200..<300).contains(first.status) else {
            report.profile.chunked = false
            report.findings.append("parts: \(first.status)")
            return try await giveUp(opened, scratch)
        }
        var session = try next(first, scratch)
        let status = try await send(.get, session, scratch)
        report.profile.resume = (200..<300).contains(status.status) && RegistryClient.bytesHeld(status) == Int64(half)
        report.findings.append("how far an upload is: \(status.status)\(status.fields["Range"].map { ", Range: " + ErrorResponse.clean($0, 40) } ?? "")")
        if (200..<300).contains(status.status), status.fields["Location"] != nil { session = try next(status, scratch) }
        let rest = try await send(.patch, session, scratch, fields: fields("\(half)-\(blob.count - 1)"), body: blob.dropFirst(half))
        guard (200..<300).contains(rest.status) else {
            report.profile.chunked = false
            report.findings.append("second part: \(rest.status)")
            return
        }
        let ended = try await finish(try next(rest, scratch), blob, scratch, body: Data())
        report.profile.chunked = ended.status == 201 || ended.status == 204
        report.findings.append("upload in parts: \(ended.status)")
    }

    private func head(_ blob: Data, in repository: RepositoryName) async throws(RegistryError) -> Bool {
        try await send(.head, try client.url("\(repository)/blobs/\(Digest(hashing: blob))"), repository, access: .pull).status == 200
    }

    private func giveUp(_ opened: HTTPResponse, _ repository: RepositoryName) async throws(RegistryError) {
        await client.cancelUpload(UploadSession(url: try next(opened, repository), repository: repository), meter: meter)
    }

    /// Whether the blob was mounted into the second repository.
    private func mount(_ blob: Data, _ report: inout ProbeReport, isCommitted: Bool) async throws(RegistryError) -> Bool {
        let query = [("mount", Digest(hashing: blob).description), ("from", scratch.description)]
        let answer = try await open(second, query: query, from: scratch)
        report.findings.append("mount of a blob that \(isCommitted ? "a manifest refers to" : "no manifest refers to yet"): \(answer.status)")
        if answer.status == 202 { try await giveUp(answer, second) }
        if answer.status == 201, try await head(blob, in: second) {
            report.profile.mount = isCommitted ? .committed : .any
            return true
        }
        if isCommitted { report.profile.mount = .never }
        return false
    }
}

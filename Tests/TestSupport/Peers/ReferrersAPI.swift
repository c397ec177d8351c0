import Foundation
import Synchronization
public import OCI

/// The referrers API in front of a registry that has none: it keeps what manifests with a `subject` are put through it, and lists them.
public final class ReferrersAPI: Sendable {
    /// How honest it is.
    public struct Conduct: Sendable {
        public var pageSize = 1_000
        /// Whether it filters by artifact type where it is asked to.
        public var filters = true
        /// Whether it answers a put with `OCI-Subject`.
        public var saysSubject = true
        /// Whether it lists what it took.
        public var lists = true
        /// Whether it has the API at all.
        public var isThere = true
        public init() {}
    }

    private struct Entry {
        let digest: Digest
        let artifactType: String
        let text: String
    }

    private let entries = Mutex<[Digest: [Entry]]>([:])
    private let state: Mutex<Conduct>

    public init(_ conduct: Conduct = Conduct()) { state = Mutex(conduct) }

    public var conduct: Conduct {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }

    /// A peer before `registry` that has this API.
    public func peer(before registry: DockerRegistry) throws -> ScriptedPeer {
        try ScriptedPeer.before(registry) { [self] request, pass in .answer(try answer(request, pass)) }
    }

    public func answer(_ request: PeerRequest, _ pass: (PeerRequest) throws -> PeerResponse) throws -> PeerResponse {
        if request.method == "GET", request.path.contains("/referrers/"), conduct.isThere { return list(request) }
        var response = try pass(request)
        guard request.method == "PUT", request.path.contains("/manifests/"), response.status == 201 else { return response }
        if let subject = keep(Data(request.body)), conduct.saysSubject { response["OCI-Subject"] = subject.description }
        return response
    }

    /// What it lists of a subject, the first first.
    public func referrers(of subject: Digest) -> [Digest] { entries.withLock { $0[subject]?.map(\.digest) ?? [] } }

    /// Lists a manifest of a subject, whether it speaks about it or not.
    public func list(_ document: SampleImage.Document, under subject: Digest, artifactType: String = "") {
        let type = artifactType.isEmpty ? "" : #","artifactType":"\#(artifactType)""#
        let entry = Entry(digest: document.digest, artifactType: artifactType, text: SampleImage.descriptor(document, members: type))
        entries.withLock { entries in
            guard entries[subject]?.contains(where: { $0.digest == entry.digest }) != true else { return }
            entries[subject, default: []].append(entry)
        }
    }

    private func keep(_ bytes: Data) -> Digest? {
        guard let manifest = parsed(bytes), let subject = manifest.subject else { return nil }
        list(SampleImage.Document(mediaType: manifest.mediaType, bytes: bytes), under: subject.digest, artifactType: manifest.artifactType ?? "")
        return subject.digest
    }

    private func parsed(_ bytes: Data) -> Manifest? { do { return try Manifest(bytes: bytes, servedAs: nil, expected: nil) } catch { return nil } }

    private func list(_ request: PeerRequest) -> PeerResponse {
        let conduct = conduct
        let name = request.path.split(separator: "/").last.map(String.init) ?? ""
        var found: [Entry] = []
        do { found = conduct.lists ? entries.withLock { $0 }[try Digest(parsing: name)] ?? [] : [] } catch {}
        var response = PeerResponse(200, ["Content-Type": MediaType.ociIndex.description])
        if let type = request.query("artifactType").first, conduct.filters {
            found = found.filter { $0.artifactType == type }
            response["OCI-Filters-Applied"] = "artifactType"
        }
        let start = request.query("from").first.flatMap { Int($0) } ?? 0
        let end = min(start + conduct.pageSize, found.count)
        if end < found.count { response["Link"] = "<\(request.path)?from=\(end)>; rel=\"next\"" }
        let text = found[min(start, end)..<end].map(\.text).joined(separator: ",")
        response.body = Array(#"{"schemaVersion":2,"mediaType":"\#(MediaType.ociIndex)","manifests":[\#(text)]}"#.utf8)
        return response
    }
}

public import Foundation
public import OCI
import Synchronization

/// Debian's docker-registry on a free loopback port with a folder of its own; what it holds can be put and looked at without the
/// code under test.
public final class DockerRegistry: Sendable {
    /// How it is set up.
    public struct Setup: Sendable {
        /// User and password of HTTP Basic.
        public var user: (name: String, password: String)?
        /// A token service and the authority its tokens are signed by.
        public var tokens: (realm: String, service: String, issuer: String, authority: String)?
        /// Certificate and key; and whose clients are let in.
        public var tls: (certificate: String, key: String, clientAuthority: String?)?
        /// Whether layers may say by URL where they can be had, and be absent.
        public var takesForeignLayers = false
        public init() {}
    }

    public struct NotReady: Error, CustomStringConvertible {
        public let description: String
    }

    public let folder: URL
    public let port: Int
    private let process: ChildProcess
    private let logs: TemporaryFolder

    public var host: String { "127.0.0.1:\(port)" }

    /// Starts it; it is ready when this returns.
    public static func start(_ setup: Setup = Setup()) async throws -> DockerRegistry {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try DockerRegistry(setup) }) }
        }
    }

    private init(_ setup: Setup) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "docker-registry-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(try Self.configuration(setup, folder).utf8).write(to: folder.appending(path: "config.yml"))
        logs = try TemporaryFolder()
        let process = try ChildProcess(
            "docker-registry", ["serve", folder.appending(path: "config.yml").path], environment: ["OTEL_TRACES_EXPORTER": "none"], logs: logs, name: "registry")
        self.process = process
        // It says itself where it listens: port 0 lets the kernel choose.
        port = try blockingValue("docker-registry's port", within: .seconds(30)) {
            try process.checkRunning()
            let text = try String(contentsOf: process.standardError, encoding: .utf8)
            return text.firstMatch(of: /listening on 127\.0\.0\.1:(\d+)/).flatMap { Int($0.output.1) }
        }
    }

    /// Nothing it holds is needed any more: it is killed.
    public func stop() {
        do {
            try process.stop(with: SIGKILL)
            try FileManager.default.removeItem(at: folder)
        } catch { print("\(folder.path) stays behind: \(error)") }
        logs.remove()
    }

    private static func configuration(_ setup: Setup, _ folder: URL) throws -> String {
        var text = """
            version: 0.1
            log: {level: info, accesslog: {disabled: true}}
            storage: {filesystem: {rootdirectory: \(folder.path)/data}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}
            http:
              addr: 127.0.0.1:0
              secret: test
            """
        if let tls = setup.tls {
            text += "\n  tls:\n    certificate: \(tls.certificate)\n    key: \(tls.key)"
            if let authority = tls.clientAuthority { text += "\n    clientcas: [\(authority)]" }
        }
        if setup.takesForeignLayers { text += "\nvalidation: {manifests: {urls: {allow: ['.*']}}}" }
        if let user = setup.user {
            let file = folder.appending(path: "htpasswd")
            try Tool.checked("htpasswd", ["-cbB", "-C", "4", file.path, user.name, user.password])
            text += "\nauth: {htpasswd: {realm: test, path: \(file.path)}}"
        } else if let tokens = setup.tokens {
            text += "\nauth: {token: {realm: '\(tokens.realm)', service: \(tokens.service), issuer: \(tokens.issuer), rootcertbundle: \(tokens.authority)}}"
        }
        return text + "\n"
    }

}

extension DockerRegistry {
    /// One request on a connection of its own, as it is. Blocks.
    @discardableResult
    public func send(_ request: PeerRequest) throws -> PeerResponse { try Self.send(request, port: port) }

    static func send(_ request: PeerRequest, port: Int) throws -> PeerResponse {
        let socket = try PeerSocket.connect(port: port)
        defer { socket.close() }
        var request = request
        if request["host"] == nil { request.fields.append(("host", "127.0.0.1:\(port)")) }
        try socket.write(request)
        return try socket.readResponse(to: request.method)
    }

    /// Puts a blob, under its SHA-256 digest where no other is given.
    public func put(_ blob: Data, in repository: String, as given: Digest? = nil) throws {
        let digest = given ?? Digest(hashing: blob)
        let opened = try send(PeerRequest("POST", "/v2/\(repository)/blobs/uploads/", fields: [("content-type", "application/octet-stream")]))
        guard let location = opened["location"], let path = location.firstRange(of: "/v2/") else { throw NotReady(description: "no session") }
        let fields = [(name: "content-type", value: "application/octet-stream")]
        let stored = try send(PeerRequest("PUT", "\(location[path.lowerBound...])&digest=\(digest)", fields: fields, body: Array(blob)))
        guard stored.status == 201 else { throw NotReady(description: "blob: \(stored.status)") }
    }

    /// Puts an image whole: blobs, manifests, and the root under `tag`.
    public func put(_ image: SampleImage, in repository: String, tag: String? = nil) throws {
        for blob in image.blobs { try put(blob, in: repository) }
        for manifest in image.manifests { try put(manifest, in: repository, as: Digest(hashing: manifest.bytes).description) }
        if let tag, let root = image.manifests.last { try put(root, in: repository, as: tag) }
    }

    public func put(_ manifest: SampleImage.Document, in repository: String, as reference: String) throws {
        let fields = [(name: "content-type", value: manifest.mediaType.description)]
        let stored = try send(PeerRequest("PUT", "/v2/\(repository)/manifests/\(reference)", fields: fields, body: Array(manifest.bytes)))
        guard stored.status == 201 else { throw NotReady(description: "manifest: \(stored.status) \(String(decoding: stored.body, as: UTF8.self))") }
    }

    /// A manifest's bytes, `nil` where there is none of that name.
    public func manifest(_ repository: String, _ reference: String) throws -> Data? {
        let accept = MediaType.acceptedManifests.map { (name: "accept", value: $0.description) }
        let response = try send(PeerRequest("GET", "/v2/\(repository)/manifests/\(reference)", fields: accept))
        return response.status == 200 ? Data(response.body) : nil
    }

    /// A blob's bytes, `nil` where the repository does not hold it.
    public func blob(_ repository: String, _ digest: Digest) throws -> Data? {
        let response = try send(PeerRequest("GET", "/v2/\(repository)/blobs/\(digest)"))
        return response.status == 200 ? Data(response.body) : nil
    }

    /// Takes a blob out of a repository, as a garbage collector does.
    public func forget(_ digest: Digest, in repository: String) throws {
        try FileManager.default.removeItem(
            at: folder.appending(path: "data/docker/registry/v2/repositories/\(repository)/_layers/\(digest.algorithm.rawValue)/\(digest.hex)"))
    }
}

extension ScriptedPeer {
    /// A peer before a registry: `change` may answer itself, or ask the registry and change what it says.
    ///
    /// The registry sees the peer's own address as host, so that everything it points to leads through the peer again.
    public static func before(
        _ registry: DockerRegistry, _ change: @escaping @Sendable (PeerRequest, _ pass: (PeerRequest) throws -> PeerResponse) throws -> Reply
    ) throws -> ScriptedPeer {
        try ScriptedPeer { request in try change(request) { try registry.send($0) } }
    }
}

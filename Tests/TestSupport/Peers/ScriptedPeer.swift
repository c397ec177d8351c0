import Foundation
import Synchronization

/// An HTTP/1.1 server on a free loopback port whose every answer a test decides; it keeps what it was asked.
///
/// Connections are served by threads of their own, so that a handler may block.
public final class ScriptedPeer: Sendable {
    /// What a handler makes of a request.
    public enum Reply: Sendable {
        case answer(PeerResponse)
        /// Head and so many bytes of the body, then the connection ends.
        case cut(PeerResponse, afterBytes: Int)
        /// The connection ends without an answer.
        case drop
    }

    public typealias Handler = @Sendable (PeerRequest) throws -> Reply

    public let port: Int
    private let listener: Int32
    private let seen = Mutex<[PeerRequest]>([])
    private let open = Mutex<Set<Int32>>([])

    public init(_ handler: @escaping Handler) throws {
        (listener, port) = try PeerSocket.listen()
        Thread.detachNewThread { [self] in accept(handler) }
    }

    /// `127.0.0.1:PORT`.
    public var host: String { "127.0.0.1:\(port)" }

    /// All requests whose heads and bodies arrived, in their order.
    public var requests: [PeerRequest] { seen.withLock { $0 } }

    /// Method and target of each request.
    public var lines: [String] { requests.map { "\($0.method) \($0.target)" } }

    public func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        open.withLock { for descriptor in $0 { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private func accept(_ handler: @escaping Handler) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { break }
            open.withLock { _ = $0.insert(descriptor) }
            Thread.detachNewThread { [self] in
                // It ends by throwing when its peer goes away: that is part of many tests.
                do { try serve(PeerSocket(descriptor), handler) } catch {}
                open.withLock { _ = $0.remove(descriptor) }
                close(descriptor)
            }
        }
        close(listener)
    }

    private func serve(_ socket: PeerSocket, _ handler: Handler) throws {
        while true {
            let request = try socket.readRequest()
            seen.withLock { $0.append(request) }
            switch try handler(request) {
            case .answer(let response): try socket.write(response, to: request.method)
            case .cut(let response, let bytes):
                try socket.write(response, to: request.method, atMost: bytes)
                return
            case .drop: return
            }
        }
    }
}

/// A request as a ``ScriptedPeer`` got it.
public struct PeerRequest: Sendable {
    public var method: String
    /// Path and query as they were sent.
    public var target: String
    /// Names in lower case.
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]

    public init(_ method: String, _ target: String, fields: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
    }

    public subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
    public var path: String { String(target.prefix { $0 != "?" }) }

    /// The values of a query parameter, decoded.
    public func query(_ name: String) -> [String] {
        let items = target.drop { $0 != "?" }.dropFirst().split(separator: "&")
        return items.filter { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)).removingPercentEncoding ?? "" }
    }
}

/// A response that a ``ScriptedPeer`` gives or got.
public struct PeerResponse: Sendable {
    public var status: Int
    public var fields: [(name: String, value: String)]
    public var body: [UInt8]

    public init(_ status: Int, _ fields: KeyValuePairs<String, String> = [:], body: [UInt8] = []) {
        self.status = status
        self.fields = fields.map { ($0.key, $0.value) }
        self.body = body
    }

    public init(_ status: Int, _ fields: KeyValuePairs<String, String> = [:], json: String) {
        self.init(status, fields, body: Array(json.utf8))
        self.fields.append(("Content-Type", "application/json"))
    }

    /// Path and query of `Location` from `/v2/` on; empty where there is none.
    public var locationPath: String {
        guard let location = self["Location"], let start = location.firstRange(of: "/v2/")?.lowerBound else { return "" }
        return String(location[start...])
    }

    public subscript(name: String) -> String? {
        get { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
        set {
            fields.removeAll { $0.name.lowercased() == name.lowercased() }
            if let newValue { fields.append((name, newValue)) }
        }
    }
}

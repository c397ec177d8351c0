import Foundation
import HTTPTransport
import Synchronization

/// A TCP server on a free port whose every connection is driven by a script on a thread of its own: a peer that can
/// misbehave byte by byte.
final class ScriptedServer: Sendable {
    typealias Script = @Sendable (ServerConnection) throws -> Void

    let port: Int
    private let listener: Int32
    private let open = Mutex<(count: Int, descriptors: Set<Int32>)>((0, []))

    init(_ script: @escaping Script) throws {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                bind(descriptor, raw, length) == 0 && listen(descriptor, 256) == 0
                    && getsockname(descriptor, raw, &length) == 0
            }
        }
        guard bound else { throw SocketFailure(code: errno) }
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread { self.accept(script) }.start()
    }

    /// How many connections were made so far.
    var connectionCount: Int { open.withLock { $0.count } }

    func url(_ path: String = "/") throws -> HTTPURL {
        try HTTPURL(parsing: "http://127.0.0.1:\(port)\(path)")
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        open.withLock { state in
            for descriptor in state.descriptors { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    private func accept(_ script: @escaping Script) {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else { break }
            open.withLock { state in
                state.count += 1
                state.descriptors.insert(descriptor)
            }
            Thread {
                // A script ends by throwing when its peer goes away: that is part of many tests.
                do { try script(ServerConnection(descriptor)) } catch {}
                self.open.withLock { _ = $0.descriptors.remove(descriptor) }
                close(descriptor)
            }.start()
        }
        close(listener)
    }
}

struct SocketFailure: Error {
    let code: Int32
}

struct ReceivedRequest: Sendable {
    let method: String
    let target: String
    /// Names in lower case.
    let fields: [(name: String, value: String)]

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
    var bodyBytes: Int { self["content-length"].flatMap { Int($0) } ?? 0 }
}

/// The server's side of one connection; blocking.
final class ServerConnection {
    private let descriptor: Int32
    private var buffered: [UInt8] = []

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        // A test that goes wrong must not leave threads behind.
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The next request's head; throws at the end of the connection.
    func readRequest() throws -> ReceivedRequest {
        var end: Range<Int>?
        while end == nil {
            end = buffered.firstRange(of: Array("\r\n\r\n".utf8))
            if end == nil { buffered += try receive() }
        }
        let head = String(decoding: buffered[..<(end?.lowerBound ?? 0)], as: UTF8.self)
        buffered.removeFirst(end?.upperBound ?? 0)
        let lines = head.components(separatedBy: "\r\n")
        let first = lines[0].components(separatedBy: " ")
        let fields = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            return (String(parts[0]).lowercased(), parts[1].trimmingCharacters(in: .whitespaces))
        }
        return ReceivedRequest(method: first[0], target: first[1], fields: fields)
    }

    /// Reads up to `count` bytes piece by piece; returns how many came before the connection ended.
    @discardableResult
    func readBody(_ count: Int, each: ([UInt8]) -> Void = { _ in }) -> Int {
        var left = count
        while left > 0 {
            if buffered.isEmpty {
                guard let bytes = try? receive() else { break }
                buffered = bytes
            }
            let piece = Array(buffered.prefix(left))
            buffered.removeFirst(piece.count)
            left -= piece.count
            each(piece)
        }
        return count - left
    }

    func readWholeBody(_ request: ReceivedRequest) -> [UInt8] {
        var body: [UInt8] = []
        readBody(request.bodyBytes) { body += $0 }
        return body
    }

    func write(_ text: String) throws { try write(Array(text.utf8)[...]) }

    func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { throw SocketFailure(code: errno) }
            rest = rest.dropFirst(sent)
        }
    }

    func answer(_ status: Int, _ fields: [String] = [], body: [UInt8] = []) throws {
        let lines = ["HTTP/1.1 \(status) Whatever", "Content-Length: \(body.count)"] + fields
        try write(lines.joined(separator: "\r\n") + "\r\n\r\n")
        try write(body[...])
    }

    /// Whether the peer can take more within this time.
    func canWrite(within milliseconds: Int32) -> Bool {
        var state = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&state, 1, milliseconds) > 0
    }

    /// Whether the peer sends more within this time.
    func canRead(within milliseconds: Int32) -> Bool {
        var state = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return !buffered.isEmpty || poll(&state, 1, milliseconds) > 0
    }

    /// Blocks until the peer has closed or reset the connection.
    func waitForClose() {
        while (try? receive()) != nil {}
    }

    /// Ends the connection with a reset.
    func reset() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    private func receive() throws -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 256 * 1024) { buffer, count in
            let received = recv(descriptor, buffer.baseAddress, buffer.count, 0)
            failure = received < 0 ? errno : 0
            count = max(0, received)
        }
        guard !bytes.isEmpty else { throw SocketFailure(code: failure) }
        return bytes
    }
}

/// Runs `body` beside a server and stops it afterwards.
func withServer<R>(
    _ script: @escaping ScriptedServer.Script, _ body: (ScriptedServer) async throws -> R
) async throws -> R {
    let server = try ScriptedServer(script)
    defer { server.stop() }
    return try await body(server)
}

/// Answers request after request on each connection.
func serving(_ answer: @escaping @Sendable (ReceivedRequest, ServerConnection) throws -> Void) -> ScriptedServer.Script {
    { connection in
        while true { try answer(try connection.readRequest(), connection) }
    }
}

/// A list that server threads write and tests read.
final class Record<Element: Sendable>: Sendable {
    private let elements = Mutex<[Element]>([])

    func append(_ element: Element) { elements.withLock { $0.append(element) } }
    var all: [Element] { elements.withLock { $0 } }
}

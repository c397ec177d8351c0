import Foundation

/// One end of a connection that carries HTTP/1; blocking.
final class PeerSocket {
    private let descriptor: Int32
    private var buffered: [UInt8] = []

    struct Failure: Error {
        let operation: String
        let code: Int32
    }

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        // A test that goes wrong must not leave threads behind.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var on: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    static func listen() throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = withAddress(port: 0) { address in
            bind(descriptor, address, length) == 0 && Glibc.listen(descriptor, 256) == 0 && getsockname(descriptor, address, &length) == 0
        }
        guard let port else { throw Failure(operation: "listen", code: errno) }
        return (descriptor, port)
    }

    static func connect(port: Int) throws -> PeerSocket {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        guard withAddress(port: port, { Glibc.connect(descriptor, $0, length) == 0 }) != nil else {
            let code = errno
            Glibc.close(descriptor)
            throw Failure(operation: "connect", code: code)
        }
        return PeerSocket(descriptor)
    }

    /// Calls `body` with a loopback address; answers the port that then stands in it, `nil` where `body` says no.
    private static func withAddress(port: Int, _ body: (UnsafeMutablePointer<sockaddr>) -> Bool) -> Int? {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let fine = withUnsafeMutablePointer(to: &address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body) }
        return fine ? Int(UInt16(bigEndian: address.sin_port)) : nil
    }

    func close() { Glibc.close(descriptor) }

    func readRequest() throws -> PeerRequest {
        let (first, fields) = try readHead()
        guard first.count >= 2 else { throw Failure(operation: "request line", code: 0) }
        var request = PeerRequest(first[0], first[1], fields: fields)
        if request["expect"] != nil { try write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)[...]) }
        request.body = try readBytes(request["content-length"].flatMap { Int($0) } ?? 0)
        return request
    }

    /// A response of a server that closes the connection behind it.
    func readResponse(to method: String) throws -> PeerResponse {
        while true {
            let (first, fields) = try readHead()
            guard first.count >= 2, let status = Int(first[1]) else { throw Failure(operation: "status line", code: 0) }
            if status == 100 { continue }
            var response = PeerResponse(status)
            response.fields = fields
            if method != "HEAD" {
                while true {
                    do { buffered += try receive() } catch { break }
                }
                response.body = buffered
            }
            return response
        }
    }

    func write(_ response: PeerResponse, to method: String, atMost limit: Int = .max) throws {
        var lines = ["HTTP/1.1 \(response.status) Whatever"] + response.fields.map { "\($0.name): \($0.value)" }
        if response["Content-Length"] == nil, response.status != 204 { lines.append("Content-Length: \(response.body.count)") }
        try write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)[...])
        if method != "HEAD" { try write(response.body.prefix(limit)) }
    }

    func write(_ request: PeerRequest) throws {
        let fields = request.fields.filter { !["connection", "expect", "content-length"].contains($0.name) }
        // HTTP/1.0: the answer is neither chunked nor followed by another one.
        let lines = ["\(request.method) \(request.target) HTTP/1.0"] + fields.map { "\($0.name): \($0.value)" } + ["Content-Length: \(request.body.count)"]
        try write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)[...])
        try write(request.body[...])
    }

    private func write(_ bytes: ArraySlice<UInt8>) throws {
        var rest = bytes
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { throw Failure(operation: "send", code: errno) }
            rest = rest.dropFirst(sent)
        }
    }

    private func readHead() throws -> (first: [String], fields: [(name: String, value: String)]) {
        var end: Range<Int>?
        while end == nil {
            end = buffered.firstRange(of: Array("\r\n\r\n".utf8))
            if end == nil { buffered += try receive() }
        }
        let lines = String(decoding: buffered[..<(end?.lowerBound ?? 0)], as: UTF8.self).components(separatedBy: "\r\n")
        buffered.removeFirst(end?.upperBound ?? 0)
        let fields = lines.dropFirst().compactMap { line -> (name: String, value: String)? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
        }
        return (lines[0].components(separatedBy: " "), fields)
    }

    private func readBytes(_ count: Int) throws -> [UInt8] {
        while buffered.count < count { buffered += try receive() }
        defer { buffered.removeFirst(count) }
        return Array(buffered.prefix(count))
    }

    private func receive() throws -> [UInt8] {
        let bytes = [UInt8](unsafeUninitializedCapacity: 128 << 10) { buffer, count in
            count = max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
        }
        guard !bytes.isEmpty else { throw Failure(operation: "recv", code: errno) }
        return bytes
    }
}

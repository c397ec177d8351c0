/// An answer with its whole body.
public struct HTTPAnswer: Sendable {
    public let status: Int
    public let fields: [HeaderField]
    public let body: [UInt8]

    public init(_ status: Int, _ fields: [HeaderField] = [], body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    public var text: String { String(decoding: body, as: UTF8.self) }
    public func value(_ name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
}

/// A plain HTTP/1.1 client for servers on this machine: one connection a request.
public enum LoopbackHTTP {
    /// What a request carries.
    enum Content: Sendable {
        case none
        case bytes([UInt8])
        case blob(BlobFixture)
    }

    public static func send(
        _ method: String, _ target: String, port: Int, fields: [HeaderField] = [], body: [UInt8]? = nil
    ) async throws -> HTTPAnswer {
        try await onOwnThread { try blocking(method, target, port: port, fields: fields, content: body.map { .bytes($0) } ?? .none) }
    }

    static func blocking(
        _ method: String, _ target: String, port: Int, fields: [HeaderField] = [], content: Content = .none
    ) throws -> HTTPAnswer {
        let socket = try Socket.connect(to: .tcp(port: port))
        defer { socket.close() }
        socket.limitReads(to: 60)
        var head = MessageHead(startLine: "\(method) \(target) HTTP/1.1", fields: fields)
        if head.value("Host") == nil { head.set("Host", to: "127.0.0.1:\(port)") }
        head.set("Connection", to: "close")
        switch content {
        case .none:
            if method == "POST" || method == "PUT" { head.set("Content-Length", to: "0") }
            try socket.write(head.bytes)
        case .bytes(let bytes):
            head.set("Content-Length", to: String(bytes.count))
            try socket.write(head.bytes + bytes)
        case .blob(let blob):
            head.set("Content-Length", to: String(blob.size))
            try socket.write(head.bytes)
            try blob.forEachPiece { try socket.write($0) }
        }
        let reader = SocketReader(socket)
        while let answer = try reader.head() {
            if answer.status < 200 { continue }
            return HTTPAnswer(answer.status, answer.fields, body: try reader.wholeBody(answer.answerBody(to: method)))
        }
        throw HarnessError.connectionClosed
    }
}

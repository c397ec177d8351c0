/// Reads heads and bodies from a socket; used by one thread.
final class SocketReader {
    let socket: Socket
    private var buffer: ArraySlice<UInt8> = []
    private static let headLimit = 65_536
    private static let pieceSize = 262_144

    init(_ socket: Socket) { self.socket = socket }

    /// The next message's head; `nil` where the connection ended before its first byte.
    func head() throws -> MessageHead? {
        while true {
            if let end = endOfHead() {
                let bytes = Array(buffer[..<end])
                buffer = buffer[end...]
                return try MessageHead(parsing: bytes)
            }
            guard buffer.count < Self.headLimit else { throw HarnessError.malformedMessage("a head of more than 64 KiB") }
            let more = try socket.read(atMost: 16_384)
            if more.isEmpty {
                guard buffer.isEmpty else { throw HarnessError.connectionClosed }
                return nil
            }
            buffer = (Array(buffer) + more)[...]
        }
    }

    /// Hands a body's pieces on.
    ///
    /// - Parameters:
    ///   - data: gets the content.
    ///   - raw: gets what stands around the content: the chunks' sizes and ends.
    func body(_ framing: BodyFraming, data: (ArraySlice<UInt8>) throws -> Void, raw: ([UInt8]) throws -> Void = { _ in }) throws {
        switch framing {
        case .none: return
        case .length(let length): try exactly(length, data)
        case .untilClose:
            while let piece = try piece(atMost: Self.pieceSize) { try data(piece) }
        case .chunked: try chunks(data: data, raw: raw)
        }
    }

    /// A body that has to fit into memory.
    func wholeBody(_ framing: BodyFraming, limit: Int = 64 << 20) throws -> [UInt8] {
        var whole: [UInt8] = []
        try body(framing) {
            whole += $0
            if whole.count > limit { throw HarnessError.malformedMessage("a body of more than \(limit) bytes") }
        }
        return whole
    }

    private func chunks(data: (ArraySlice<UInt8>) throws -> Void, raw: ([UInt8]) throws -> Void) throws {
        while true {
            let line = try line()
            try raw(line)
            let text = String(decoding: line, as: UTF8.self).prefix { $0.isHexDigit }
            guard let size = Int(text, radix: 16) else { throw HarnessError.malformedMessage("a chunk without a size") }
            guard size > 0 else {
                while true {
                    let trailer = try self.line()
                    try raw(trailer)
                    if trailer.count == 2 { return }
                }
            }
            try exactly(size, data)
            try raw(self.line())
        }
    }

    private func exactly(_ length: Int, _ data: (ArraySlice<UInt8>) throws -> Void) throws {
        var left = length
        while left > 0 {
            guard let piece = try piece(atMost: min(left, Self.pieceSize)) else { throw HarnessError.connectionClosed }
            left -= piece.count
            try data(piece)
        }
    }

    private func piece(atMost limit: Int) throws -> ArraySlice<UInt8>? {
        if buffer.isEmpty { buffer = try socket.read(atMost: limit)[...] }
        guard !buffer.isEmpty else { return nil }
        let piece = buffer.prefix(limit)
        buffer = buffer.dropFirst(piece.count)
        return piece
    }

    private func line() throws -> [UInt8] {
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = Array(buffer[...end])
                buffer = buffer[(end + 1)...]
                return line
            }
            let more = try socket.read(atMost: 16_384)
            guard !more.isEmpty, buffer.count < Self.headLimit else { throw HarnessError.connectionClosed }
            buffer = (Array(buffer) + more)[...]
        }
    }

    private func endOfHead() -> Int? {
        var index = buffer.startIndex
        while index + 3 < buffer.endIndex {
            if buffer[index] == 13, buffer[index + 1] == 10, buffer[index + 2] == 13, buffer[index + 3] == 10 { return index + 4 }
            index += 1
        }
        return nil
    }
}

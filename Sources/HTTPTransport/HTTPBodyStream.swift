/// The body of a response as it arrives, in chunks. The transfer is held while the reader is behind, so memory stays
/// bounded.
///
/// One reader, once.
public struct HTTPBodyStream: AsyncSequence, Sendable {
    /// A chunk of the body, never empty.
    public typealias Element = [UInt8]
    /// What ends a body early.
    public typealias Failure = HTTPTransportError

    let channel: BodyChannel

    /// The reader.
    public func makeAsyncIterator() -> Iterator {
        Iterator(channel: channel)
    }

    /// Reads chunk by chunk.
    public struct Iterator: AsyncIteratorProtocol {
        let channel: BodyChannel

        /// The next chunk, nil at the end of the body.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(HTTPTransportError) -> [UInt8]? {
            try await channel.next()
        }

        /// The next chunk, nil at the end of the body.
        public mutating func next() async throws(HTTPTransportError) -> [UInt8]? {
            try await channel.next()
        }
    }

    /// The whole body, if it has at most `limit` bytes.
    public func collect(upTo limit: Int) async throws(HTTPTransportError) -> [UInt8] {
        var body: [UInt8] = []
        while let chunk = try await channel.next() {
            guard body.count + chunk.count <= limit else { throw .bodyTooLarge(url: channel.url, limit: limit) }
            body += chunk
        }
        return body
    }
}

final class BodyChannel: Sendable {
    let url: String
    init(url: String) { self.url = url }
    func next() async throws(HTTPTransportError) -> [UInt8]? { throw .shutDown(url: url) }
}

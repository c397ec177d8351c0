import Foundation
import Synchronization

@testable import HTTPTransport

/// A blob with known bytes and digest.
struct Blob: Sendable {
    let bytes: [UInt8]
    let sha256: String

    /// `size` bytes with a period of a prime number near 64 KiB, so that a piece in the wrong place changes the digest.
    init(size: Int) {
        var state: UInt64 = 0x9E37_79B9_7F4A_7C15
        let period = (0..<65_543).map { _ -> UInt8 in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 56)
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size + period.count)
        while bytes.count < size { bytes += period }
        bytes.removeLast(bytes.count - size)
        self.bytes = bytes
        sha256 = Self.digest(of: [bytes], .sha256)
    }

    static func digest(of pieces: [[UInt8]], _ algorithm: RelayRequest.Algorithm) -> String {
        guard let hash = ContentHash(algorithm) else { return "" }
        for piece in pieces { piece.withUnsafeBytes { hash.update($0) } }
        return hash.finish()
    }
}

/// What a target received in one request.
struct Upload: Sendable {
    let request: ReceivedRequest
    let count: Int
    let digest: String
    var isWhole: Bool { count == request.bodyBytes }
}

/// A target that takes whole bodies with 201; of each body, count and digest are kept.
func target(_ uploads: Record<Upload>, beforeBody: @escaping @Sendable (ServerConnection) -> Void = { _ in })
    -> ScriptedServer.Script
{
    serving { request, connection in
        beforeBody(connection)
        guard let hash = ContentHash(.sha256) else { return }
        let count = connection.readBody(request.bodyBytes) { piece in piece.withUnsafeBytes { hash.update($0) } }
        uploads.append(Upload(request: request, count: count, digest: hash.finish()))
        guard count == request.bodyBytes else { throw SocketFailure(code: 0) }
        try connection.answer(201, ["Location: /v2/x/blobs/y"])
    }
}

/// A source that honours `Range`; `spoil` changes what is sent of the n-th answer (from 0): it returns the bytes and
/// whether to go on.
func source(_ blob: Blob, requests: Record<ReceivedRequest>, honoursRange: Bool = true, cutAt: [Int] = [])
    -> ScriptedServer.Script
{
    let answers = Mutex(0)
    return serving { request, connection in
        let number = answers.withLock { number -> Int in
            defer { number += 1 }
            return number
        }
        requests.append(request)
        let start = honoursRange ? request["range"].flatMap { Int($0.dropFirst(6).dropLast()) } ?? 0 : 0
        let rest = blob.bytes[start...]
        let range = start > 0 ? "Content-Range: bytes \(start)-\(blob.bytes.count - 1)/\(blob.bytes.count)\r\n" : ""
        try connection.write(
            "HTTP/1.1 \(start > 0 ? 206 : 200) OK\r\nETag: \"tag\"\r\n\(range)Content-Length: \(rest.count)\r\n\r\n")
        if number < cutAt.count {
            try connection.write(rest[..<max(cutAt[number], start)])
            throw SocketFailure(code: 0)
        }
        try connection.write(rest)
    }
}

/// A relay of `blob` from one server to others with quick deadlines.
func relayRequest(
    _ blob: Blob, from source: ScriptedServer, to targets: [ScriptedServer], resumes: Int = 3,
    settings: ConnectionSettings = quickSettings()
) throws -> RelayRequest {
    let receivers = try targets.enumerated().map { index, server in
        RelayTarget(id: index, request: HTTPRequest(.put, try server.url("/upload?_state=a%2F")), settings: settings)
    }
    return RelayRequest(
        source: HTTPRequest(.get, try source.url("/blob")), sourceSettings: settings,
        expectedBytes: Int64(blob.bytes.count),
        expectedHex: blob.sha256, targets: receivers, maximumSourceResumes: resumes)
}

extension RelayOutcome {
    var report: RelayReport? {
        if case .relayed(let report) = self { report } else { nil }
    }

    var refusal: HTTPResponse? {
        if case .sourceRefused(let response) = self { response } else { nil }
    }
}

extension RelayReport.TargetOutcome {
    var status: Int? {
        if case .answered(let response) = self { response.status } else { nil }
    }

    var failure: HTTPTransportError? {
        if case .failed(let error) = self { error } else { nil }
    }
}

import Foundation
import Gzip
import HTTPTypes
import Hummingbird
import NIOCore

/// Compresses answers for callers who take gzip: those of some size, and never what is read as it comes.
struct CompressionMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    /// Below this many bytes it is not worth the work.
    private static let least = 1_024

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        guard isWorthIt(response) else { return response }
        response.headers.append(HTTPField(name: .vary, value: "Accept-Encoding"))
        guard request.method != .head, let accepted = request.headers[.acceptEncoding], Self.takesGzip(accepted) else { return response }
        let body = response.body
        response.headers[.contentEncoding] = "gzip"
        response.headers[.contentLength] = nil
        response.body = ResponseBody { writer in try await Self.write(body, through: writer) }
        return response
    }

    @concurrent
    private static func write(_ body: ResponseBody, through writer: some ResponseBodyWriter) async throws {
        try await body.write(GzipWriter(parent: writer, gzip: try GzipStream()))
    }

    private func isWorthIt(_ response: Response) -> Bool {
        guard response.status.code >= 200, response.status.code != 204, response.status.code != 304, response.headers[.contentEncoding] == nil else { return false }
        if let length = response.body.contentLength, length < Self.least { return false }
        return response.headers[.contentType]?.hasPrefix(PromotionEventStream.mediaType) == false
    }

    /// RFC 9110 §12.5.3: gzip by name, else by `*`, with a weight above zero.
    static func takesGzip(_ header: String) -> Bool {
        if header == "gzip" { return true }
        var (named, any): (Bool?, Bool?) = (nil, nil)
        for coding in header.utf8.count <= 1_024 ? header.split(separator: ",") : [] {
            let parts = coding.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
            switch parts.first {
            case "gzip", "x-gzip": named = MediaRange.quality(parts.dropFirst()) > 0
            case "*": any = MediaRange.quality(parts.dropFirst()) > 0
            default: continue
            }
        }
        return named ?? any ?? false
    }
}

/// Compresses what is written through it.
private struct GzipWriter<Parent: ResponseBodyWriter>: ResponseBodyWriter {
    var parent: Parent
    let gzip: GzipStream

    @concurrent
    mutating func write(_ buffer: ByteBuffer) async throws {
        let out = try gzip.compress(buffer.readableBytesView, isLast: false)
        if !out.isEmpty { try await parent.write(ByteBuffer(bytes: out)) }
    }

    @concurrent
    consuming func finish(_ trailingHeaders: HTTPFields?) async throws {
        try await parent.write(ByteBuffer(bytes: try gzip.compress([], isLast: true)))
        try await parent.finish(trailingHeaders)
    }
}

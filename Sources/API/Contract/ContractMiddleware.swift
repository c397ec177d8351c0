import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore

/// Holds every request against the contract before its route sees it: method, query parameters, media types, size.
struct ContractMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    let contract: APIContract
    /// Behind authentication. At the door only that is checked which nobody has to be known for.
    var isInside = false

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let path = context.endpointPath, let operation = contract.operation(path, request.method) else { return try await unserved(request, context, next) }
        // Who is not known learns that first, and no body is read.
        guard isInside || !operation.isBehindAuthentication else { return try await next(request, context) }
        if !request.uri.queryParameters.isEmpty { try checkQuery(request, operation) }
        if let accept = request.headers[.accept] { try checkAccept(accept, operation) }
        var context = context
        context.bodyLimit = operation.maximumBody
        try await checkBody(request, context, operation)
        return try await next(request, context)
    }

    private func unserved(_ request: Request, _ context: Context, _ next: (Request, Context) async throws -> Response) async throws -> Response {
        guard let methods = contract.methods(of: request.uri.path) else { return try await next(request, context) }
        let allow = methods.joined(separator: ", ")
        if request.method == .options { return Response(status: .noContent, headers: [.allow: allow]) }
        throw Problem(
            "method-not-allowed", status: 405, title: "Not with this method", detail: "this path answers to \(allow)", headers: [.allow: allow])
    }

    /// An unknown parameter is refused, so that a typing error does not widen a question; one given twice too, since nobody knows which counts.
    private func checkQuery(_ request: Request, _ operation: APIContract.Operation) throws(Problem) {
        try RequestParsing.refuseUnknownQuery(request, known: operation.query)
        var seen: Set<Substring> = []
        for (name, value) in request.uri.queryParameters {
            guard seen.insert(name).inserted || operation.repeatable.contains(String(name)) else {
                throw .invalid(String(name.prefix(80)), "the parameter '\(name.prefix(80))' is given twice")
            }
            guard !value.utf8.contains(0) else { throw .invalid(String(name), "a text without NUL") }
        }
    }

    private func checkAccept(_ accept: String, _ operation: APIContract.Operation) throws(Problem) {
        if accept.isEmpty || accept == "*/*" || accept == "application/json" && operation.produces.contains(accept) { return }
        guard operation.produces.isEmpty || operation.produces.contains(where: { MediaRange.list(accept, takes: $0) }) else {
            throw Problem(
                "not-acceptable", status: 406, title: "Not in this form", detail: "this answers \(operation.produces.joined(separator: ", "))", field: "Accept")
        }
    }

    private func checkBody(_ request: Request, _ context: Context, _ operation: APIContract.Operation) async throws {
        let length = request.headers[.contentLength].flatMap { Int($0) }
        guard (length ?? 0) > 0 || request.headers[.transferEncoding] != nil else { return }
        if let length, length > operation.maximumBody { throw Problem.bodyTooLarge(operation.maximumBody) }
        guard !operation.consumes.isEmpty else { return try await RequestParsing.refuseBody(request, context) }
        if let coding = request.headers[.contentEncoding], coding.lowercased() != "identity" {
            throw Problem(
                "unsupported-media-type", status: 415, title: "Not in this form", detail: "bodies are read as they are, not compressed", field: "Content-Encoding")
        }
        guard let type = request.headers[.contentType].map(ContractReader.mediaType), !operation.consumes.contains("*/*") else { return }
        guard operation.consumes.contains(type) else {
            throw Problem(
                "unsupported-media-type", status: 415, title: "Not in this form",
                detail: "the body has type '\(type.prefix(80))'; this takes \(operation.consumes.joined(separator: ", "))", field: "Content-Type")
        }
    }
}

/// The media ranges of an `Accept` header (RFC 9110 §12.5.1).
enum MediaRange {
    /// Whether the header accepts `type`: the most exact range that names it decides.
    static func list(_ header: String, takes type: String) -> Bool {
        let family = type.prefix { $0 != "/" }
        var best: (exactness: Int, isTaken: Bool) = (-1, false)
        for range in header.utf8.count <= 4_096 ? header.split(separator: ",") : [] {
            let parts = range.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces).lowercased() }
            guard let name = parts.first else { continue }
            let exactness = name == type ? 2 : name == family + "/*" ? 1 : name == "*/*" ? 0 : -1
            if exactness > best.exactness { best = (exactness, quality(parts.dropFirst()) > 0) }
        }
        return best.isTaken
    }

    /// The weight, 0 to 1: 1 where none is given or it is none.
    static func quality(_ parameters: some Sequence<String>) -> Double {
        parameters.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
    }
}

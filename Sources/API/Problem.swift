import PolicyEngine
public import APIModel
import Foundation
import HTTPTypes
public import Hummingbird
import NIOCore
import PromotionCore

/// An error on its way to the client (RFC 9457). The only place where errors become statuses.
public struct Problem: Error, HTTPResponseError, Sendable {
    public let resource: ProblemResource
    let retryAfter: Int?
    private let headers: HTTPFields

    static let typePrefix = "https://shiplift.dev/problems/"

    init(
        _ type: String, status: Int, title: String, detail: String, field: String? = nil, retryable: Bool = false, retryAfter: Int? = nil,
        failure: FailureResource? = nil, headers: HTTPFields = [:]
    ) {
        resource = ProblemResource(
            type: Self.typePrefix + type, title: title, status: status, detail: detail, field: field, retryable: retryable, failure: failure)
        self.retryAfter = retryAfter
        self.headers = headers
    }

    private init(resource: ProblemResource, retryAfter: Int?, headers: HTTPFields) {
        self.resource = resource
        self.retryAfter = retryAfter
        self.headers = headers
    }

    func at(_ instance: String, requestID: PromotionCore.RequestID) -> Problem {
        var resource = resource
        resource.instance = instance
        resource.requestId = requestID.description
        return Problem(resource: resource, retryAfter: retryAfter, headers: headers)
    }

    public var status: HTTPResponse.Status { HTTPResponse.Status(code: resource.status) }

    public func response(from request: Request, context: some RequestContext) throws -> Response {
        var headers = headers
        headers[.contentType] = "application/problem+json"
        headers[.cacheControl] = "no-store"
        if let retryAfter { headers[.retryAfter] = String(retryAfter) }
        if resource.status == 401 { headers[.wwwAuthenticate] = "Bearer realm=\"shiplift\"" }
        let body = try APIJSON.encoder().encode(resource)
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    static func invalid(_ field: String?, _ detail: String) -> Problem {
        Problem("invalid-request", status: 400, title: "The request is malformed", detail: detail, field: field)
    }

    static func unauthorized(_ detail: String) -> Problem {
        Problem("unauthorized", status: 401, title: "Not authenticated", detail: detail + "; send 'Authorization: Bearer shp_…'")
    }

    static func forbidden(_ detail: String) -> Problem { Problem("forbidden", status: 403, title: "Not permitted", detail: detail) }

    static func tooMany(_ detail: String, retryAfter: Int) -> Problem {
        Problem("rate-limited", status: 429, title: "Too many requests", detail: detail + "; come again later", retryable: true, retryAfter: retryAfter)
    }

    /// Well formed, and still not to be taken.
    static func unacceptable(_ field: String, _ detail: String) -> Problem {
        Problem("unacceptable", status: 422, title: "This does not count", detail: detail, field: field)
    }

    static func bodyTooLarge(_ limit: Int) -> Problem {
        Problem("body-too-large", status: 413, title: "The body is too large", detail: "this takes a body of at most \(limit) bytes")
    }

    static func notFound(_ detail: String) -> Problem { Problem("not-found", status: 404, title: "Not found", detail: detail) }
}

extension Problem {
    init(_ error: PromotionRequestError) {
        switch error {
        case .notPermitted(let detail): self = .forbidden(detail)
        case .unknownEnvironment(let name, let known):
            self.init(
                "unknown-environment", status: 422, title: "Unknown environment",
                detail: "environment '\(name)' is not in the policy in force; known: \(known.map(\.description).joined(separator: ", "))")
        case .artifactNotFound(let image, let reference, let environment):
            let separator = reference.tag == nil ? "@" : ":"
            self.init(
                "artifact-not-found", status: 404, title: "Image not found",
                detail: "\(image)\(separator)\(reference) is in none of the registries of \(environment); push it there, or check its name")
        case .promotionNotFound(let id): self = .notFound("there is no promotion \(id)")
        case .queueFull(let depth, let limit):
            self.init(
                "queue-full", status: 503, title: "Too much work waits", detail: "\(depth) promotions wait, the limit is \(limit); try again later", retryable: true,
                retryAfter: 30)
        case .conflict(let detail): self.init("conflict", status: 409, title: "Not possible as things stand", detail: detail)
        case .unacceptable(let field, let detail):
            self = .unacceptable(field, detail)
        case .failure(let failure): self.init(failure)
        case .store(let error): self.init(error)
        }
    }

    init(_ failure: PromotionFailure) {
        let status: Int =
            switch failure.kind {
            case .imageNotFound: 404
            case .unknownEnvironment, .configuration: 422
            case .registryRateLimited: 503
            case .storage: 503
            case .timedOut: 504
            default: 502
            }
        self.init(
            failure.kind.rawValue, status: status, title: "A registry did not answer as it should", detail: failure.message,
            retryable: failure.isTransient, retryAfter: failure.retryAfter.map { Int($0.rounded(.up)) } ?? (failure.isTransient ? 5 : nil),
            failure: FailureResource(failure))
    }

    init(_ error: StoreError) {
        switch error {
        case .notFound: self = .notFound(error.description)
        case .stale(let current):
            self.init("wrong-state", status: 409, title: "Not possible in this state", detail: "the promotion is \(current.rawValue), which does not allow this")
        case .changed(let version):
            self.init(
                "precondition-failed", status: 412, title: "It has changed since", detail: error.description + "; read it again, then decide", field: "If-Match",
                headers: [.eTag: "\"\(version)\""])
        case .alreadyInProgress(let id):
            self.init("already-in-progress", status: 409, title: "Already under way", detail: "the same promotion is already under way: /v1/promotions/\(id)")
        case .idempotencyKeyReused:
            self.init(
                "idempotency-key-reused", status: 422, title: "Idempotency-Key used before", detail: error.description + "; use a new key", field: "Idempotency-Key")
        case .invalidCursor:
            self.init("invalid-cursor", status: 400, title: "Invalid cursor", detail: "pass the 'next' of the same query's last page", field: "cursor")
        case .full: self.init("too-many", status: 409, title: "There are too many", detail: error.description)
        case .duplicate(let what): self.init("duplicate", status: 409, title: "Exists already", detail: Self.duplicate(what))
        case .notYet:
            self.init("not-yet", status: 503, title: "Not there yet", detail: error.description, retryable: true, retryAfter: 2)
        case .auditUnavailable:
            self.init(
                "audit-unavailable", status: 503, title: "The audit log can't be written", detail: error.description + "; nothing was done", retryable: true,
                retryAfter: 5)
        case .unavailable, .outcomeUnknown, .leaseLost, .overtaken, .targetHeld, .corrupt:
            self.init(
                "storage-unavailable", status: 503, title: "The database is not available", detail: error.description, retryable: true, retryAfter: 5)
        }
    }

    private static func duplicate(_ constraint: String) -> String {
        constraint == "tokens_name_once" ? "a token of this name exists; choose another name or revoke it" : "it exists already"
    }
}

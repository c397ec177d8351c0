import Foundation
import HTTPTypes
import Hummingbird
import Logging
import PromotionCore

/// Lets in who shows a token that counts (RFC 6750), or comes from a browser in which somebody has logged in, and nobody else.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    let authentication: Authentication
    let browsers: BrowserAccess?

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let principal = try await principal(of: request, context)
        var context = context
        context.principal = principal
        context.logger[metadataKey: "subject"] = "\(principal.subject)"
        return try await next(request, context)
    }

    /// Who shows a token that counts.
    func principal(of request: Request, _ context: Context) async throws -> Principal {
        let source = context.remoteAddress
        // RFC 9700 §2.2.1 forbids tokens there: addresses end in logs. What is sent so was given away, and is not even looked at.
        for name in ["access_token", "token"] where request.uri.queryParameters[Substring(name)] != nil {
            await authentication.refused("query", from: source)
            throw Problem.unauthorized("a token in the address counts nowhere, and may now stand in logs: revoke it, and send it in the Authorization header")
        }
        let headers = request.headers[values: .authorization]
        guard headers.count <= 1 else {
            // Whoever stands between could have looked at the other one.
            await authentication.refused("malformed", from: source)
            throw Problem.unauthorized("the request has \(headers.count) Authorization headers, and one is allowed")
        }
        guard let header = headers.first else {
            if let browsers, let principal = try await browsers.principal(of: request, context) { return principal }
            throw Problem.unauthorized("the request carries no bearer token")
        }
        let parts = header.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else {
            await authentication.refused("malformed", from: source)
            throw Problem.unauthorized("the Authorization header holds no bearer token")
        }
        do throws(AuthenticationFailure) { return try await authentication.bearer(String(parts[1]), from: source) } catch { throw Problem(error) }
    }
}

extension Problem {
    init(_ failure: AuthenticationFailure) {
        switch failure {
        case .refused(_, let reason): self = .unauthorized(reason)
        case .noRights(let reason): self = .forbidden(reason)
        case .unavailable(let reason):
            self.init(
                "issuer-unavailable", status: 503, title: "Tokens can't be checked now", detail: reason, retryable: true, retryAfter: 5)
        case .store(let error): self.init(error)
        case .failure(let failure): self.init(failure)
        }
    }
}

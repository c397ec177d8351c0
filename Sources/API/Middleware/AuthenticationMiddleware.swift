import Logging
import Foundation
import HTTPTypes
import Hummingbird
import PromotionCore

/// Lets in who shows a valid bearer token (RFC 6750), and nobody else.
struct AuthenticationMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    let tokens: Tokens

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        let principal = try await principal(of: request)
        var context = context
        context.principal = principal
        context.logger[metadataKey: "subject"] = "\(principal.subject)"
        return try await next(request, context)
    }

    /// Who shows a valid token.
    func principal(of request: Request) async throws -> Principal {
        guard let header = request.headers[.authorization] else { throw Problem.unauthorized("the request carries no bearer token") }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer", let secret = APITokenSecret(parsing: String(parts[1])) else {
            throw Problem.unauthorized("the Authorization header holds no token of ours")
        }
        guard let principal = try await tokens.authenticate(secret) else {
            throw Problem.unauthorized("the token is unknown, expired or revoked")
        }
        return principal
    }
}

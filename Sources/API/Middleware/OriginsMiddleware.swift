import HTTPTypes
import Hummingbird

/// Lets pages of the configured origins read answers in browsers (the Fetch standard's CORS protocol), and no others; off where none is configured.
///
/// No answer ever allows credentials: a page must hold a token of its own.
struct OriginsMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    /// Exact origins, such as `https://deploy.example.test`.
    let origins: Set<String>

    private static let allowed =
        "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer, X-Request-Id, traceparent, tracestate"
    private static let exposed =
        "ETag, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, traceparent"
    private static let askedMethod = HTTPField.Name("Access-Control-Request-Method")

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        guard let origin = request.headers[.origin], origins.contains(origin) else {
            var response = try await next(request, context)
            response.headers.append(HTTPField(name: .vary, value: "Origin"))
            return response
        }
        if request.method == .options, let field = Self.askedMethod, request.headers[field] != nil {
            return Response(
                status: .noContent,
                headers: [
                    .accessControlAllowOrigin: origin, .accessControlAllowMethods: "GET, HEAD, POST, DELETE, OPTIONS", .accessControlAllowHeaders: Self.allowed,
                    .accessControlMaxAge: "600", .vary: "Origin",
                ])
        }
        var response = try await next(request, context)
        response.headers[.accessControlAllowOrigin] = origin
        response.headers[.accessControlExposeHeaders] = Self.exposed
        response.headers.append(HTTPField(name: .vary, value: "Origin"))
        return response
    }
}

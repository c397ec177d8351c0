import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import PromotionCore

/// Names the request, logs its end, and turns every error into problem+json.
struct ProblemMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    static let requestIDField = HTTPField.Name("X-Request-Id")

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        var random = SystemRandomNumberGenerator()
        let trace = TraceContext(request.headers, random: &random)
        if let field = Self.requestIDField, let given = request.headers[field].flatMap(PromotionCore.RequestID.init(parsing:)) {
            context.requestID = given
        } else if trace.isGiven, let id = PromotionCore.RequestID(parsing: trace.traceID) {
            // What the caller calls it leads from our records to the caller's.
            context.requestID = id
        }
        context.logger[metadataKey: "request"] = "\(context.requestID)"
        context.logger[metadataKey: "trace"] = "\(trace.traceID)"
        let began = ContinuousClock.now
        var response: Response
        do { response = try await next(request, context) } catch {
            let problem = problem(for: error, context).at(request.uri.path, requestID: context.requestID)
            response = try problem.response(from: request, context: context)
        }
        if let field = Self.requestIDField { response.headers[field] = context.requestID.description }
        if let field = TraceContext.parentField { response.headers[field] = trace.parent }
        if let field = TraceContext.stateField, let state = trace.state { response.headers[field] = state }
        // What was read is for debugging: acts and refusals are what a log is kept for, and metrics count the rest.
        let isRead = request.method == .get || request.method == .head
        let level: Logger.Level = response.status.code >= 500 ? .error : isRead && response.status.code < 400 ? .debug : .info
        context.logger.log(
            level: level, "\(request.method) \(request.uri.path)",
            metadata: ["status": "\(response.status.code)", "milliseconds": "\(Int(began.duration(to: .now) / .milliseconds(1)))"])
        return response
    }

    private func problem(for error: any Error, _ context: Context) -> Problem { Problem.of(error, context) }
}

extension Problem {
    /// What the client is told of an error.
    static func of(_ error: any Error, _ context: ShipliftRequestContext) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let error as PromotionRequestError: return Problem(error)
        case let error as StoreError: return Problem(error)
        case let error as DecodingError: return .invalid(field(error), sentence(error))
        case let error as HTTPError where error.status.code == 404: return .notFound("there is no such path; the API's paths are in openapi.yaml")
        case let error as HTTPError:
            return Problem("request-refused", status: error.status.code, title: error.status.reasonPhrase, detail: error.body ?? error.status.reasonPhrase)
        default:
            context.logger.error("unexpected error", metadata: ["error": "\(type(of: error))"])
            return Problem("internal", status: 500, title: "Internal error", detail: "something unexpected happened; the log has it under this request's id", retryable: true)
        }
    }

    private static func context(_ error: DecodingError) -> DecodingError.Context? {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context), .dataCorrupted(let context): context
        @unknown default: nil
        }
    }

    private static func field(_ error: DecodingError) -> String? {
        var path = context(error)?.codingPath.map(\.stringValue) ?? []
        if case .keyNotFound(let key, _) = error { path.append(key.stringValue) }
        return path.isEmpty ? nil : path.joined(separator: ".")
    }

    private static func sentence(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _): "the field '\(key.stringValue)' is missing"
        case .typeMismatch(let type, _): "the field '\(field(error) ?? "body")' must be of type \(type)"
        case .valueNotFound: "the field '\(field(error) ?? "body")' must not be null"
        default: "the body is not valid JSON of the expected form"
        }
    }
}

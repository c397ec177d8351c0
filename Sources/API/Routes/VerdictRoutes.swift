import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import OCI
import PromotionCore

/// `/v1/promotions/{id}/approve`, `/reject`, `/override`, `/verdicts`: what people say to a promotion.
struct VerdictRoutes: Sendable {
    let verdicts: Verdicts

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.post("promotions/:id/approve") { request, context in try await give(.approve, request, context) }
        group.post("promotions/:id/reject") { request, context in try await give(.reject, request, context) }
        group.post("promotions/:id/override") { request, context in try await give(.override, request, context) }
        group.get("promotions/:id/verdicts", use: list)
    }

    private func give(_ kind: PromotionVerdict.Kind, _ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let field = kind == .override ? "reason" : "comment"
        let body = try await RequestParsing.optionalJSON(request, context, as: VerdictBody.self, fields: [field], empty: VerdictBody())
        let comment = kind == .override ? body.reason : body.comment
        _ = try RequestParsing.reason(comment, field: field)
        guard (comment ?? "").utf8.count <= 2000 else { throw Problem.unacceptable(field, "at most 2,000 bytes") }
        let promotion = try await verdicts.give(
            kind, on: try PromotionRoutes.id(context), ifVersion: RequestParsing.versions(request), by: principal, comment: comment, requestID: context.requestID)
        if kind == .override {
            context.logger.critical(
                "the gates of a promotion were overridden",
                metadata: [
                    "promotion": "\(promotion.id)", "image": "\(promotion.image)", "to": "\(promotion.to)", "by": "\(principal.subject)", "name": "\(principal.name)",
                    "reason": "\(comment ?? "")",
                ])
        }
        var headers: HTTPFields = [.location: "/v1/promotions/\(promotion.id)", .eTag: "\"\(promotion.version)\""]
        headers[.retryAfter] = "1"
        return try .json(PromotionResource(promotion), status: .accepted, headers: headers)
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let given = try await verdicts.verdicts(on: try PromotionRoutes.id(context))
        return try .json(PageResource(items: given.map(VerdictResource.init), next: nil))
    }
}

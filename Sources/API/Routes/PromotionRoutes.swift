import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/promotions`: ask, look, cancel, retry.
struct PromotionRoutes: Sendable {
    let promotions: Promotions
    let store: any PromotionStore

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.post("promotions", use: create)
        group.get("promotions", use: list)
        group.get("promotions/:id", use: show)
        group.post("promotions/:id/cancel", use: cancel)
        group.post("promotions/:id/retry", use: retry)
    }

    private static let bodyFields: Set<String> = ["image", "from", "to", "tag", "digest", "targetTags", "reason", "dryRun"]

    @Sendable private func create(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let body = try await RequestParsing.json(request, context, as: PromotionRequestBody.self, fields: Self.bodyFields)
        let asked = try RequestParsing.promotion(body)
        if body.dryRun == true {
            return try .json(DryRunResource(try await promotions.dryRun(asked, by: principal), request: asked))
        }
        let key = try RequestParsing.idempotencyKey(request)
        let created = try await promotions.request(asked, by: principal, requestID: context.requestID, key: key)
        let promotion =
            switch created {
            case .created(let promotion), .repeated(let promotion): promotion
            }
        return try await answer(promotion, waiting: RequestParsing.wait(request))
    }

    /// 200 when the promotion is final within the time that the caller would wait, else 202.
    private func answer(_ promotion: Promotion, waiting seconds: Int?) async throws -> Response {
        var current = promotion
        if let seconds {
            let deadline = ContinuousClock.now + .seconds(seconds)
            var pause = Duration.milliseconds(20)
            while !current.state.isFinal, ContinuousClock.now < deadline {
                try await Task.sleep(for: min(pause, ContinuousClock.now.duration(to: deadline)))
                pause = min(pause * 2, .milliseconds(250))
                current = try await promotions.promotion(promotion.id)
            }
        }
        var headers: HTTPFields = [.location: "/v1/promotions/\(promotion.id)", .eTag: "\"\(current.version)\""]
        if let seconds, let name = HTTPField.Name("Preference-Applied") { headers[name] = "wait=\(seconds)" }
        if !current.state.isFinal { headers[.retryAfter] = "1" }
        return try .json(PromotionResource(current), status: current.state.isFinal ? .ok : .accepted, headers: headers)
    }

    @Sendable private func show(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let promotion = try await promotions.promotion(try Self.id(context))
        return try await answer(promotion, waiting: RequestParsing.wait(request)).asLookup(promotion)
    }

    @Sendable private func cancel(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let promotion = try await promotions.cancel(try Self.id(context), by: principal, reason: nil, requestID: context.requestID)
        return try .json(PromotionResource(promotion), status: promotion.state.isFinal ? .ok : .accepted)
    }

    @Sendable private func retry(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let promotion = try await promotions.retry(try Self.id(context), by: principal, requestID: context.requestID)
        return try await answer(promotion, waiting: RequestParsing.wait(request))
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        var filter = PromotionFilter()
        filter.image = try RequestParsing.query(request, "image").map { text throws(Problem) in try RequestParsing.image(text) }
        filter.from = try RequestParsing.query(request, "from").map { text throws(Problem) in try RequestParsing.environment(text, field: "from") }
        filter.to = try RequestParsing.query(request, "to").map { text throws(Problem) in try RequestParsing.environment(text, field: "to") }
        filter.digest = try RequestParsing.query(request, "digest").map { text throws(Problem) in try RequestParsing.digest(text) }
        filter.requestedBy = RequestParsing.query(request, "requestedBy").map(SubjectID.init(stored:))
        for word in (RequestParsing.query(request, "state") ?? "").split(separator: ",") {
            guard let state = PromotionState(rawValue: String(word)) else {
                throw Problem.invalid("state", "'\(word.prefix(40))' is no state; states: \(PromotionState.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            filter.states.insert(state)
        }
        let page = try await store.promotions(filter, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        return try .json(PageResource(items: page.items.map(PromotionResource.init), next: page.next))
    }

    private static func id(_ context: ShipliftRequestContext) throws(Problem) -> PromotionID {
        guard let text = context.parameters.get("id"), let id = PromotionID(parsing: text) else {
            throw .notFound("a promotion's id is a UUID such as 0192f0c1-2345-7abc-8def-0123456789ab")
        }
        return id
    }
}

extension Response {
    /// A look is answered 200, whatever the state.
    fileprivate func asLookup(_ promotion: Promotion) -> Response {
        var copy = self
        copy.status = .ok
        return copy
    }
}

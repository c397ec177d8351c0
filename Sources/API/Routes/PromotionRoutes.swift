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
        group.post("promotions/batch", use: createMany)
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

    private static let mostItems = 1_000
    /// Items at work at once in one call.
    private static let width = 256

    /// Several promotions in one call. One that can't be accepted, or fails, does not touch the others.
    @Sendable private func createMany(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let bodies = try await RequestParsing.batch(
            request, context, fields: Self.bodyFields.subtracting(["dryRun"]), limit: Self.mostItems)
        let key = try RequestParsing.idempotencyKey(request)
        guard (key ?? "").utf8.count <= 240 else { throw Problem.invalid("Idempotency-Key", "1 to 240 visible ASCII characters for a batch") }
        let deadline = RequestParsing.wait(request).map { ContinuousClock.now + .seconds($0) }
        let items = try await withThrowingTaskGroup(of: (Int, PromotionBatchItem).self) { group in
            var answers: [Int: PromotionBatchItem] = [:]
            for (index, body) in bodies.enumerated() {
                if index >= Self.width, let (done, item) = try await group.next() { answers[done] = item }
                group.addTask { (index, await item(body, key.map { "\($0)#\(index)" }, principal, deadline, context)) }
            }
            for try await (index, item) in group { answers[index] = item }
            return bodies.indices.compactMap { answers[$0] }
        }
        return try .json(PromotionBatchResource(items: items))
    }

    private func item(
        _ body: PromotionRequestBody, _ key: String?, _ principal: Principal, _ deadline: ContinuousClock.Instant?, _ context: ShipliftRequestContext
    ) async -> PromotionBatchItem {
        do {
            let asked = try RequestParsing.promotion(body)
            var promotion =
                switch try await promotions.request(asked, by: principal, requestID: context.requestID, key: key) {
                case .created(let promotion), .repeated(let promotion): promotion
                }
            if let deadline { promotion = try await promotions.settled(promotion, within: ContinuousClock.now.duration(to: deadline)) }
            return PromotionBatchItem(status: promotion.state.isFinal ? 200 : 202, promotion: PromotionResource(promotion))
        } catch {
            let problem = Problem.of(error, context).resource
            return PromotionBatchItem(status: problem.status, problem: problem)
        }
    }

    /// A look is answered 200, whatever the state; else 200 when the promotion is final within the time that the caller would wait, else 202.
    private func answer(_ promotion: Promotion, waiting seconds: Int?, status: HTTPResponse.Status? = nil) async throws -> Response {
        let current = if let seconds { try await promotions.settled(promotion, within: .seconds(seconds)) } else { promotion }
        var headers: HTTPFields = [.location: "/v1/promotions/\(promotion.id)", .eTag: "\"\(current.version)\""]
        if let seconds, let name = HTTPField.Name("Preference-Applied") { headers[name] = "wait=\(seconds)" }
        if !current.state.isFinal { headers[.retryAfter] = "1" }
        var resource = PromotionResource(current)
        let requests = try await promotions.requests(of: current)
        resource.requests = requests.isEmpty ? nil : requests.map(GateRequestResource.init)
        return try .json(resource, status: status ?? (current.state.isFinal ? .ok : .accepted), headers: headers)
    }

    @Sendable private func show(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let promotion = try await promotions.promotion(try Self.id(context))
        // While it is under way more changes than its version.
        if promotion.state.isFinal, let known = request.headers[.ifNoneMatch], EntityTag.list(known, names: "\"\(promotion.version)\"", weakly: true) {
            return Response(status: .notModified, headers: [.eTag: "\"\(promotion.version)\"", .cacheControl: "no-store"])
        }
        return try await answer(promotion, waiting: RequestParsing.wait(request), status: .ok)
    }

    @Sendable private func cancel(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let promotion = try await promotions.cancel(
            try Self.id(context), ifVersion: RequestParsing.versions(request), by: principal, reason: nil, requestID: context.requestID)
        return try await answer(promotion, waiting: nil)
    }

    @Sendable private func retry(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let promotion = try await promotions.retry(
            try Self.id(context), ifVersion: RequestParsing.versions(request), by: principal, requestID: context.requestID)
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

    static func id(_ context: ShipliftRequestContext) throws(Problem) -> PromotionID {
        guard let text = context.parameters.get("id"), let id = PromotionID(parsing: text) else {
            throw .notFound("a promotion's id is a UUID such as 0192f0c1-2345-7abc-8def-0123456789ab")
        }
        return id
    }
}

import APIModel
import Foundation
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/rollbacks`: back to what was.
struct RollbackRoutes: Sendable {
    let rollbacks: Rollbacks
    let promotions: Promotions

    func add(to group: RouterGroup<ShipliftRequestContext>) { group.post("rollbacks", use: create) }

    private static let fields: Set<String> = ["environment", "image", "to", "tags", "reason", "dryRun"]

    @Sendable private func create(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        let body = try await RequestParsing.json(request, context, as: RollbackRequestBody.self, fields: Self.fields)
        let asked = try Self.parse(body)
        if body.dryRun == true { return try .json(try await resource(try await rollbacks.dryRun(asked, by: principal), asked, nil, context)) }
        let key = try RequestParsing.idempotencyKey(request)
        guard (key ?? "").utf8.count <= 220 else { throw Problem.invalid("Idempotency-Key", "1 to 220 visible ASCII characters for a rollback") }
        let deadline = RequestParsing.wait(request).map { ContinuousClock.now + .seconds($0) }
        let answer = try await rollbacks.request(asked, by: principal, requestID: context.requestID, key: key)
        let made = try await resource(answer, asked, deadline, context)
        let isDone = made.items.allSatisfy { $0.promotion?.isFinal ?? true }
        return try .json(made, status: isDone ? .ok : .accepted)
    }

    private static func parse(_ body: RollbackRequestBody) throws(Problem) -> Rollbacks.Request {
        let image = try body.image.map { text throws(Problem) in try RequestParsing.image(text) }
        let goal = try InventoryParsing.goal(body.to)
        switch goal {
        case .state: break
        case .previous, .digest:
            guard image != nil else { throw .invalid("image", "a whole environment goes back to a time; for '\(body.to.prefix(80))' name the image") }
        }
        guard (body.tags ?? []).count <= 100 else { throw .invalid("tags", "at most 100 tags") }
        var tags: [Tag] = []
        for text in body.tags ?? [] { tags.append(try RequestParsing.tag(text, field: "tags")) }
        guard (body.reason ?? "").utf8.count <= 2000, body.reason?.contains("\u{0}") != true else { throw .invalid("reason", "at most 2,000 bytes, without NUL") }
        return Rollbacks.Request(
            environment: try RequestParsing.environment(body.environment, field: "environment"), image: image, tags: tags, goal: goal, reason: body.reason)
    }

    private func resource(
        _ answer: Rollbacks.Answer, _ asked: Rollbacks.Request, _ deadline: ContinuousClock.Instant?, _ context: ShipliftRequestContext
    ) async throws -> RollbackResource {
        var items: [RollbackResource.Item] = []
        for item in answer.items {
            var made = RollbackResource.Item(
                image: item.image.description, digest: item.digest.description, tags: item.tags.map(\.description), state: item.state,
                source: item.source?.description)
            switch item.outcome {
            case .requested(var promotion):
                if let deadline { promotion = try await promotions.settled(promotion, within: ContinuousClock.now.duration(to: deadline)) }
                made.promotion = PromotionResource(promotion)
            case .tried(let decision): made.decision = DecisionResource(decision)
            case .refused(let error): made.problem = Problem.of(error, context).resource
            }
            items.append(made)
        }
        return RollbackResource(environment: asked.environment.description, items: items, unchanged: answer.unchanged)
    }
}

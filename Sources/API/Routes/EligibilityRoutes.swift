import APIModel
import Foundation
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// `/v1/eligibility`, `/v1/decisions`: what could go on now, and what was decided before.
struct EligibilityRoutes: Sendable {
    let eligibility: Eligibility
    let decisions: any DecisionLog

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("eligibility", use: eligible)
        group.get("decisions", use: recorded)
    }

    @Sendable private func eligible(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        guard let image = RequestParsing.query(request, "image") else { throw Problem.invalid("image", "name the image: /v1/eligibility?image=shop/api&to=production") }
        guard let to = RequestParsing.query(request, "to") else { throw Problem.invalid("to", "name the environment: /v1/eligibility?image=shop/api&to=production") }
        let tag = try RequestParsing.query(request, "tag").map { text throws(Problem) in try RequestParsing.tag(text, field: "tag") }
        let digest = try RequestParsing.query(request, "digest").map { text throws(Problem) in try RequestParsing.digest(text) }
        guard tag == nil || digest == nil else { throw Problem.invalid("tag", "name the artifact by 'tag' or by 'digest', one of them") }
        let question = Eligibility.Question(
            image: try RequestParsing.image(image),
            from: try RequestParsing.query(request, "from").map { text throws(Problem) in try RequestParsing.environment(text, field: "from") },
            to: try RequestParsing.environment(to, field: "to"), reference: tag.map { .tag($0) } ?? digest.map { .digest($0) })
        let answers = try await eligibility.answers(
            to: question, for: principal, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request, default: 20, most: 50))
        return try .json(
            EligibilityResource(
                image: question.image.description, from: answers.from.description, to: question.to.description,
                policyVersion: answers.policyVersion.description, items: answers.page.items.map(EligibilityItem.init), next: answers.page.next))
    }

    @Sendable private func recorded(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let since = try RequestParsing.date(request, "since") else { throw Problem.invalid("since", "a time: /v1/decisions?since=2026-03-01T00:00:00Z") }
        let page = try await decisions.decisions(
            since: since, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request, default: 50, most: 200))
        return try .json(PageResource(items: try page.items.map(RecordedDecisionResource.init), next: page.next))
    }
}

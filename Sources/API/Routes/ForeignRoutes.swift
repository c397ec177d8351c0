import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// The promotion calls of Artifactory and ProGet, for pipelines that move over: the same promotion, decision and audit as by `/v1/promotions`.
///
/// Those callers expect the work to be done when they get their answer, so these wait for the end.
struct ForeignRoutes: Sendable {
    let promotions: Promotions
    let policies: any PolicySource
    let settings: APISettings

    /// Seconds that are waited for the end where the caller prefers nothing.
    static let usualWait = 60

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.post("docker/:repoKey/v2/promote", use: artifactory)
        group.post("promotions/promote", use: proGet)
    }

    /// Artifactory: `copy` is false where it is not said, which means a move.
    @Sendable private func artifactory(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let body = try await RequestParsing.json(
            request, context, as: ArtifactoryPromotionBody.self,
            fields: ["targetRepo", "dockerRepository", "targetDockerRepository", "tag", "targetTag", "copy"])
        guard body.copy == true || settings.takesMovesAsCopies else {
            throw Problem(
                "move-refused", status: 422, title: "Nothing is moved",
                detail: "without \"copy\": true this asks for a move, which would take the image away from its source; Shiplift copies. "
                    + "Say \"copy\": true, or let moves be copies with the setting moves_as_copies", field: "copy")
        }
        guard body.targetDockerRepository == nil || body.targetDockerRepository == body.dockerRepository else {
            throw Problem.unacceptable("targetDockerRepository", "an image keeps its name on its way; the environment says where it goes")
        }
        guard let tag = body.tag else { throw Problem.invalid("tag", "name the tag: a whole repository is not promoted in one call") }
        guard let repoKey = context.parameters.get("repoKey").flatMap({ $0.removingPercentEncoding }) else { throw Problem.notFound("name a repository") }
        let asked = PromotionRequest(
            image: try RequestParsing.image(body.dockerRepository, field: "dockerRepository"), from: try await environment(repoKey, "repoKey"),
            to: try await environment(body.targetRepo, "targetRepo"), reference: .tag(try RequestParsing.tag(tag, field: "tag")),
            targetTags: try body.targetTag.map { text throws(Problem) in [try RequestParsing.tag(text, field: "targetTag")] } ?? [])
        return try await promote(asked, request, context)
    }

    /// ProGet: `group/name` is the image and the version its tag.
    @Sendable private func proGet(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let body = try await RequestParsing.json(
            request, context, as: ProGetPromotionBody.self,
            fields: ["name", "packageName", "group", "groupName", "version", "fromFeed", "toFeed", "comments"])
        guard let name = body.name ?? body.packageName, body.name == nil || body.packageName == nil else { throw Problem.invalid("name", "name the package, once") }
        guard body.group == nil || body.groupName == nil else { throw Problem.invalid("group", "name the group once") }
        let group = body.group ?? body.groupName ?? ""
        let image: ImageName
        do { image = try ImageName(parsing: group.isEmpty ? name : group + "/" + name) } catch { throw Problem.unacceptable("name", error.description) }
        let asked = PromotionRequest(
            image: image, from: try await environment(body.fromFeed, "fromFeed"),
            to: try await environment(body.toFeed, "toFeed"), reference: .tag(try RequestParsing.tag(body.version, field: "version")),
            reason: try RequestParsing.reason(body.comments, field: "comments"))
        return try await promote(asked, request, context)
    }

    private func promote(_ asked: PromotionRequest, _ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let key = try RequestParsing.idempotencyKey(request)
        let created = try await promotions.request(asked, by: try context.authenticated(), requestID: context.requestID, key: key)
        let seconds = RequestParsing.wait(request) ?? Self.usualWait
        let promotion = try await promotions.settled(created.promotion, within: .seconds(seconds))
        let location = "/v1/promotions/\(promotion.id)"
        var headers: HTTPFields = [.location: location, .eTag: "\"\(promotion.version)\""]
        switch promotion.state {
        case .denied:
            throw Problem(
                "promotion-denied", status: 403, title: "Policy does not allow it",
                detail: "\(promotion.decision?.summary ?? "denied"); the reasons of each gate are at \(location)", headers: headers)
        case .failed, .cancelled:
            throw Problem(
                "promotion-failed", status: 502, title: "The promotion came to no good end",
                detail: "it is \(promotion.state.rawValue)\(promotion.failure.map { ": " + $0.message } ?? ""); see \(location)", headers: headers)
        default: break
        }
        if !promotion.state.isFinal { headers[.retryAfter] = "1" }
        return try .json(PromotionResource(promotion), status: promotion.state.isFinal ? .ok : .accepted, headers: headers)
    }

    /// The environment that a repository key or a feed stands for: as configured, else by an environment's own name, else by one of its registries'.
    private func environment(_ name: String, _ field: String) async throws -> EnvironmentName {
        if let mapped = settings.foreignNames[name] { return try RequestParsing.environment(mapped, field: field) }
        let policySet: PolicySet
        do { policySet = try await policies.current() } catch { throw Problem(error) }
        let found =
            policySet.environments.first { $0.name.description == name }
            ?? policySet.environments.first { $0.registries.contains { $0.name == name } }
        guard let found else {
            throw Problem(
                "unknown-environment", status: 422, title: "Unknown environment",
                detail: "'\(name.prefix(80))' stands for no environment; say for which in the setting foreign_names", field: field)
        }
        return found.name
    }
}

extension CreatedPromotion {
    /// Whether it was made now or before.
    var promotion: Promotion {
        switch self {
        case .created(let promotion), .repeated(let promotion): promotion
        }
    }
}

/// Where Artifactory's and ProGet's clients put the token: `X-JFrog-Art-Api`, `X-ApiKey`, or the password of HTTP Basic. `Authorization` counts
/// where there are several.
struct ForeignCredentialsMiddleware: RouterMiddleware {
    typealias Context = ShipliftRequestContext

    private static let fields = ["X-JFrog-Art-Api", "X-ApiKey"].compactMap { HTTPField.Name($0) }

    @concurrent
    func handle(
        _ request: Request, context: Context, next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var head = request.head
        if request.headers[.authorization] == nil, let key = Self.fields.lazy.compactMap({ request.headers[$0] }).first {
            head.headerFields[.authorization] = "Bearer " + key
        } else if let given = request.headers[.authorization], let password = Self.password(given) {
            head.headerFields[.authorization] = "Bearer " + password
        }
        return try await next(Request(head: head, body: request.body), context)
    }

    /// The password of HTTP Basic (RFC 7617); the user's name says nothing.
    static func password(_ header: String) -> String? {
        guard header.utf8.count <= 1_024, header.prefix(6).lowercased() == "basic ", let data = Data(base64Encoded: String(header.dropFirst(6))),
            let text = String(data: data, encoding: .utf8), let colon = text.firstIndex(of: ":")
        else { return nil }
        return String(text[text.index(after: colon)...])
    }
}

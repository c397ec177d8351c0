import APIModel
import Foundation
import Hummingbird
import PolicyEngine
import PromotionCore

/// `/v1/tokens`: made, listed and revoked by administrators.
struct TokenRoutes: Sendable {
    let tokens: Tokens

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.post("tokens", use: create)
        group.get("tokens", use: list)
        group.delete("tokens/:id", use: revoke)
        group.post("tokens/:id/rotate", use: rotate)
    }

    @Sendable private func create(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let admin = try context.admin()
        let body = try await RequestParsing.json(
            request, context, as: TokenRequestBody.self, fields: ["name", "role", "images", "environments", "groups", "expiresInDays", "grants", "owner"])
        guard (1...100).contains(body.name.utf8.count), !body.name.contains("\u{0}") else { throw Problem.invalid("name", "1 to 100 bytes") }
        let days = body.expiresInDays ?? 90
        guard (1...365).contains(days) else { throw Problem.invalid("expiresInDays", "from 1 to 365") }
        let made = try await tokens.create(
            name: body.name, grant: try grant(body), groups: try Self.groups(body), owner: try Self.owner(body), lifetime: .seconds(days * 86_400), by: admin.subject,
            requestID: context.requestID)
        return try .json(TokenResource(made.record, secret: made.secret.reveal()), status: .created)
    }

    private func grant(_ body: TokenRequestBody) throws(Problem) -> Grant {
        guard body.role == "scoped" || body.grants == nil else { throw .invalid("grants", "only the role 'scoped' has grants of its own") }
        switch body.role {
        case "scoped": return .scoped(try Self.permissions(body))
        case "reader": return .reader
        case "admin": return .admin
        case "reporter":
            guard (body.environments ?? []).isEmpty else { throw .invalid("environments", "evidence is about images, wherever they are") }
            return .reporter(images: try images(body))
        case "promoter", "approver":
            var environments: [EnvironmentName] = []
            for text in body.environments ?? [] { environments.append(try RequestParsing.environment(text, field: "environments")) }
            let images = try images(body)
            return body.role == "promoter" ? .promoter(images: images, environments: environments) : .approver(images: images, environments: environments)
        default: throw .invalid("role", "one of reader, promoter, approver, reporter, admin, scoped")
        }
    }

    private static func permissions(_ body: TokenRequestBody) throws(Problem) -> [Permission] {
        guard body.images == nil, body.environments == nil else { throw .invalid("grants", "name images and environments in each of the grants") }
        guard let grants = body.grants, (1...20).contains(grants.count) else { throw .invalid("grants", "1 to 20 grants") }
        var permissions: [Permission] = []
        for grant in grants {
            var verbs: Set<Verb> = []
            for text in grant.verbs {
                guard let verb = Verb(rawValue: text) else {
                    throw .invalid("grants", "'\(text.prefix(40))' is no verb; verbs: \(Verb.allCases.map(\.rawValue).joined(separator: ", "))")
                }
                verbs.insert(verb)
            }
            guard !verbs.isEmpty else { throw .invalid("grants", "each names at least one verb") }
            var environments: [EnvironmentName] = []
            for text in grant.environments ?? [] { environments.append(try RequestParsing.environment(text, field: "grants")) }
            permissions.append(Permission(verbs: verbs, images: try images(grant.images ?? [], "grants"), environments: environments))
        }
        return permissions
    }

    private static func owner(_ body: TokenRequestBody) throws(Problem) -> SubjectID? {
        guard let owner = body.owner else { return nil }
        guard (1...1_000).contains(owner.utf8.count), owner.contains(":"), !owner.contains("\u{0}") else {
            throw .invalid("owner", "the id of a person as /v1/whoami says it, such as oidc:https://idp.example.com#ada")
        }
        return SubjectID(stored: owner)
    }

    @Sendable private func rotate(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        guard let text = context.parameters.get("id"), let id = UUID(uuidString: text) else { throw Problem.notFound("a token's id is a UUID") }
        // Whoever has a token may give it a new secret, for no longer than it would have lived.
        let isOwn = principal.subject == .token(id)
        guard isOwn || principal.isAdmin else { throw Problem.forbidden("only an administrator rotates another's token") }
        let body = try await RequestParsing.optionalJSON(
            request, context, as: TokenRotationBody.self, fields: ["overlapSeconds", "expiresInDays"], empty: TokenRotationBody())
        let overlap = body.overlapSeconds ?? 3_600
        guard (0...604_800).contains(overlap) else { throw Problem.invalid("overlapSeconds", "from 0 to 604800") }
        if let days = body.expiresInDays {
            guard (1...365).contains(days) else { throw Problem.invalid("expiresInDays", "from 1 to 365") }
            guard principal.isAdmin else { throw Problem.forbidden("only an administrator lets a token live longer") }
        }
        let made = try await tokens.rotate(
            id, overlap: .seconds(overlap), lifetime: body.expiresInDays.map { .seconds($0 * 86_400) }, by: principal.subject, requestID: context.requestID)
        return try .json(TokenResource(made.record, secret: made.secret.reveal()))
    }

    private func images(_ body: TokenRequestBody) throws(Problem) -> [String] { try Self.images(body.images ?? [], "images") }

    private static func images(_ patterns: [String], _ field: String) throws(Problem) -> [String] {
        for pattern in patterns {
            do { _ = try ImagePattern(parsing: pattern) } catch { throw .invalid(field, "'\(pattern.prefix(80))': \(error.description)") }
        }
        return patterns
    }

    private static func groups(_ body: TokenRequestBody) throws(Problem) -> [String] {
        let groups = body.groups ?? []
        guard groups.count <= 50, groups.allSatisfy({ (1...100).contains($0.utf8.count) && !$0.contains("\u{0}") }) else {
            throw .invalid("groups", "at most 50 names of 1 to 100 bytes")
        }
        return groups
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        _ = try context.admin()
        return try .json(PageResource(items: try await tokens.list().map { TokenResource($0) }, next: nil))
    }

    @Sendable private func revoke(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let admin = try context.admin()
        guard let text = context.parameters.get("id"), let id = UUID(uuidString: text) else { throw Problem.notFound("a token's id is a UUID") }
        return try .json(TokenResource(try await tokens.revoke(id, by: admin.subject, requestID: context.requestID)))
    }
}

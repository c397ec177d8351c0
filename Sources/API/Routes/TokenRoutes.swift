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
    }

    @Sendable private func create(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let admin = try context.admin()
        let body = try await RequestParsing.json(
            request, context, as: TokenRequestBody.self, fields: ["name", "role", "images", "environments", "groups", "expiresInDays"])
        guard (1...100).contains(body.name.unicodeScalars.count), !body.name.contains("\u{0}") else { throw Problem.invalid("name", "1 to 100 characters, without NUL") }
        let days = body.expiresInDays ?? 90
        guard (1...365).contains(days) else { throw Problem.invalid("expiresInDays", "from 1 to 365") }
        let made = try await tokens.create(
            name: body.name, grant: try grant(body), groups: try Self.groups(body), lifetime: .seconds(days * 86_400), by: admin.subject, requestID: context.requestID)
        return try .json(TokenResource(made.record, secret: made.secret.reveal()), status: .created)
    }

    private func grant(_ body: TokenRequestBody) throws(Problem) -> Grant {
        switch body.role {
        case "reader": return .reader
        case "admin": return .admin
        case "reporter":
            guard (body.environments ?? []).isEmpty else { throw .unacceptable("environments", "evidence is about images, wherever they are") }
            return .reporter(images: try images(body))
        case "promoter", "approver":
            var environments: [EnvironmentName] = []
            for text in body.environments ?? [] { environments.append(try RequestParsing.environment(text, field: "environments")) }
            let images = try images(body)
            return body.role == "promoter" ? .promoter(images: images, environments: environments) : .approver(images: images, environments: environments)
        default: throw .invalid("role", "one of reader, promoter, approver, reporter, admin")
        }
    }

    private func images(_ body: TokenRequestBody) throws(Problem) -> [String] {
        for pattern in body.images ?? [] {
            do { _ = try ImagePattern(parsing: pattern) } catch {
                throw .unacceptable("images", "'\(pattern.prefix(80))': \(error.description)")
            }
        }
        return body.images ?? []
    }

    private static func groups(_ body: TokenRequestBody) throws(Problem) -> [String] {
        let groups = body.groups ?? []
        guard groups.count <= 50, groups.allSatisfy({ (1...100).contains($0.unicodeScalars.count) && !$0.contains("\u{0}") }) else {
            throw .invalid("groups", "at most 50 names of 1 to 100 characters, without NUL")
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

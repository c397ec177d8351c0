import APIModel
import AuditLog
import Foundation
import Hummingbird
import PolicyEngine
import PromotionCore

/// `/v1/whoami`: who the caller is, and what they may do.
struct IdentityRoutes: Sendable {
    let browsers: BrowserAccess?

    func add(to group: RouterGroup<ShipliftRequestContext>) { group.get("whoami", use: whoami) }

    @Sendable private func whoami(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let principal = try context.authenticated()
        return try .json(WhoamiResource(principal, antiForgeryToken: browsers?.antiForgeryToken(of: request, principal)))
    }
}

extension WhoamiResource {
    init(_ principal: Principal, antiForgeryToken: String?) {
        self.init(
            subject: principal.subject.description, name: principal.name, authentication: principal.authentication.rawValue, issuer: principal.issuer,
            owner: principal.owner?.description, role: principal.grant.role, grants: principal.grant.permissions.map(GrantResource.init), rules: principal.rules,
            claims: principal.claims, expiresAt: principal.expiresAt, csrfToken: antiForgeryToken)
    }
}

extension GrantResource {
    init(_ permission: Permission) {
        self.init(
            verbs: permission.verbs.map(\.rawValue).sorted(), images: permission.images, environments: permission.environments.map(\.description))
    }
}

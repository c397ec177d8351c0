import APIModel
import AuditLog
import Foundation
import Hummingbird
import PolicyEngine
import PromotionCore

/// `/v1/registries`: what is known of them, and the probe that finds it out.
struct RegistryRoutes: Sendable {
    let directory: any RegistryDirectory

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("registries", use: list)
        group.post("registries/:name/probe", use: probe)
    }

    @Sendable private func list(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let states: [RegistryState]
        do { states = try await directory.registries() } catch { throw Problem(error) }
        return try .json(PageResource(items: states.map(RegistryResource.init), next: nil))
    }

    @Sendable private func probe(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let admin = try context.admin()
        guard let text = context.parameters.get("name"), let name = text.removingPercentEncoding, (1...1_000).contains(name.utf8.count) else {
            throw Problem.notFound("name a registry of environments.yaml")
        }
        let state: RegistryState?
        do throws(PromotionFailure) {
            state = try await directory.probe(name, by: admin.subject, authentication: admin.authentication, requestID: context.requestID)
        } catch { throw Problem(error) }
        guard let state else { throw Problem.notFound("no environment names a registry '\(name.prefix(80))'") }
        return try .json(RegistryResource(state))
    }
}

extension RegistryResource {
    init(_ state: RegistryState) {
        self.init(
            name: state.name, environment: state.environment.description, url: state.url, repository: state.repository, concurrency: state.concurrency,
            allowance: state.allowance, bandwidth: state.bandwidth,
            rateLimit: state.rateLimit.map {
                RegistryRateLimitResource(limit: $0.limit, remaining: $0.remaining, windowSeconds: $0.windowSeconds, seenAt: $0.seenAt)
            },
            profile: state.traits.map { RegistryTraitResource(name: $0.name, value: $0.value, source: $0.source.rawValue) },
            probedAt: state.probedAt, mayWrite: state.mayWrite, findings: state.findings, leftBehind: state.leftBehind, failure: state.failure)
    }
}

import APIModel
import Foundation
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// What is where: tags with their history, artifacts, environments.
struct CatalogRoutes: Sendable {
    let catalog: any Catalog
    let registries: any ImageRegistries
    let policies: any PolicySource

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("tags", use: tags)
        group.get("artifacts", use: artifact)
        group.get("environments", use: environments)
    }

    /// `refresh=true` asks the registries first; otherwise the answer is what was last seen.
    @Sendable private func tags(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let name = RequestParsing.query(request, "image") else { throw Problem.invalid("image", "name the image: /v1/tags?image=shop/api") }
        let image = try RequestParsing.image(name)
        let environment = try RequestParsing.query(request, "environment").map { text throws(Problem) in
            try RequestParsing.environment(text, field: "environment")
        }
        let tag = try RequestParsing.query(request, "tag").map { text throws(Problem) in try RequestParsing.tag(text, field: "tag") }
        if RequestParsing.query(request, "refresh") == "true" { try await refresh(image, environment) }
        let page = try await catalog.tags(
            image: image, environment: environment, tag: tag, history: RequestParsing.query(request, "history") == "true",
            cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        let items = page.items.map {
            TagResource(
                environment: $0.environment.description, registry: $0.registry, repository: $0.repository.description, tag: $0.tag.description,
                digest: $0.digest?.description, since: $0.since, until: $0.until, promotion: $0.promotion?.description)
        }
        return try .json(PageResource(items: items, next: page.next))
    }

    private func refresh(_ image: ImageName, _ environment: EnvironmentName?) async throws {
        do throws(PromotionFailure) {
            let policySet = try await policies.current()
            for definition in policySet.environments where environment == nil || definition.name == environment {
                _ = try await registries.refreshTags(image, in: definition, limit: 200)
            }
        } catch { throw Problem(error) }
    }

    @Sendable private func artifact(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let text = RequestParsing.query(request, "digest") else { throw Problem.invalid("digest", "name the artifact: /v1/artifacts?digest=sha256:…") }
        let digest = try RequestParsing.digest(text)
        guard let found = try await catalog.artifact(digest) else { throw Problem.notFound("\(digest) was not seen in any environment") }
        let locations = found.locations.map {
            ArtifactLocationResource(
                environment: $0.environment.description, registry: $0.registry, image: $0.image.description, repository: $0.repository.description,
                tags: $0.tags.map(\.description), seenAt: $0.seenAt)
        }
        return try .json(
            ArtifactResource(digest: digest.description, mediaType: found.mediaType?.description, size: found.sizeBytes, locations: locations))
    }

    @Sendable private func environments(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let policySet: PolicySet
        do { policySet = try await policies.current() } catch { throw Problem(error) }
        let items = policySet.environments.map { environment in
            EnvironmentResource(
                name: environment.name.description, position: environment.position,
                registries: environment.registries.map { EnvironmentResource.Registry(name: $0.name, url: $0.url, repository: $0.repository.description) },
                immutableTags: environment.immutableTags.map(\.description))
        }
        return try .json(
            EnvironmentsResource(policyVersion: policySet.version.description, items: items, refused: await policies.refused().map(\.description)))
    }
}

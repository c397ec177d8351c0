import APIModel
import Foundation
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// What is and was where: images by what they are, environments at a time, moves, differences, drift.
struct InventoryRoutes: Sendable {
    let queries: any InventoryQueries
    let policies: any PolicySource

    func add(to group: RouterGroup<ShipliftRequestContext>) {
        group.get("images", use: images)
        group.get("environments/:name", use: environment)
        group.get("history", use: history)
        group.get("diff", use: difference)
        group.get("drift", use: drift)
    }

    @Sendable private func images(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let page = try await queries.search(
            try InventoryParsing.search(request), cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        return try .json(PageResource(items: page.items.map(ImageResource.init), next: page.next))
    }

    @Sendable private func environment(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let name = try await known(context.parameters.get("name") ?? "", "name")
        let (image, at) = (try InventoryParsing.image(request), try RequestParsing.date(request, "at"))
        let page = try await queries.state(
            of: name, image: image, at: at, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request, default: 200))
        let items = page.items.map {
            EnvironmentStateResource.Item(
                image: $0.image.description, tag: $0.tag.description, digest: $0.digest.description, registry: $0.registry, since: $0.since,
                promotion: $0.promotion?.description)
        }
        return try .json(EnvironmentStateResource(environment: name.description, at: at, items: items, next: page.next))
    }

    @Sendable private func history(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let page = try await queries.moves(
            of: try InventoryParsing.image(request), environment: try InventoryParsing.environment(request, "environment"),
            tag: try InventoryParsing.tag(request), since: try RequestParsing.date(request, "since"), until: try RequestParsing.date(request, "until"),
            cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        return try .json(PageResource(items: page.items.map(MoveResource.init), next: page.next))
    }

    @Sendable private func difference(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let first = RequestParsing.query(request, "from") else { throw Problem.invalid("from", "name both ends: /v1/diff?from=staging&to=production") }
        guard let second = RequestParsing.query(request, "to") else { throw Problem.invalid("to", "name both ends: /v1/diff?from=staging&to=production") }
        let (from, to) = (try await known(first, "from"), try await known(second, "to"))
        guard from != to else { throw Problem.unacceptable("to", "an environment does not differ from itself; /v1/history tells what changed in it") }
        let page = try await queries.difference(
            from: from, to: to, image: try InventoryParsing.image(request), cursor: RequestParsing.query(request, "cursor"),
            limit: try RequestParsing.limit(request, default: 100))
        return try .json(
            DifferenceResource(from: from.description, to: to.description, items: page.items.map(DifferenceResource.Image.init), next: page.next))
    }

    @Sendable private func drift(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        var filter = DriftFilter()
        filter.environment = try InventoryParsing.environment(request, "environment")
        filter.image = try InventoryParsing.image(request)
        switch RequestParsing.query(request, "state") ?? "open" {
        case "open": filter.isOpen = true
        case "resolved": filter.isOpen = false
        case "all": break
        default: throw Problem.invalid("state", "one of open, resolved, all")
        }
        let page = try await queries.drifts(filter, cursor: RequestParsing.query(request, "cursor"), limit: try RequestParsing.limit(request))
        return try .json(PageResource(items: page.items.map(DriftResource.init), next: page.next))
    }

    /// An environment of the policy in force.
    private func known(_ text: String, _ field: String) async throws -> EnvironmentName {
        let name = try RequestParsing.environment(text, field: field)
        let names: [EnvironmentName]
        do { names = try await policies.current().environments.map(\.name) } catch { throw Problem(error) }
        guard names.contains(name) else { throw PromotionRequestError.unknownEnvironment(name, known: names) }
        return name
    }
}

extension ImageResource {
    init(_ hit: ImageHit) {
        self.init(
            image: hit.summary.image.description, environments: hit.summary.environments.map(\.description), lastPromotedAt: hit.summary.lastPromotedAt,
            description: hit.description,
            matches: hit.matches.map {
                ImageMatchResource(
                    environment: $0.environment.description, tag: $0.tag.description, digest: $0.digest.description, size: $0.size, created: $0.created,
                    platforms: $0.platforms, revision: $0.revision)
            })
    }
}

extension MoveResource {
    init(_ move: RecordedTagMove) {
        self.init(
            image: move.image.description, environment: move.environment.description, registry: move.registry, tag: move.tag.description,
            from: move.from?.description, to: move.to?.description, at: move.at, by: move.promotion == nil ? "outside" : "promotion",
            promotion: move.promotion?.description, requestedBy: move.requestedBy?.description, seenBy: move.seenBy)
    }
}

extension DifferenceResource.Artifact {
    init(_ artifact: ComparedArtifact) {
        self.init(
            digest: artifact.digest.description, size: artifact.size, created: artifact.created, revision: artifact.revision, source: artifact.source,
            since: artifact.since)
    }
}

extension DifferenceResource.Image {
    init(_ difference: ImageStanding) {
        self.init(
            image: difference.image.description, standing: difference.standing.rawValue, presence: difference.presence.rawValue,
            tags: difference.tags.map {
                DifferenceResource.TagItem(
                    tag: $0.tag.description, standing: $0.standing.rawValue, from: $0.from.map(DifferenceResource.Artifact.init),
                    to: $0.to.map(DifferenceResource.Artifact.init), missingBlobs: $0.missingBlobs, missingBytes: $0.missingBytes)
            })
    }
}

extension DriftResource {
    init(_ drift: Drift) {
        self.init(
            id: drift.id.uuidString.lowercased(), image: drift.image.description, environment: drift.environment.description,
            registry: drift.target.registry, repository: drift.target.repository.description, tag: drift.tag.description,
            expected: drift.expected.description, found: drift.found?.description, promotion: drift.promotion.description, detectedAt: drift.detectedAt,
            seenBy: drift.seenBy, resolvedAt: drift.resolvedAt, resolution: drift.resolution?.rawValue, restoring: drift.restoring?.description)
    }
}

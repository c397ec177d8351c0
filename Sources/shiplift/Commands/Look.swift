import APIModel
import ArgumentParser
import Foundation

/// `shiplift images`
struct Images: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "images", abstract: "Lists the images that were seen, and where.")
    @Argument(help: "A part of the name.")
    var query: String?
    @Option var limit = 50
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let page: PageResource<ImageResource> = try await service.client().get(
            "/v1/images", query: [("q", query), ("limit", String(limit)), ("cursor", cursor)])
        if service.isJSON { return try Output.json(page) }
        Output.table(
            ["IMAGE", "ENVIRONMENTS", "LAST PROMOTED"],
            page.items.map { [$0.image, $0.environments.joined(separator: ", "), Output.time($0.lastPromotedAt)] })
        if let next = page.next { Output.line("more: --cursor \(next)") }
    }
}

/// `shiplift tags`
struct Tags: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tags",
        abstract: "Shows what an image's tags name in each environment.",
        discussion: "Examples:\n  shiplift tags shop/api\n  shiplift tags shop/api --environment production --history\n  shiplift tags shop/api --refresh")

    @Argument(help: "The image.")
    var image: String
    @Option var environment: String?
    @Option var tag: String?
    @Flag(help: "Every move that was seen, not only what is now.")
    var history = false
    @Flag(help: "Ask the registries first.")
    var refresh = false
    @Option var limit = 50
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let page: PageResource<TagResource> = try await service.client().get(
            "/v1/tags",
            query: [
                ("image", image), ("environment", environment), ("tag", tag), ("history", history ? "true" : nil), ("refresh", refresh ? "true" : nil),
                ("limit", String(limit)), ("cursor", cursor),
            ])
        if service.isJSON { return try Output.json(page) }
        Output.table(
            ["ENVIRONMENT", "REGISTRY", "TAG", "DIGEST", "SINCE", "UNTIL", "PROMOTION"],
            page.items.map {
                [$0.environment, $0.registry, $0.tag, $0.digest.map(Output.short) ?? "absent", Output.time($0.since), Output.time($0.until), $0.promotion ?? "–"]
            })
        if let next = page.next { Output.line("more: --cursor \(next)") }
    }
}

/// `shiplift where`
struct Where: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "where",
        abstract: "Shows where an artifact is.", discussion: "Example:\n  shiplift where sha256:4f5e…")
    @Argument(help: "The digest.")
    var digest: String
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let artifact: ArtifactResource = try await service.client().get("/v1/artifacts", query: [("digest", digest)])
        if service.isJSON { return try Output.json(artifact) }
        Output.line("\(artifact.digest)\(artifact.mediaType.map { "  " + $0 } ?? "")")
        Output.table(
            ["ENVIRONMENT", "REGISTRY", "REPOSITORY", "TAGS", "SEEN"],
            artifact.locations.map { [$0.environment, $0.registry, $0.repository, $0.tags.joined(separator: ", "), Output.time($0.seenAt)] })
    }
}

/// `shiplift environments`
struct Environments: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "environments", abstract: "Shows the environments in force.")
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let environments: EnvironmentsResource = try await service.client().get("/v1/environments")
        if service.isJSON { return try Output.json(environments) }
        Output.table(
            ["ENVIRONMENT", "REGISTRY", "URL", "REPOSITORY"],
            environments.items.flatMap { environment in environment.registries.map { [environment.name, $0.name, $0.url, $0.repository] } })
        Output.line("policy \(environments.policyVersion)")
        for mistake in environments.refused { Output.line("refused: \(mistake)") }
    }
}

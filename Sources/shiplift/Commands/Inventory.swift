import APIModel
import ArgumentParser
import Foundation

/// `shiplift search`
struct Search: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search",
        abstract: "Finds images by name, description and labels, and by what their tags name now.",
        discussion: """
            Examples:
              shiplift search nginx
              shiplift search --label team=payments --environment production
              shiplift search --digest sha256:4f5e --platform linux/arm64 --min-size 500MiB
            """)
    @Argument(help: "Words, or a part of a name.")
    var query: String?
    @Option var tag: String?
    @Option(help: "The first characters of a digest.")
    var digest: String?
    @Option(help: "NAME=VALUE or NAME; may be repeated.")
    var label: [String] = []
    @Option(help: "The first characters of org.opencontainers.image.revision.")
    var revision: String?
    @Option(help: "Such as linux/arm64.")
    var platform: String?
    @Option(help: "Bytes, or 500MiB.")
    var minSize: String?
    @Option(help: "Bytes, or 500MiB.")
    var maxSize: String?
    @Option(help: "A time: \(LocalTime.forms).")
    var createdAfter: String?
    @Option(help: "A time: \(LocalTime.forms).")
    var createdBefore: String?
    @Option var environment: String?
    @Option var limit = 25
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let filters: [(String, String?)] = [
            ("q", query), ("tag", tag), ("digest", digest), ("revision", revision), ("platform", platform), ("minSize", minSize), ("maxSize", maxSize),
            ("createdAfter", try createdAfter.map(LocalTime.parse)), ("createdBefore", try createdBefore.map(LocalTime.parse)), ("environment", environment),
            ("limit", String(limit)), ("cursor", cursor),
        ]
        let page: PageResource<ImageResource> = try await service.client().get("/v1/images", query: filters + label.map { ("label", $0) })
        if service.isJSON { return try Output.json(page) }
        Output.table(
            ["IMAGE", "ENVIRONMENTS", "NEWEST", "DIGEST", "SIZE", "CREATED", "DESCRIPTION"],
            page.items.map { item in
                let newest = item.matches.first
                return [
                    item.image, item.environments.joined(separator: ", "), newest?.tag ?? "–", newest.map { Output.short($0.digest) } ?? "–",
                    newest?.size.map(Output.bytes) ?? "–", Output.time(newest?.created), Output.plain(item.description ?? "", 60),
                ]
            })
        if let next = page.next { Output.line("more: --cursor \(next)") }
    }
}

/// `shiplift list`
struct ListState: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "Shows what is in an environment, or was at a time.",
        discussion: "Examples:\n  shiplift list production\n  shiplift list production --at \"2026-11-17 10:42\"")
    @Argument(help: "The environment.")
    var environment: String
    @Option(help: "A time: \(LocalTime.forms).")
    var at: String?
    @Option var image: String?
    @Option var limit = 200
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let state: EnvironmentStateResource = try await service.client().get(
            "/v1/environments/\(try PathSegment.environment(environment))",
            query: [("at", try at.map(LocalTime.parse)), ("image", image), ("limit", String(limit)), ("cursor", cursor)])
        if service.isJSON { return try Output.json(state) }
        Output.table(
            ["IMAGE", "TAG", "DIGEST", "REGISTRY", "SINCE", "PROMOTION"],
            state.items.map { [$0.image, $0.tag, Output.short($0.digest), $0.registry, Output.time($0.since), $0.promotion ?? "from outside"] })
        if let next = state.next { Output.line("more: --cursor \(next)") }
    }
}

/// `shiplift history`
struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history",
        abstract: "Shows how tags moved, the newest move first: when, from what to what, and by whom.",
        discussion: "Examples:\n  shiplift history shop/api --environment production\n  shiplift history --environment production --since 2026-11-01")
    @Argument(help: "The image; without it, all.")
    var image: String?
    @Option var environment: String?
    @Option var tag: String?
    @Option(help: "A time: \(LocalTime.forms).")
    var since: String?
    @Option(help: "A time: \(LocalTime.forms).")
    var until: String?
    @Option var limit = 50
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let page: PageResource<MoveResource> = try await service.client().get(
            "/v1/history",
            query: [
                ("image", image), ("environment", environment), ("tag", tag), ("since", try since.map(LocalTime.parse)),
                ("until", try until.map(LocalTime.parse)), ("limit", String(limit)), ("cursor", cursor),
            ])
        if service.isJSON { return try Output.json(page) }
        Output.table(
            ["AT", "ENVIRONMENT", "IMAGE", "TAG", "FROM", "TO", "BY"],
            page.items.map { move in
                [
                    Output.time(move.at), move.environment, move.image, move.tag, move.from.map(Output.short) ?? "–", move.to.map(Output.short) ?? "gone",
                    move.requestedBy.map { "\($0) (\(move.promotion ?? "promotion"))" } ?? "others, seen by \(move.seenBy)",
                ]
            })
        if let next = page.next { Output.line("more: --cursor \(next)") }
    }
}

/// `shiplift drift`
struct DriftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift",
        abstract: "Shows tags that no longer name what Shiplift made them name.",
        discussion: "Exit status 4 where there are open ones.\n\nExample:\n  shiplift drift --environment production")
    @Option var environment: String?
    @Option var image: String?
    @Option(help: "open, resolved or all.")
    var state = "open"
    @Option var limit = 50
    @Option var cursor: String?
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let page: PageResource<DriftResource> = try await service.client().get(
            "/v1/drift", query: [("environment", environment), ("image", image), ("state", state), ("limit", String(limit)), ("cursor", cursor)])
        if service.isJSON {
            try Output.json(page)
        } else {
            Output.table(
                ["DETECTED", "ENVIRONMENT", "IMAGE", "TAG", "EXPECTED", "FOUND", "STATE"],
                page.items.map {
                    [
                        Output.time($0.detectedAt), $0.environment, $0.image, $0.tag, Output.short($0.expected), $0.found.map(Output.short) ?? "gone",
                        $0.resolution ?? ($0.restoring.map { "being put back (\($0))" } ?? "open"),
                    ]
                })
            if let next = page.next { Output.line("more: --cursor \(next)") }
        }
        if page.items.contains(where: { $0.resolvedAt == nil }) { throw ExitStatus.failed }
    }
}

/// Times as people write them.
enum LocalTime {
    static let forms = "2026-11-17 10:42 (the wall clock here), 2026-11-17, or 2026-11-17T10:42:00Z"

    /// The time as the service reads it.
    static func parse(_ text: String) throws -> String {
        if APIJSON.date(text) != nil { return text }
        for form in ["yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm", "yyyy-MM-dd"] {
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.dateFormat = form
            formatter.isLenient = false
            if let date = formatter.date(from: text) { return date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)) }
        }
        throw ClientError.notConfigured("'\(text)' is no time: write \(forms)")
    }
}

extension PathSegment {
    static func environment(_ text: String) throws -> String {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }) else {
            throw ClientError.notConfigured("'\(text)' is no environment name")
        }
        return text
    }
}

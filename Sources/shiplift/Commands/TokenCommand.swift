import HTTPTransport
import APIModel
import ArgumentParser
import Foundation

/// `shiplift token`
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Makes, lists, rotates and revokes API tokens.", subcommands: [Create.self, List.self, Rotate.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Makes a token and shows its secret once.",
            discussion: """
                Examples:
                  shiplift token create auditor --role reader
                  shiplift token create ada --role approver --environment production --group release-managers
                  shiplift token create scanner --role reporter --group scanners
                  shiplift token create shop-bot --role scoped --grant 'promote,report:shop/**:test,staging' --grant 'read::'
                  shiplift token create shop-ci --role promoter --image 'shop/**' --environment test --environment staging --days 30
                """)
        @Argument(help: "What it is for; unique among tokens in use.")
        var name: String
        @Option(help: "reader, promoter, approver, reporter (posts evidence), admin, or scoped (see --grant).")
        var role: String
        @Option(help: "Images it may promote, approve or report on (glob); may be given several times. Without it, all.")
        var image: [String] = []
        @Option(help: "Environments it may promote to or approve for; may be given several times. Without it, all.")
        var environment: [String] = []
        @Option(help: "A group that its bearer belongs to, which policy knows as a claim 'groups' of the issuer 'shiplift'; may be given several times.")
        var group: [String] = []
        @Option(help: "For the role scoped: VERBS:IMAGES:ENVIRONMENTS with commas between values; what is empty means all. May be given several times.")
        var grant: [String] = []
        @Option(help: "The id of the person to whom it belongs (see whoami): what is done with it counts as done by them.")
        var owner: String?
        @Option(help: "Days until it expires, 1 to 365.")
        var days = 90
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let token: TokenResource = try await service.client().post(
                "/v1/tokens",
                TokenRequestBody(
                    name: name, role: role, images: grant.isEmpty ? image : nil, environments: grant.isEmpty ? environment : nil, groups: group.isEmpty ? nil : group,
                    expiresInDays: days,
                    grants: grant.isEmpty ? nil : try grant.map(Self.grant), owner: owner))
            if service.isJSON { return try Output.json(token) }
            Output.line(token.secret ?? "")
            Output.error("token \(token.name) (\(token.role)), expires \(Output.time(token.expiresAt)); the secret is shown this once")
        }

        private static func grant(_ text: String) throws -> GrantResource {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { $0.split(separator: ",").map(String.init) }
            guard parts.count == 3, !parts[0].isEmpty else {
                throw ClientError.notConfigured("'\(text)' is no grant: write VERBS:IMAGES:ENVIRONMENTS, for example 'promote:shop/**:test,staging'")
            }
            return GrantResource(verbs: parts[0], images: parts[1], environments: parts[2])
        }
    }

    struct Rotate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Gives a token a new secret and shows it once.",
            discussion: "Who has the token may rotate it; an administrator may rotate any. The secret before counts for --overlap seconds yet.")
        @Argument(help: "The token's id.")
        var id: String
        @Option(help: "Seconds for which the secret before counts too, at most 604800; 0 ends it at once.")
        var overlap = 3_600
        @Option(help: "Days until the token expires, from now; as before where it is left out.")
        var days: Int?
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let token: TokenResource = try await service.client().post(
                "/v1/tokens/\(try PathSegment.id(id))/rotate", TokenRotationBody(overlapSeconds: overlap, expiresInDays: days))
            if service.isJSON { return try Output.json(token) }
            Output.line(token.secret ?? "")
            Output.error("token \(token.name): the secret before counts until \(Output.time(token.previousValidUntil)); the new one is shown this once")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists tokens, without their secrets.")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let page: PageResource<TokenResource> = try await service.client().get("/v1/tokens")
            if service.isJSON { return try Output.json(page) }
            Output.table(
                ["ID", "NAME", "ROLE", "IMAGES", "ENVIRONMENTS", "GROUPS", "ENDS WITH", "EXPIRES", "REVOKED", "LAST USED"],
                page.items.map {
                    [
                        $0.id, $0.name, $0.role, $0.images.isEmpty ? "all" : $0.images.joined(separator: ","),
                        $0.environments.isEmpty ? "all" : $0.environments.joined(separator: ","), $0.groups.joined(separator: ","), "…" + $0.hint, Output.time($0.expiresAt),
                        Output.time($0.revokedAt), Output.time($0.lastUsedOn),
                    ]
                })
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "revoke", abstract: "Ends a token at once.")
        @Argument(help: "The token's id.")
        var id: String
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let data = try await service.client().send(.delete, "/v1/tokens/\(try PathSegment.id(id))")
            let token = try APIJSON.decoder().decode(TokenResource.self, from: data)
            if service.isJSON { try Output.json(token) } else { Output.line("token \(token.name) is revoked") }
        }
    }
}

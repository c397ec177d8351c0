import APIModel
import ArgumentParser
import Foundation
import HTTPTransport

/// `shiplift registry`
struct RegistryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry", abstract: "Shows the environments' registries and what is known of them; finds out what they can do.",
        subcommands: [List.self, Show.self, Probe.self])

    /// `shiplift registry list`
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists the registries that environments name.")
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let page = try await RegistryCommand.registries(service)
            if service.isJSON { return try Output.json(page) }
            Output.table(
                ["REGISTRY", "ENVIRONMENT", "URL", "MOUNT", "UPLOAD", "REFERRERS", "AT ONCE", "LEFT", "PROBED"],
                page.items.map { registry in
                    func trait(_ name: String) -> String { registry.profile.first { $0.name == name }?.value ?? "–" }
                    let left = registry.rateLimit.map { "\($0.remaining.map(String.init) ?? "?") of \($0.limit)" } ?? "–"
                    return [
                        registry.name, registry.environment, registry.url, trait("mount"), trait("upload"), trait("referrers"),
                        "\(registry.allowance) of \(registry.concurrency)", left, registry.mayWrite == false ? "read only" : Output.time(registry.probedAt),
                    ]
                })
        }
    }

    /// `shiplift registry show`
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Shows what is known of one registry.")
        @Argument(help: "The registry's name in environments.yaml.")
        var name: String
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            guard let registry = try await RegistryCommand.registries(service).items.first(where: { $0.name == name }) else {
                throw ClientError.unexpected("no environment names a registry '\(name)'")
            }
            try RegistryCommand.show(registry, service)
        }
    }

    /// `shiplift registry probe`
    struct Probe: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "probe",
            abstract: "Finds out what a registry can do, by some forty small requests to scratch repositories.",
            discussion:
                "Needs a token with the role admin. What it puts it deletes again where the registry deletes; it says what stays.\n\nExample:\n  shiplift registry probe staging")
        @Argument(help: "The registry's name in environments.yaml.")
        var name: String
        @OptionGroup var service: ServiceOptions

        func run() async throws {
            let path = name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~"))) ?? name
            let data = try await service.client().send(.post, "/v1/registries/\(path)/probe", timeout: .seconds(300))
            try RegistryCommand.show(try APIJSON.decoder().decode(RegistryResource.self, from: data), service)
        }
    }

    private static func registries(_ service: ServiceOptions) async throws -> PageResource<RegistryResource> {
        try await service.client().get("/v1/registries")
    }

    private static func show(_ registry: RegistryResource, _ service: ServiceOptions) throws {
        if service.isJSON { return try Output.json(registry) }
        Output.line("\(registry.name)  \(registry.url)/\(registry.repository)  in \(registry.environment)")
        Output.line("requests at once: \(registry.allowance) of \(registry.concurrency)")
        if let bandwidth = registry.bandwidth { Output.line("bandwidth: \(Output.bytes(Int64(bandwidth))) a second") }
        if let limit = registry.rateLimit {
            let window = limit.windowSeconds.map { " in \($0) s" } ?? ""
            Output.line("the registry allows \(limit.limit) requests\(window); left: \(limit.remaining.map(String.init) ?? "not said") (\(Output.time(limit.seenAt)))")
        }
        if let failure = registry.failure { Output.line("the last probe came to nothing: \(failure)") }
        Output.line(registry.probedAt.map { "probed \(Output.time($0))" } ?? "not probed yet")
        if registry.mayWrite == false { Output.line("the credentials may not write: nothing was found out") }
        Output.table(["WHAT", "", "FROM"], registry.profile.map { [$0.name, $0.value, $0.source] })
        for finding in registry.findings { Output.line("  \(finding)") }
        for left in registry.leftBehind { Output.line("left behind: \(left)") }
    }
}

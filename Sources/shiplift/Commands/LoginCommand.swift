import APIModel
import ArgumentParser
import Foundation
import HTTPTransport
import Logging

/// `shiplift login`
struct LoginCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "login", abstract: "Logs a person in, by a code that is entered in any browser.",
        discussion: """
            The token is kept in ~/.config/shiplift/credentials.json (SHIPLIFT_CREDENTIALS), readable by you alone, and used by every
            command until it ends, where neither SHIPLIFT_TOKEN nor SHIPLIFT_TOKEN_FILE is set.

            Example:
              shiplift login --url https://shiplift.example.com
            """)
    @Option(help: "The service's address (SHIPLIFT_URL).")
    var url: String?
    @Option(help: "The issuer's name, where people can log in by more than one.")
    var issuer: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let service = APIClient.address(url, environment)
        let found: PageResource<LoginMethodResource> = try await APIClient(url: service, token: "none", environment: environment, isAnonymous: true).get("/auth/methods")
        guard let method = issuer.map({ name in found.items.first { $0.name == name } }) ?? (found.items.count == 1 ? found.items.first : nil) else {
            let names = found.items.map(\.name).joined(separator: ", ")
            throw ClientError.notConfigured(names.isEmpty ? "nobody can log in there: no issuer has 'login:'" : "say with --issuer which: \(names)")
        }
        var logger = Logger(label: "shiplift")
        logger.logLevel = .error
        let login = try DeviceLogin(method, http: HTTPClient(logger: logger))
        let code = try await login.begin()
        Output.error("Open \(code.verification_uri_complete ?? code.verification_uri) and enter the code \(code.user_code)")
        let token = try await login.token(for: code)
        let who: WhoamiResource = try await APIClient(url: service, token: token, environment: environment).get("/v1/whoami")
        let logins = SavedLogins(environment: environment)
        try logins.save(
            SavedLogins.Login(token: token, expiresAt: who.expiresAt ?? Date().addingTimeInterval(3_600), subject: who.subject), at: service)
        Output.line("logged in as \(who.name) (\(who.subject)) until \(Output.time(who.expiresAt)); kept in \(logins.path)")
    }
}

/// `shiplift logout`
struct LogoutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "logout", abstract: "Forgets the token that login kept.")
    @Option(help: "The service's address (SHIPLIFT_URL).")
    var url: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let service = APIClient.address(url, environment)
        let wasThere = try SavedLogins(environment: environment).remove(at: service)
        Output.line(wasThere ? "logged out of \(service)" : "nobody was logged in at \(service)")
    }
}

/// `shiplift whoami`
struct WhoamiCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "whoami", abstract: "Says who the service takes you for, and what you may do.")
    @OptionGroup var service: ServiceOptions

    func run() async throws {
        let who: WhoamiResource = try await service.client().get("/v1/whoami")
        if service.isJSON { return try Output.json(who) }
        Output.line("\(who.name) (\(who.subject)), by \(who.authentication)\(who.expiresAt.map { ", until \(Output.time($0))" } ?? "")")
        for grant in who.grants {
            let images = (grant.images ?? []).isEmpty ? "all images" : (grant.images ?? []).joined(separator: ", ")
            let places = (grant.environments ?? []).isEmpty ? "all environments" : (grant.environments ?? []).joined(separator: ", ")
            Output.line("  \(grant.verbs.joined(separator: ", ")): \(images); \(places)")
        }
        if !who.rules.isEmpty { Output.line("  by the rules \(who.rules.joined(separator: ", "))") }
    }
}

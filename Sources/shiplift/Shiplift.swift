import APIModel
import ArgumentParser
import Foundation
import HTTPTransport

/// The command: the service, and everything that a pipeline or a person asks of it.
@main
struct Shiplift: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shiplift",
        abstract: "Promotes container images from one environment's registries to the next one's.",
        discussion: """
            Start the service:      shiplift serve
            Promote an image:       shiplift promote shop/api:1.4.2 --from dev --to test --wait
            Ask where it is:        shiplift where sha256:…
            Ask who did what:       shiplift audit --image shop/api

            Commands other than serve, migrate, verify and policy talk to the service at SHIPLIFT_URL
            (http://127.0.0.1:8080) with the token in SHIPLIFT_TOKEN or in the file SHIPLIFT_TOKEN_FILE.

            Exit status: 0 done, 2 wrong usage or configuration, 3 denied by policy or not permitted,
            4 failed, 5 still waiting or timed out.
            """,
        version: "0.1.0",
        subcommands: [
            Serve.self, Migrate.self, Promote.self, Status.self, Watch.self, ListPromotions.self, Cancel.self, Retry.self, Approve.self, Reject.self, OverrideCommand.self,
            ListVerdicts.self,
            EvidenceCommand.self, ScanCommand.self, Next.self, ReviewCommand.self, Search.self, Images.self, Tags.self, Where.self, ListState.self, History.self, Difference.self,
            DriftCommand.self, RollbackCommand.self,
            Environments.self, RegistryCommand.self, Audit.self, Verify.self, Keys.self, PolicyCommand.self, ImportCommand.self, TokenCommand.self, CompletionCommand.self,
            LoginCommand.self, LogoutCommand.self, WhoamiCommand.self,
        ])

    /// Parses, runs, and turns errors into the documented exit status.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
        } catch let status as ExitStatus {
            Foundation.exit(status.rawValue)
        } catch let problem as ProblemResource {
            Output.error("shiplift: \(problem.detail)\(problem.field.map { " (field \($0))" } ?? "")")
            Foundation.exit(ExitStatus(problem).rawValue)
        } catch let error as ClientError {
            Output.error("shiplift: \(error)")
            if case .notConfigured = error { Foundation.exit(ExitStatus.usage.rawValue) }
            Foundation.exit(ExitStatus.failed.rawValue)
        } catch let error as ConfigurationError {
            Output.error("shiplift: \(error)")
            Foundation.exit(ExitStatus.usage.rawValue)
        } catch {
            let code = exitCode(for: error)
            if code == .success || code == .validationFailure {
                let text = fullMessage(for: error)
                if code == .success { print(text) } else { Output.error(text) }
                Foundation.exit(code == .success ? 0 : ExitStatus.usage.rawValue)
            }
            Output.error("shiplift: \(error)")
            Foundation.exit(ExitStatus.failed.rawValue)
        }
    }
}

extension ExitStatus {
    init(_ problem: ProblemResource) {
        switch problem.status {
        case 400, 413, 422: self = .usage
        case 401, 403: self = .denied
        case 504: self = .pending
        default: self = .failed
        }
    }
}

/// How long a command that begins something stays with it.
struct WaitOptions: ParsableArguments {
    @Flag(help: "Wait for the end.")
    var wait = false

    @Option(help: "Longest wait, in seconds.")
    var timeout = 900
}

/// How to reach the service, and in which form its answer is shown; shared by all commands that do.
struct ServiceOptions: ParsableArguments {
    @OptionGroup var connection: ConnectionOptions

    @Option(name: .shortAndLong, help: "text or json.")
    var output = OutputFormat.text

    var isJSON: Bool { output == .json }

    func client() throws -> APIClient { try connection.client() }
}

/// How to reach the service.
struct ConnectionOptions: ParsableArguments {
    @Option(help: "The service's address (SHIPLIFT_URL).")
    var url: String?

    @Option(help: "A file that holds the token; else SHIPLIFT_TOKEN or SHIPLIFT_TOKEN_FILE.")
    var tokenFile: String?

    @Option(help: "A file with authorities that the service's certificate may be of, beside the system's (SHIPLIFT_CA_FILE).")
    var caFile: String?

    @Option(help: "A certificate to show to the service (SHIPLIFT_CLIENT_CERTIFICATE), in PEM.")
    var clientCertificate: String?

    @Option(help: "The key to it (SHIPLIFT_CLIENT_KEY), in PEM.")
    var clientKey: String?

    func client() throws -> APIClient {
        var environment = ProcessInfo.processInfo.environment
        if let tokenFile {
            environment["SHIPLIFT_TOKEN"] = nil
            environment["SHIPLIFT_TOKEN_FILE"] = tokenFile
        }
        let tls = TLSSettings(
            caFile: caFile ?? environment["SHIPLIFT_CA_FILE"], clientCertificateFile: clientCertificate ?? environment["SHIPLIFT_CLIENT_CERTIFICATE"],
            clientKeyFile: clientKey ?? environment["SHIPLIFT_CLIENT_KEY"])
        guard (tls.clientCertificateFile == nil) == (tls.clientKeyFile == nil) else {
            throw ClientError.notConfigured("a client certificate needs its key, and a key its certificate")
        }
        return try APIClient(url: url, tls: tls, token: nil, environment: environment)
    }
}

enum OutputFormat: String, ExpressibleByArgument, CaseIterable { case text, json }

/// An image with a tag or a digest as people write it: `shop/api:1.4.2`, `shop/api@sha256:…`.
struct ImageArgument: ExpressibleByArgument, CustomStringConvertible {
    let image: String
    let tag: String?
    let digest: String?

    var description: String { image + (digest.map { "@" + $0 } ?? tag.map { ":" + $0 } ?? "") }

    init?(argument: String) {
        if let at = argument.firstIndex(of: "@") {
            image = String(argument[..<at])
            digest = String(argument[argument.index(after: at)...])
            tag = nil
        } else if let colon = argument.lastIndex(of: ":") {
            image = String(argument[..<colon])
            tag = String(argument[argument.index(after: colon)...])
            digest = nil
        } else {
            return nil
        }
    }
}

import ArgumentParser
import Foundation
import Logging
import Postgres

/// Settings of the service on the command line.
struct ServerOptions: ParsableArguments {
    @Option(help: "A YAML file with settings.")
    var config: String?
    @Option(help: "HOST:PORT to listen on.")
    var listen: String?
    @Option(help: "The data folder.")
    var data: String?
    @Option(help: "The folder with policy files.")
    var policies: String?
    @Option(help: "The folder with migrations.")
    var migrations: String?
    @Option(help: "trace, debug, info, notice, warning or error.")
    var logLevel: String?
    @Option(help: "text or json.")
    var logFormat: String?

    func configuration() throws -> ServiceConfiguration {
        var flags: [String: String] = [:]
        flags["listen"] = listen
        flags["data"] = data
        flags["policies"] = policies
        flags["migrations"] = migrations
        flags["log_level"] = logLevel
        flags["log_format"] = logFormat
        let environment = ProcessInfo.processInfo.environment
        return try ServiceConfiguration(flags: flags, file: config ?? environment["SHIPLIFT_CONFIG"], environment: environment)
    }

    func logger(_ configuration: ServiceConfiguration) -> Logger {
        let (level, isJSON) = (configuration.logLevel, configuration.logFormat == "json")
        LoggingSystem.bootstrap { label in
            if isJSON {
                var handler = JSONLogHandler(label: label)
                handler.logLevel = level
                return handler
            }
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = level
            return handler
        }
        var logger = Logger(label: "shiplift")
        logger.logLevel = level
        return logger
    }
}

/// `shiplift serve`
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Runs the service.",
        discussion: """
            Without any setting it listens on 127.0.0.1:8080, keeps a private PostgreSQL in its data folder, applies
            migrations, loads ./Policies, makes a first admin token and writes it to the data folder (on a terminal it is
            shown, once). SIGTERM stops it gracefully: no new work, running work is finished or handed back.

            Examples:
              shiplift serve
              DATABASE_URL=postgres://shiplift_app@db/shiplift shiplift serve --listen 0.0.0.0:8080 --policies /etc/shiplift/policies
            """)

    @OptionGroup var options: ServerOptions

    func run() async throws {
        let configuration = try options.configuration()
        // A core file would hold every credential in clear.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        try await ShipliftService(configuration: configuration, logger: options.logger(configuration)).run()
    }
}

/// `shiplift migrate`
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Brings the database's schema up to date and ends.",
        discussion: """
            Example:
              DATABASE_OWNER_URL=postgres://shiplift_owner@db/shiplift shiplift migrate
            """)

    @OptionGroup var options: ServerOptions

    func run() async throws {
        let configuration = try options.configuration()
        guard let url = configuration.databaseOwnerURL ?? configuration.databaseURL else {
            throw ConfigurationError(description: "migrate needs DATABASE_OWNER_URL or DATABASE_URL; the private PostgreSQL is migrated by serve")
        }
        let service = ShipliftService(configuration: configuration, logger: options.logger(configuration))
        try await service.migrate(PostgresConfiguration(parsing: url))
        Output.line("the schema is up to date")
    }
}

import APIModel
import Foundation
import OCI
import TestSupport

/// A running service with real registries: dev and test share one server, staging has its own, reached through a proxy that can do harm.
final class Lift: Sendable {
    let postgres: PostgresServer
    let shared: RegistryServer
    let staging: RegistryServer
    /// Between the service and the server of dev and test, and of staging.
    let toShared: FaultProxy
    let toStaging: FaultProxy
    let folder: TemporaryFolder
    let databaseURL: String
    let port: Int
    private let settings: [String: String]

    static let labels = ["org.opencontainers.image.source": "https://git.example.test/shop/api"]

    private init(postgres: PostgresServer, databaseURL: String, settings: [String: String]) async throws {
        self.postgres = postgres
        self.databaseURL = databaseURL
        self.settings = settings
        shared = try await RegistryServer.start()
        staging = try await RegistryServer.start()
        toShared = try FaultProxy(to: shared.endpoint)
        toStaging = try FaultProxy(to: staging.endpoint)
        folder = try TemporaryFolder()
        port = try FreePort.take()
        try folder.write(
            """
            version: 1
            kind: Environments
            environments:
              - { name: dev, registries: [{ name: dev, url: "\(toShared.url)", plainHTTP: true, repository: "dev/{image}" }] }
              - { name: test, registries: [{ name: test, url: "\(toShared.url)", plainHTTP: true, repository: "test/{image}" }] }
              - name: staging
                registries: [{ name: staging, url: "\(toStaging.url)", plainHTTP: true, repository: "staging/{image}" }]
                tags: { immutable: ["regex:[0-9]+\\\\.[0-9]+\\\\.[0-9]+"] }
            """, to: "policies/environments.yaml")
        for (from, to) in [("dev", "test"), ("test", "staging"), ("dev", "staging")] {
            try folder.write(
                """
                version: 1
                kind: Policy
                name: \(from)-to-\(to)
                match: { images: ["shop/**"], from: \(from), to: \(to) }
                labels: { require: { org.opencontainers.image.source: "https://git.example.test/**" } }
                """, to: "policies/\(from)-to-\(to).yaml")
        }
    }

    /// - Parameter ownDatabase: whether the test harms PostgreSQL itself.
    static func make(ownDatabase: Bool = false, settings: [String: String] = [:]) async throws -> Lift {
        let postgres = ownDatabase ? try await PostgresServer.start() : try await PostgresServer.shared()
        let database = try await postgres.freshDatabase(from: "shiplift_template") { url in
            let migrated = try await ShipliftProcess.run(
                ["migrate", "--migrations", repositoryFolder + "/Migrations", "--policies", repositoryFolder + "/Policies"], environment: ["DATABASE_URL": url])
            guard migrated.status == .exited(0) else { throw HarnessError.unexpectedAnswer(request: "migrate", status: 0, body: migrated.errors) }
        }
        return try await Lift(postgres: postgres, databaseURL: database.url, settings: settings)
    }

    static let repositoryFolder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..").standardizedFileURL.path

    /// Starts the service; the same data, wherever it was stopped before.
    ///
    /// - Parameter more: settings beside the lift's; an empty one takes one of the lift's away.
    func start(with more: [String: String] = [:]) async throws -> ShipliftProcess {
        let process = try await launch(with: more)
        try await process.ready(port: port)
        return process
    }

    /// Starts the service and does not wait for it.
    func launch(with more: [String: String] = [:]) async throws -> ShipliftProcess {
        var environment = [
            "DATABASE_URL": databaseURL, "SHIPLIFT_DATA": folder.path("data"), "SHIPLIFT_POLICIES": folder.path("policies"),
            "SHIPLIFT_MIGRATIONS": Self.repositoryFolder + "/Migrations", "SHIPLIFT_LISTEN": "127.0.0.1:\(port)", "SHIPLIFT_LEASE_SECONDS": "3",
            "SHIPLIFT_MAXIMUM_ATTEMPTS": "2", "SHIPLIFT_PROBE_REGISTRIES": "false", "SHIPLIFT_SCAN_REGISTRIES": "false",
        ]
        environment.merge(settings) { $1 }
        environment.merge(more) { $1 }
        return try await ShipliftProcess.start(["serve"], environment: environment)
    }

    /// Runs the command against the service.
    func command(_ arguments: String..., within limit: Duration = .seconds(120)) async throws -> ToolResult {
        try await ShipliftProcess.run(
            arguments, environment: ["SHIPLIFT_URL": "http://127.0.0.1:\(port)", "SHIPLIFT_TOKEN_FILE": folder.path("data/admin-token")], within: limit)
    }

    /// Runs the command and reads its JSON, whatever its exit status.
    func json<Resource: Decodable>(_ arguments: [String], as type: Resource.Type = Resource.self) async throws -> Resource {
        let result = try await ShipliftProcess.run(
            arguments + ["-o", "json"],
            environment: ["SHIPLIFT_URL": "http://127.0.0.1:\(port)", "SHIPLIFT_TOKEN_FILE": folder.path("data/admin-token")], within: .seconds(120))
        do { return try APIJSON.decoder().decode(type, from: Data(result.output.utf8)) } catch {
            throw HarnessError.unexpectedAnswer(request: arguments.joined(separator: " "), status: 0, body: result.output + result.errors)
        }
    }

    /// Promotes and waits for the end.
    func promote(_ image: String, from: String, to: String, timeout: Int = 60) async throws -> PromotionResource {
        try await json(["promote", image, "--from", from, "--to", to, "--wait", "--timeout", String(timeout)])
    }

    /// Asks for a promotion and does not wait.
    func request(_ image: String, from: String, to: String) async throws -> PromotionResource {
        try await json(["promote", image, "--from", from, "--to", to])
    }

    func end(of id: String, timeout: Int = 60) async throws -> PromotionResource { try await json(["status", id, "--wait", "--timeout", String(timeout)]) }

    func auditIsIntact() async throws -> Bool { try await command("audit", "verify").status == .exited(0) }

    /// The acts of a promotion in the audit log, in no order.
    func acts(of id: String) async throws -> [String] {
        struct Item: Codable {
            struct Entry: Codable { let action: String }
            let entry: Entry
        }
        let page: PageResource<Item> = try await json(["audit", "--promotion", id])
        return page.items.map(\.entry.action)
    }
}

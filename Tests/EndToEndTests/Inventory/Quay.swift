import APIModel
import Foundation
import OCI
import TestSupport

/// A running service with four environments, each with a real registry of its own.
final class Quay: Sendable {
    static let environments = ["dev", "test", "staging", "production"]

    let registries: [String: RegistryServer]
    let folder: TemporaryFolder
    let port: Int
    private let databaseURL: String

    /// - Parameter lines: more of an environment, by its name: `drift: restore`.
    static func make(_ lines: [String: String] = [:], policy: String = "") async throws -> Quay {
        let postgres = try await PostgresServer.shared()
        let database = try await postgres.freshDatabase(from: "shiplift_template") { url in
            let migrated = try await ShipliftProcess.run(
                ["migrate", "--migrations", Lift.repositoryFolder + "/Migrations", "--policies", Lift.repositoryFolder + "/Policies"],
                environment: ["DATABASE_URL": url])
            guard migrated.status == .exited(0) else { throw HarnessError.unexpectedAnswer(request: "migrate", status: 0, body: migrated.errors) }
        }
        return try await Quay(databaseURL: database.url, lines, policy)
    }

    private init(databaseURL: String, _ lines: [String: String], _ policy: String) async throws {
        self.databaseURL = databaseURL
        folder = try TemporaryFolder()
        port = try FreePort.take()
        var servers: [String: RegistryServer] = [:]
        var text = "version: 1\nkind: Environments\nenvironments:\n"
        for name in Self.environments {
            let server = try await RegistryServer.start()
            servers[name] = server
            text += "  - name: \(name)\n    registries: [{ name: \(name), url: \"\(server.url)\", plainHTTP: true, repository: \"\(name)/{image}\" }]\n"
            if let more = lines[name] { text += "    \(more)\n" }
        }
        registries = servers
        try folder.write(text, to: "policies/environments.yaml")
        for (from, to) in zip(Self.environments, Self.environments.dropFirst()) {
            try folder.write(
                "version: 1\nkind: Policy\nname: \(from)-to-\(to)\nmatch: { images: [\"**\"], from: \(from), to: \(to) }\n\(policy)\n",
                to: "policies/\(from)-to-\(to).yaml")
        }
    }

    func start(with more: [String: String] = [:]) async throws -> ShipliftProcess {
        let environment = [
            "DATABASE_URL": databaseURL, "SHIPLIFT_DATA": folder.path("data"), "SHIPLIFT_POLICIES": folder.path("policies"),
            "SHIPLIFT_MIGRATIONS": Lift.repositoryFolder + "/Migrations", "SHIPLIFT_LISTEN": "127.0.0.1:\(port)", "SHIPLIFT_LEASE_SECONDS": "3",
            "SHIPLIFT_MAXIMUM_ATTEMPTS": "2", "SHIPLIFT_PROBE_REGISTRIES": "false", "SHIPLIFT_SCAN_REGISTRIES": "false",
        ].merging(more) { $1 }
        let process = try await ShipliftProcess.start(["serve"], environment: environment)
        try await process.ready(port: port)
        return process
    }

    func registry(_ environment: String) throws -> RegistryServer {
        guard let server = registries[environment] else { throw HarnessError.unexpectedAnswer(request: environment, status: 0, body: "no such environment") }
        return server
    }

    private var settings: [String: String] {
        ["SHIPLIFT_URL": "http://127.0.0.1:\(port)", "SHIPLIFT_TOKEN_FILE": folder.path("data/admin-token"), "TZ": "UTC"]
    }

    func command(_ arguments: String...) async throws -> ToolResult {
        try await ShipliftProcess.run(arguments, environment: settings, within: .seconds(120))
    }

    /// Runs the command and reads its JSON, whatever its exit status.
    func json<Resource: Decodable>(_ arguments: String..., as type: Resource.Type = Resource.self) async throws -> Resource {
        let result = try await ShipliftProcess.run(arguments + ["-o", "json"], environment: settings, within: .seconds(180))
        do { return try APIJSON.decoder().decode(type, from: Data(result.output.utf8)) } catch {
            throw HarnessError.unexpectedAnswer(request: arguments.joined(separator: " "), status: 0, body: result.output + result.errors)
        }
    }

    func scan(_ environment: String) async throws -> InventoryScanResource { try await json("scan", environment, "--wait", "--timeout", "170") }

    func promote(_ images: String..., from: String, to: String) async throws -> [PromotionResource] {
        if images.count == 1 { return [try await json("promote", images[0], "--from", from, "--to", to, "--wait", "--timeout", "60")] }
        let result = try await ShipliftProcess.run(
            ["promote"] + images + ["--from", from, "--to", to, "--wait", "--timeout", "120", "-o", "json"], environment: settings, within: .seconds(180))
        do {
            return try APIJSON.decoder().decode(PromotionBatchResource.self, from: Data(result.output.utf8)).items.compactMap(\.promotion)
        } catch { throw HarnessError.unexpectedAnswer(request: "promote", status: 0, body: result.output + result.errors) }
    }

    /// Everything that the service says is in an environment: image:tag → digest.
    func inventory(_ environment: String, at: String? = nil) async throws -> [String: String] {
        var found: [String: String] = [:]
        var cursor: String?
        repeat {
            var arguments = ["list", environment, "--limit", "1000"]
            if let at { arguments += ["--at", at] }
            if let cursor { arguments += ["--cursor", cursor] }
            let result = try await ShipliftProcess.run(arguments + ["-o", "json"], environment: settings, within: .seconds(60))
            let page = try APIJSON.decoder().decode(EnvironmentStateResource.self, from: Data(result.output.utf8))
            for item in page.items { found["\(item.image):\(item.tag)"] = item.digest }
            cursor = page.next
        } while cursor != nil
        return found
    }

    /// Everything that the registry itself says: image:tag → digest.
    func truth(_ environment: String, images: [String]) async throws -> [String: String] {
        var found: [String: String] = [:]
        let server = try registry(environment)
        for image in images {
            for tag in try await server.tags(of: "\(environment)/\(image)") {
                if let digest = try await server.digest(of: tag, in: "\(environment)/\(image)") { found["\(image):\(tag)"] = digest.description }
            }
        }
        return found
    }

    /// Takes a tag away, as a person with the registry's own tools would: docker-registry deletes manifests, and with them their tags.
    func untag(_ image: String, _ tag: String, in environment: String) async throws {
        let folder = try registry(environment).storage.appending(path: "docker/registry/v2/repositories/\(environment)/\(image)/_manifests/tags/\(tag)")
        try FileManager.default.removeItem(at: folder)
    }

    func auditIsIntact() async throws -> Bool { try await command("audit", "verify").status == .exited(0) }

    func actions(_ arguments: String...) async throws -> [String] {
        struct Item: Codable {
            struct Entry: Codable { let action: String }
            let entry: Entry
        }
        let result = try await ShipliftProcess.run(["audit"] + arguments + ["-o", "json"], environment: settings, within: .seconds(60))
        return try APIJSON.decoder().decode(PageResource<Item>.self, from: Data(result.output.utf8)).items.map(\.entry.action)
    }
}

import API
import Foundation
import Logging
import Yams

/// A mistake in the service's configuration.
struct ConfigurationError: Error, CustomStringConvertible {
    let description: String
}

/// How the service runs. Each setting comes from the command line, else the environment, else the configuration file, else a default.
struct ServiceConfiguration {
    var host = "127.0.0.1"
    var port = 8080
    /// Holds the private PostgreSQL, the first admin token and the checkpoint key.
    var dataFolder: URL
    var policiesFolder: URL
    /// TLS at the service's own port; nil: plain HTTP.
    var tls: TLSListenerConfiguration?
    /// How the service is seen from outside.
    var front = FrontConfiguration()
    /// The way out to registries and other services.
    var proxy = OutgoingProxy.none
    /// A git repository in the folder's place.
    var policiesGit: PolicyGitConfiguration?
    var migrationsFolder: URL
    /// The service's own connection; `nil` starts a private PostgreSQL.
    var databaseURL: String?
    /// The owner's connection, for migrations; the service's where it is not given.
    var databaseOwnerURL: String?
    var leaseSeconds = 30.0
    var concurrency = 8
    var maximumAttempts = 5
    var queueLimit = 10_000
    /// The shortest time between two looks for what has come to refer to a promoted image, in seconds.
    var evidenceSeconds = 300.0
    /// Whether registries are probed without being asked to, when they join and when their profiles are old.
    var probesRegistries = true
    /// Whether environments are scanned without being asked to, as often as their files say.
    var scansRegistries = true
    /// The address at which people open Shiplift, without a path; `nil` switches logging in with a browser off.
    var publicOrigin: String?
    /// Who reads the metrics without a token.
    var metricsAccess = MetricsAccess.loopback
    var api = APISettings()
    /// openapi.yaml, which ships with Shiplift and which the service holds every request against.
    var contractFile: URL
    var logLevel = Logger.Level.info
    var logFormat = "text"
    /// The audit log's name in its checkpoints.
    var logOrigin = "shiplift"
    /// The key that signs checkpoints; replicas share one.
    var checkpointKey: URL
    /// Where checkpoints go.
    var checkpoints: CheckpointConfiguration
    /// The key that signs statements about promotions; replicas share one.
    var signingKey: URL

    /// Settings by their names in the configuration file; the environment's are the same in capitals with SHIPLIFT_ before them.
    static let names =
        [
            "listen", "data", "policies", "migrations", "database_url", "database_owner_url", "lease_seconds", "concurrency", "maximum_attempts",
            "queue_limit", "evidence_seconds", "probe_registries", "scan_registries", "metrics_access", "log_level", "log_format", "log_origin", "checkpoint_key",
            "signing_key", "public_url", "contract",
        ] + PolicyGitConfiguration.names + CheckpointConfiguration.names + TLSListenerConfiguration.names + FrontConfiguration.names + OutgoingProxy.names
        + APIConfiguration.names

    /// - Parameter flags: settings from the command line, by name.
    init(flags: [String: String], file: String?, environment: [String: String]) throws {
        let fileValues = try file.map(Self.read) ?? [:]
        func value(_ name: String) -> String? {
            if let flag = flags[name] { return flag }
            if let set = environment["SHIPLIFT_\(name.uppercased())"], !set.isEmpty { return set }
            if name.hasPrefix("database"), let set = environment[name.uppercased()], !set.isEmpty { return set }
            return fileValues[name]
        }
        let home = environment["XDG_DATA_HOME"] ?? (environment["HOME"] ?? NSHomeDirectory()) + "/.local/share"
        dataFolder = URL(fileURLWithPath: value("data") ?? home + "/shiplift")
        policiesGit = try PolicyGitConfiguration(value)
        if policiesGit != nil, value("policies") != nil { throw ConfigurationError(description: "name one of policies and policies_git") }
        policiesFolder = policiesGit == nil ? try Self.folder("Policies", value("policies")) : dataFolder
        migrationsFolder = try Self.folder("Migrations", value("migrations"))
        contractFile = try value("contract").map { URL(fileURLWithPath: $0) } ?? Self.folder("openapi.yaml", nil, setting: "contract")
        api = try APIConfiguration.settings(value)
        checkpointKey = value("checkpoint_key").map { URL(fileURLWithPath: $0) } ?? dataFolder.appendingPathComponent("checkpoint-key")
        signingKey = value("signing_key").map { URL(fileURLWithPath: $0) } ?? dataFolder.appendingPathComponent("signing-key.pem")
        checkpoints = try CheckpointConfiguration(value)
        databaseURL = value("database_url")
        databaseOwnerURL = value("database_owner_url")
        if let listen = value("listen") { (host, port) = try Self.address(listen) }
        tls = try TLSListenerConfiguration(value)
        front = try FrontConfiguration(value)
        proxy = try OutgoingProxy(value, environment: environment)
        leaseSeconds = try Self.number(value("lease_seconds"), "lease_seconds", 1...3600) ?? leaseSeconds
        concurrency = Int(try Self.number(value("concurrency"), "concurrency", 1...256) ?? Double(concurrency))
        maximumAttempts = Int(try Self.number(value("maximum_attempts"), "maximum_attempts", 1...100) ?? Double(maximumAttempts))
        queueLimit = Int(try Self.number(value("queue_limit"), "queue_limit", 1...10_000_000) ?? Double(queueLimit))
        evidenceSeconds = try Self.number(value("evidence_seconds"), "evidence_seconds", 1...86_400) ?? evidenceSeconds
        probesRegistries = try Self.flag(value("probe_registries"), "probe_registries") ?? probesRegistries
        scansRegistries = try Self.flag(value("scan_registries"), "scan_registries") ?? scansRegistries
        if let text = value("metrics_access") {
            guard let access = MetricsAccess(rawValue: text) else {
                throw ConfigurationError(description: "metrics_access '\(text)' is none of: \(MetricsAccess.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            metricsAccess = access
        }
        publicOrigin = try value("public_url").map(Self.origin)
        if let level = value("log_level") {
            guard let parsed = Logger.Level(rawValue: level) else {
                throw ConfigurationError(description: "log_level '\(level)' is none of: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            logLevel = parsed
        }
        logFormat = value("log_format") ?? logFormat
        guard ["text", "json"].contains(logFormat) else { throw ConfigurationError(description: "log_format '\(logFormat)' is neither text nor json") }
        logOrigin = value("log_origin") ?? logOrigin
        guard !logOrigin.isEmpty, !logOrigin.contains(where: { $0.isWhitespace || $0 == "+" }) else {
            throw ConfigurationError(description: "log_origin must be a name without spaces and '+'")
        }
    }

    /// `https://HOST[:PORT]`, as browsers spell an origin; http for this machine alone.
    private static func origin(_ text: String) throws -> String {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(), let host = parts.host?.lowercased(), !host.isEmpty, parts.user == nil,
            parts.path.isEmpty || parts.path == "/", parts.query == nil, parts.fragment == nil,
            scheme == "https" || (scheme == "http" && ["localhost", "127.0.0.1", "[::1]", "::1"].contains(host))
        else { throw ConfigurationError(description: "public_url '\(text)' is no https://HOST or https://HOST:PORT") }
        let port = parts.port.map { $0 == (scheme == "https" ? 443 : 80) ? "" : ":\($0)" } ?? ""
        return "\(scheme)://\(host)\(port)"
    }

    private static func read(_ path: String) throws -> [String: String] {
        let text: String
        do { text = try String(contentsOfFile: path, encoding: .utf8) } catch { throw ConfigurationError(description: "the configuration file \(path) can't be read") }
        guard let node = try Yams.compose(yaml: text), case .mapping(let mapping) = node else {
            throw ConfigurationError(description: "\(path) must hold 'name: value' lines")
        }
        var values: [String: String] = [:]
        for (key, value) in mapping {
            let name = key.scalar?.string ?? "?"
            guard names.contains(name), let text = value.scalar?.string else {
                throw ConfigurationError(description: "\(path):\(key.mark?.line ?? 1): there is no setting '\(name)'; known: \(names.joined(separator: ", "))")
            }
            values[name] = text
        }
        return values
    }

    private static func address(_ text: String) throws -> (String, Int) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (0...65535).contains(port) else {
            throw ConfigurationError(description: "listen '\(text)' is no HOST:PORT")
        }
        let host = String(text[..<colon]).trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        return (host.isEmpty ? "0.0.0.0" : host, port)
    }

    private static func flag(_ text: String?, _ name: String) throws -> Bool? {
        guard let text else { return nil }
        guard let isOn = Bool(text) else { throw ConfigurationError(description: "\(name) '\(text)' is neither true nor false") }
        return isOn
    }

    static func number(_ text: String?, _ name: String, _ range: ClosedRange<Double>) throws -> Double? {
        guard let text else { return nil }
        guard let value = Double(text), range.contains(value) else {
            throw ConfigurationError(description: "\(name) '\(text)' is no number from \(Int(range.lowerBound)) to \(Int(range.upperBound))")
        }
        return value
    }

    /// A folder or file that ships with Shiplift: as named, else in the working folder, else beside the executable or above it.
    private static func folder(_ name: String, _ given: String?, setting: String? = nil) throws -> URL {
        if let given {
            guard FileManager.default.fileExists(atPath: given) else { throw ConfigurationError(description: "the folder \(given) does not exist") }
            return URL(fileURLWithPath: given)
        }
        var candidates = [URL(fileURLWithPath: FileManager.default.currentDirectoryPath)]
        var place = (Bundle.main.executableURL ?? candidates[0]).resolvingSymlinksInPath().deletingLastPathComponent()
        candidates.append(place.deletingLastPathComponent().appendingPathComponent("share/shiplift"))
        for _ in 0..<5 {
            candidates.append(place)
            place = place.deletingLastPathComponent()
        }
        for candidate in candidates {
            let folder = candidate.appendingPathComponent(name)
            if FileManager.default.fileExists(atPath: folder.path) { return folder }
        }
        throw ConfigurationError(description: "\(name) was not found; name it with \(setting.map { "SHIPLIFT_\($0.uppercased())" } ?? "--\(name.lowercased())")")
    }
}

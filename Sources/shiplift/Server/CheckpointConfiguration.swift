import AuditLog
import Foundation
import HTTPTransport
import OCI
import PolicyEngine
import PromotionCore

/// Where the audit log's checkpoints go, and with which keys they are signed.
struct CheckpointConfiguration {
    static let names = [
        "checkpoint_file", "checkpoint_registry", "checkpoint_webhook", "checkpoint_webhook_secret_file", "checkpoint_witness", "checkpoint_witness_key",
        "checkpoint_seconds", "checkpoint_previous_key", "checkpoint_known_keys",
    ]

    /// A file to append to.
    let file: String?
    /// A registry that an environment names, and a repository in it.
    let registry: (name: String, repository: RepositoryName)?
    let webhook: (url: HTTPURL, secretFile: String)?
    let witness: (url: HTTPURL, key: WitnessVerifier)?
    /// The shortest time between two checkpoints for one place.
    let seconds: Double
    /// The private key before the one that signs now; while it is named, both sign.
    let previousKey: URL?
    /// Public keys that signed once.
    let knownKeys: URL?

    init(_ value: (String) -> String?) throws {
        file = value("checkpoint_file")
        registry = try value("checkpoint_registry").map(Self.registry)
        switch (value("checkpoint_webhook"), value("checkpoint_webhook_secret_file")) {
        case (let url?, let secret?): webhook = (try Self.url(url, "checkpoint_webhook"), secret)
        case (nil, nil): webhook = nil
        default: throw ConfigurationError(description: "checkpoint_webhook and checkpoint_webhook_secret_file go together")
        }
        switch (value("checkpoint_witness"), value("checkpoint_witness_key")) {
        case (let url?, let key?):
            do { witness = (try Self.url(url, "checkpoint_witness"), try WitnessVerifier(parsing: key)) } catch let error as CheckpointError {
                throw ConfigurationError(description: "checkpoint_witness_key: \(error)")
            }
        case (nil, nil): witness = nil
        default: throw ConfigurationError(description: "checkpoint_witness (a URL) and checkpoint_witness_key (NAME+HASH+BASE64) go together")
        }
        seconds = try ServiceConfiguration.number(value("checkpoint_seconds"), "checkpoint_seconds", 1...86_400) ?? 60
        previousKey = value("checkpoint_previous_key").map { URL(fileURLWithPath: $0) }
        knownKeys = value("checkpoint_known_keys").map { URL(fileURLWithPath: $0) }
    }

    private static func registry(_ text: String) throws -> (name: String, repository: RepositoryName) {
        guard let slash = text.firstIndex(of: "/") else { throw ConfigurationError(description: "checkpoint_registry '\(text)' is no REGISTRY/REPOSITORY") }
        do { return (String(text[..<slash]), try RepositoryName(parsing: String(text[text.index(after: slash)...]))) } catch {
            throw ConfigurationError(description: "checkpoint_registry: \(error)")
        }
    }

    private static func url(_ text: String, _ name: String) throws -> HTTPURL {
        do { return try HTTPURL(parsing: text) } catch { throw ConfigurationError(description: "\(name): \(error)") }
    }

    func sinks(http: HTTPClient, proxy: OutgoingProxy, sites: RegistrySites, policies: any PolicySource, now: @escaping @Sendable () -> Date) throws -> [any CheckpointSink] {
        var sinks: [any CheckpointSink] = []
        if let file { sinks.append(FileCheckpointSink(path: file)) }
        if let registry { sinks.append(RegistryCheckpointSink(registry: registry.name, repository: registry.repository, sites: sites, policies: policies)) }
        if let webhook {
            let text: String
            do { text = try String(contentsOfFile: webhook.secretFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines) } catch {
                throw ConfigurationError(description: "checkpoint_webhook_secret_file can't be read")
            }
            guard let secret = CheckSecret(parsing: text) else {
                throw ConfigurationError(description: "checkpoint_webhook_secret_file holds no secret of at least \(CheckSecret.minimumBytes) bytes")
            }
            sinks.append(WebhookCheckpointSink(url: webhook.url, secret: secret, http: http, proxy: proxy, now: now))
        }
        if let witness { sinks.append(WitnessCheckpointSink(url: witness.url, witness: witness.key, http: http, proxy: proxy)) }
        return sinks
    }
}

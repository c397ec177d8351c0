import Foundation
import HTTPTransport
import Logging
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Synchronization
import Transfer

/// Keeps a client for each registry that an environment names; a changed definition gets a new one.
final class RegistrySites: Sendable {
    private let http: HTTPClient
    private let logger: Logger
    /// The way to registries that name no proxy of their own.
    private let proxy: OutgoingProxy
    /// What is known of the registries.
    let shelf = ProfileShelf()
    private let clients = Mutex<[RegistryDefinition: RegistryClient]>([:])

    init(http: HTTPClient, proxy: OutgoingProxy, logger: Logger) {
        self.proxy = proxy
        self.http = http
        self.logger = logger
    }

    /// The image's repository in a registry.
    func site(_ image: ImageName, in definition: RegistryDefinition) throws(PromotionFailure) -> Site {
        let repository: RepositoryName
        do { repository = try definition.repository.repository(for: image) } catch {
            throw PromotionFailure(.configuration, "\(image) has no repository in registry \(definition.name): \(error)", registry: definition.name)
        }
        return Site(client: try client(definition), repository: repository)
    }

    func client(_ definition: RegistryDefinition) throws(PromotionFailure) -> RegistryClient {
        if let known = clients.withLock({ $0[definition] }) { return known }
        let made = RegistryClient(endpoint: try endpoint(definition), http: http, logger: logger)
        return clients.withLock { clients in
            if let known = clients[definition] { return known }
            // Old definitions of the same registry go with the policy that named them.
            clients = clients.filter { $0.key.name != definition.name }
            clients[definition] = made
            return made
        }
    }

    /// A client of its own: what a probe is told to wait for, no promotion waits for, and the other way round.
    func probingClient(_ definition: RegistryDefinition) throws(PromotionFailure) -> RegistryClient {
        var endpoint = try endpoint(definition)
        endpoint.connection.totalTimeout = .seconds(10)
        endpoint.concurrency = 1
        endpoint.book = ProfileBook()
        return RegistryClient(endpoint: endpoint, http: http, logger: logger)
    }

    /// The registry's name for what is known of referrers.
    func key(of definition: RegistryDefinition) -> String? {
        do throws(HTTPURLError) { return "\(definition.name) \(try HTTPURL(parsing: definition.url).origin)" } catch { return nil }
    }

    private func endpoint(_ definition: RegistryDefinition) throws(PromotionFailure) -> RegistryEndpoint {
        do {
            var connection = ConnectionSettings()
            connection.tls = TLSSettings(
                caFile: definition.caFile, clientCertificateFile: definition.clientCertificateFile, clientKeyFile: definition.clientKeyFile)
            connection.bytesPerSecond = definition.limits.bytesPerSecond
            connection.bandwidth = definition.limits.bandwidth.map { BandwidthLimit(name: definition.name, bytesPerSecond: $0) }
            connection.maximumConnectionsPerHost = max(32, definition.limits.concurrency)
            let address = try HTTPURL(parsing: definition.url)
            connection.proxy = try definition.proxy.map(Self.proxy) ?? proxy.settings(for: address)
            let reference = definition.credentials
            let url = definition.url
            return RegistryEndpoint(
                name: definition.name, url: address, credentials: { try CredentialReader.read(reference, registryURL: url) },
                connection: connection, additionalHosts: definition.additionalHosts, concurrency: definition.limits.concurrency,
                book: shelf.book(for: definition))
        } catch {
            throw PromotionFailure(.configuration, "registry \(definition.name): \(error)", registry: definition.name)
        }
    }

    private static func proxy(_ proxy: RegistryDefinition.Proxy) throws -> ProxySettings {
        var settings = try ProxySettings(parsing: proxy.url)
        settings.noProxy = proxy.noProxy
        if let name = proxy.credentialsEnvironment {
            guard let value = ProcessInfo.processInfo.environment[name], let colon = value.firstIndex(of: ":") else {
                throw CredentialError.missing("environment variable \(name) must hold USER:PASSWORD for the proxy")
            }
            settings.userName = String(value[..<colon])
            settings.password = Secret(String(value[value.index(after: colon)...]))
        }
        return settings
    }
}

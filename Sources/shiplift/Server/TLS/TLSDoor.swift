import API
import Foundation
import HummingbirdCore
import HummingbirdHTTP2
import Logging
import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// The service's port with TLS. New files are taken up for new connections; those that are open keep what they began with.
final class TLSDoor: Sendable {
    private struct State {
        var material: TLSMaterial
        var tls: TLSConfiguration
        /// Makes the channel of these files; set once the server is built.
        var channel: HTTP2UpgradeChannel?
        /// The last day about which a warning was given.
        var warned: Date?
    }

    private let configuration: TLSListenerConfiguration
    private let logger: Logger
    private let state: Mutex<State>

    /// - Throws: `ConfigurationError` that says which file is wrong.
    init(_ configuration: TLSListenerConfiguration, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        let material = try configuration.read()
        state = Mutex(State(material: material, tls: try configuration.tls(material)))
        try warnOfExpiry(material)
    }

    /// HTTP/1.1, and HTTP/2 where the client offers it (ALPN).
    var server: HTTPServerBuilder {
        HTTPServerBuilder { [self] responder in
            let channel = try HTTP2UpgradeChannel(tlsConfiguration: state.withLock { $0.tls }, configuration: Self.http, responder: responder)
            state.withLock { $0.channel = channel }
            return TLSDoorChannel(first: channel, door: self, responder: responder)
        }
    }

    private static let http = HTTP2UpgradeChannel.Configuration(idleTimeout: .seconds(300), gracefulCloseTimeout: .seconds(10))

    fileprivate var current: HTTP2UpgradeChannel? { state.withLock { $0.channel } }

    /// Looks at the files; what is wrong with new ones is thrown, and the old ones stay.
    func look() throws {
        let material = try configuration.read()
        defer { do { try warnOfExpiry(material) } catch { logger.debug("the certificate can't be read for its end", metadata: ["error": "\(error)"]) } }
        let known = state.withLock { ($0.material, $0.channel) }
        guard material != known.0, let before = known.1 else { return }
        let tls = try configuration.tls(material)
        let channel = try HTTP2UpgradeChannel(tlsConfiguration: tls, configuration: Self.http, responder: before.responder)
        state.withLock { state in
            (state.material, state.tls, state.channel) = (material, tls, channel)
            state.warned = nil
        }
        let end = Self.expiry(try configuration.chain(material))
        logger.notice("the service's certificate was changed", metadata: ["expires": "\(end.formatted(.iso8601))"])
    }

    /// Says once a day that the certificate ends soon, or has ended.
    private func warnOfExpiry(_ material: TLSMaterial) throws {
        let (end, now) = (Self.expiry(try configuration.chain(material)), Date())
        guard end < now.addingTimeInterval(14 * 86_400) else { return }
        let isDue = state.withLock { state in
            guard state.warned.map({ now.timeIntervalSince($0) > 86_400 }) ?? true else { return false }
            state.warned = now
            return true
        }
        guard isDue else { return }
        let metadata: Logger.Metadata = ["file": "\(configuration.certificateFile)", "expires": "\(end.formatted(.iso8601))"]
        if end < now {
            logger.error("the service's certificate has expired", metadata: metadata)
        } else {
            logger.warning("the service's certificate expires soon", metadata: metadata)
        }
    }

    private static func expiry(_ chain: [NIOSSLCertificate]) -> Date {
        chain.first.map { Date(timeIntervalSince1970: TimeInterval($0.notValidAfter)) } ?? .distantPast
    }

    /// A stream of HTTP/2 is a channel of its own, within that of its connection.
    private static func shown(on channel: any Channel) async throws -> NIOSSLCertificate? {
        do { return try await channel.nioSSL_peerCertificate().get() } catch ChannelPipelineError.notFound {
            return try await channel.parent?.nioSSL_peerCertificate().get()
        }
    }

    /// Reads the certificate that a client showed on a connection; nil where none is asked for.
    var clientCertificate: (@Sendable (any Channel) async -> ClientCertificate?)? {
        guard configuration.clientAuthorityFile != nil else { return nil }
        return { [logger] channel in
            do {
                guard let shown = try await Self.shown(on: channel) else { return nil }
                return ClientCertificate(subject: try Certificate(derEncoded: shown.toDERBytes()).subject.description)
            } catch {
                logger.debug("a client certificate can't be read", metadata: ["error": "\(error)"])
                return nil
            }
        }
    }
}

/// Hands each connection to the channel of the files that are in force when it is made.
private struct TLSDoorChannel: HTTPChannelHandler {
    let first: HTTP2UpgradeChannel
    let door: TLSDoor
    let responder: Responder

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP2UpgradeChannel.Value> {
        (door.current ?? first).setup(channel: channel, logger: logger)
    }

    func handle(value: HTTP2UpgradeChannel.Value, logger: Logger) async {
        await (door.current ?? first).handle(value: value, logger: logger)
    }
}

import Foundation
public import Hummingbird
import Logging
import NIOCore
public import PromotionCore

/// What a request carries through the middleware: who asks, and what the request is called.
public struct ShipliftRequestContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    public var requestID: PromotionCore.RequestID
    public var principal: Principal?
    /// Whether the connection comes from this machine.
    let isFromLoopback: Bool
    /// Who asks: the connection's other end, or whom a trusted proxy names.
    public internal(set) var client: ClientInformation
    /// The connection, or the stream of one.
    let channel: any Channel
    /// The caller's address; `unknown` where it can't be known.
    var remoteAddress: String { client.address?.description ?? "unknown" }

    public init(source: Source) {
        coreContext = .init(source: source)
        // Foundation's UUID() opens /dev/urandom for each.
        var random = SystemRandomNumberGenerator()
        requestID = PromotionCore.RequestID(UUID.version7(at: Date(), random: &random))
        let remote = source.channel.remoteAddress
        isFromLoopback = remote?.isLoopback ?? false
        client = ClientInformation(address: remote?.ipAddress.flatMap { InternetAddress(parsing: $0) })
        channel = source.channel
    }

    /// Largest body of any route, in bytes.
    public var maxUploadSize: Int { 1 << 20 }

    /// The caller; routes behind authentication always have one.
    func authenticated() throws(Problem) -> Principal {
        guard let principal else { throw Problem.unauthorized("the request carries no bearer token") }
        return principal
    }

    func admin() throws(Problem) -> Principal {
        let principal = try authenticated()
        guard principal.isAdmin else { throw Problem.forbidden("this needs the role admin; the caller is \(principal.grant.role)") }
        return principal
    }
}

extension SocketAddress {
    var isLoopback: Bool {
        guard let address = ipAddress else { return false }
        let four = address.hasPrefix("::ffff:") ? String(address.dropFirst(7)) : address
        return address == "::1" || four.hasPrefix("127.")
    }
}

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
    /// The other end of the connection; `unknown` where it has no address.
    let remoteAddress: String

    public init(source: Source) {
        coreContext = .init(source: source)
        // Foundation's UUID() opens /dev/urandom for each.
        var random = SystemRandomNumberGenerator()
        requestID = PromotionCore.RequestID(UUID.version7(at: Date(), random: &random))
        isFromLoopback = source.channel.remoteAddress?.isLoopback ?? false
        remoteAddress = source.channel.remoteAddress?.ipAddress ?? "unknown"
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

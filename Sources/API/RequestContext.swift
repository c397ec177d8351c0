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
    /// The other end's address; `nil` where there is none, as on a Unix socket.
    public var clientAddress: String?
    /// Whether the connection comes from this machine.
    let isFromLoopback: Bool
    /// Largest body of this route, in bytes.
    var bodyLimit = APIContract.usualBodyLimit

    public init(source: Source) {
        coreContext = .init(source: source)
        // Foundation's UUID() opens /dev/urandom for each.
        var random = SystemRandomNumberGenerator()
        requestID = PromotionCore.RequestID(UUID.version7(at: Date(), random: &random))
        clientAddress = source.channel.remoteAddress?.ipAddress
        isFromLoopback = clientAddress.map(Self.isLoopback) ?? false
    }

    public var maxUploadSize: Int { bodyLimit }

    /// The caller; routes behind authentication always have one.
    func authenticated() throws(Problem) -> Principal {
        guard let principal else { throw Problem.unauthorized("the request carries no bearer token") }
        return principal
    }

    func admin() throws(Problem) -> Principal {
        let principal = try authenticated()
        guard principal.isAdmin else { throw Problem.forbidden("this needs a token with the role admin; this one is \(principal.grant.role)") }
        return principal
    }

    private static func isLoopback(_ address: String) -> Bool {
        let four = address.hasPrefix("::ffff:") ? String(address.dropFirst(7)) : address
        return address == "::1" || four.hasPrefix("127.")
    }
}

import Foundation
import HTTPTypes
import Hummingbird
import PromotionCore

/// Who may read the metrics without a token.
public enum MetricsAccess: String, Sendable, CaseIterable {
    /// Nobody.
    case token
    /// Processes of this machine that ask directly: a proxy that passes others' requests on is none.
    case loopback
    /// Everybody who reaches the port.
    case open
}

/// `/metrics` in Prometheus' text format.
struct MetricsRoute: Sendable {
    let authentication: AuthenticationMiddleware
    let access: MetricsAccess
    let contentType: String
    let render: @Sendable () async -> String

    func add(to router: Router<ShipliftRequestContext>) {
        router.get("metrics") { request, context in
            if !isFree(request, context) {
                _ = try await authentication.principal(of: request, context)
            }
            return Response(
                status: .ok, headers: [.contentType: contentType, .cacheControl: "no-store"], body: .init(byteBuffer: .init(string: await render())))
        }
    }

    private func isFree(_ request: Request, _ context: ShipliftRequestContext) -> Bool {
        switch access {
        case .open: true
        case .token: false
        case .loopback: context.isFromLoopback && Self.passedOn.allSatisfy { request.headers[$0] == nil }
        }
    }

    /// What proxies leave in the requests that they pass on.
    private static let passedOn = ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"].compactMap { HTTPField.Name($0) }
}

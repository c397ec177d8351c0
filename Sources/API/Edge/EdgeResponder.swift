import HTTPTypes
public import Hummingbird
import Logging
public import NIOCore

/// The outermost layer of the service: finds out who asks behind proxies, takes the base path off, and puts it before the paths that go out.
public struct EdgeResponder: HTTPResponder {
    public typealias Context = ShipliftRequestContext

    private let inner: any HTTPResponder<ShipliftRequestContext>
    private let trust: ProxyTrust
    private let basePath: BasePath
    private let certificate: (@Sendable (any Channel) async -> ClientCertificate?)?

    /// - Parameters:
    ///   - trust: the proxies that are believed.
    ///   - basePath: what paths begin with; a trusted proxy's `X-Forwarded-Prefix` counts where there is none.
    ///   - certificate: the certificate that was shown on a connection; nil where none is asked for.
    public init(
        _ inner: any HTTPResponder<ShipliftRequestContext>, trust: ProxyTrust, basePath: BasePath,
        certificate: (@Sendable (any Channel) async -> ClientCertificate?)? = nil
    ) {
        self.inner = inner
        self.trust = trust
        self.basePath = basePath
        self.certificate = certificate
    }

    @Sendable public func respond(to request: Request, context: ShipliftRequestContext) async throws -> Response {
        var context = context
        context.client = trust.client(peer: context.client.address, fields: request.headers)
        if basePath != BasePath() { context.client.prefix = basePath.text }
        if let certificate { context.client.certificate = await certificate(context.channel) }
        context.logger[metadataKey: "client"] = "\(context.client.address?.description ?? "unknown")"
        if let shown = context.client.certificate { context.logger[metadataKey: "client-certificate"] = "\(shown.subject)" }
        var response = try await inner.respond(to: below(request), context: context)
        if let location = response.headers[.location], location.hasPrefix("/"), !location.hasPrefix("//") {
            response.headers[.location] = (context.client.base ?? context.client.prefix) + location
        }
        return response
    }

    private func below(_ request: Request) -> Request {
        guard basePath != BasePath(), let path = request.head.path else { return request }
        let stripped = basePath.stripped(path)
        guard stripped != path else { return request }
        var head = request.head
        head.path = stripped
        return Request(head: head, body: request.body)
    }
}

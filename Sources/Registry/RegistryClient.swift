import Foundation
public import HTTPTransport
public import Logging
import OCI

/// A client of one registry server (distribution-spec v1.1).
///
/// Talks only to the registry's own host and to hosts that its endpoint names. Idempotent requests are tried again, boundedly.
public final class RegistryClient: Sendable {
    public let endpoint: RegistryEndpoint
    let http: HTTPClient
    let authenticator: Authenticator
    let limiter: ConcurrencyLimiter
    let logger: Logger
    let traffic: RegistryTraffic

    /// What is known of the registry.
    public var profile: RegistryProfile { endpoint.book.profile }
    /// What the registry said last of how much may still be asked of it.
    public var rateLimit: RateLimitNotice? { traffic.rateLimit }
    /// Requests that may be under way at once now, as the registry bears it.
    public var allowance: Int { get async { await limiter.allowance } }

    static let maximumErrorBytes = 64 << 10
    private static let maximumRedirects = 5
    private static let maximumAttempts = 4

    public init(endpoint: RegistryEndpoint, http: HTTPClient, logger: Logger) {
        self.endpoint = endpoint
        self.http = http
        self.logger = logger
        authenticator = Authenticator(endpoint: endpoint, http: http)
        limiter = ConcurrencyLimiter(limit: endpoint.concurrency)
        traffic = RegistryTraffic(registry: endpoint.name)
    }

    /// One request with what is needed to send it, send it again, and explain its failure.
    struct Call {
        var method: HTTPMethod
        var url: HTTPURL
        var fields: [(String, String)] = []
        var body: [UInt8]?
        var scopes: [TokenScope]
        var place: RegistryPlace
        var maximumBytes = RegistryClient.maximumErrorBytes
        /// Whether it may be sent again after an answer or failure that leaves open what happened.
        var isRepeatable = true
        var deadline: ContinuousClock.Instant?
        var meter: RequestMeter?
    }

    /// Sends a request, logs in where asked to, follows redirects of GET and HEAD, tries again what may be tried again.
    ///
    /// - Returns: any answer below 400, and 404; everything else is thrown.
    func perform(_ call: Call) async throws(RegistryError) -> HTTPResponse {
        var attempt = 1
        while true {
            let failure: RegistryError
            do {
                let response = try await sendAuthorized(call)
                if response.status < 400 || response.status == 404 { return response }
                failure = ErrorResponse.error(response, at: call.place)
            } catch { failure = error }
            guard call.isRepeatable, failure.isTransient, attempt < Self.maximumAttempts else { throw failure }
            try await pause(attempt, after: failure, call)
            attempt += 1
        }
    }

    /// Full jitter from 0.2 s, doubling; never shorter than the registry asked for, never beyond the deadline.
    private func pause(_ attempt: Int, after failure: RegistryError, _ call: Call) async throws(RegistryError) {
        var seconds = Double.random(in: 0..<(0.2 * Double(1 << attempt)))
        if case .rateLimited(_, _, let asked?) = failure {
            // A long pause is the job's business, not a request's: give the place back.
            guard asked <= ConcurrencyLimiter.longestSilence else { throw failure }
            seconds = max(seconds, asked)
        }
        let end = ContinuousClock.now + .seconds(seconds)
        if let deadline = call.deadline, end >= deadline { throw failure }
        do { try await Task.sleep(until: end) } catch { throw .cancelled(call.place) }
    }

    /// One request, logged in where it is asked for, whatever the answer.
    func sendAuthorized(_ call: Call) async throws(RegistryError) -> HTTPResponse {
        var call = call
        var hasLoggedIn = false
        var redirects = 0
        while true {
            let request = try await request(for: call, life: 5)
            let response = try await sendOnce(request, call)
            await limiter.answered(overloaded: response.status == 429 || response.status == 503, retryAfter: ErrorResponse.retryAfter(response))
            switch response.status {
            case 401 where !hasLoggedIn && call.url.origin == endpoint.url.origin:
                hasLoggedIn = true
                guard try await authenticator.learn(from: response, refused: request.fields["Authorization"]) else { return response }
            case 301, 302, 303, 307, 308:
                guard call.method == .get || call.method == .head else { return response }
                redirects += 1
                guard redirects <= Self.maximumRedirects else { throw .malformed(call.place, "more than \(Self.maximumRedirects) redirects") }
                call.url = try target(of: response, from: call.url, call.place, why: "a redirect")
            default: return response
            }
        }
    }

    private func sendOnce(_ request: HTTPRequest, _ call: Call) async throws(RegistryError) -> HTTPResponse {
        let result = await limiter.run { () async -> Result<HTTPResponse, RegistryError> in
            // The wait for a place may have taken what time there was: the deadline is looked at behind it.
            guard let settings = settings(for: call) else { return .failure(.timedOut(call.place)) }
            call.meter?.count(call.method.rawValue.lowercased())
            do throws(HTTPTransportError) {
                let response = try await traffic.counting { () async throws(HTTPTransportError) in
                    try await http.send(request, settings: settings, maximumBodyBytes: call.maximumBytes)
                }
                traffic.answered(response, bytesSent: request.body?.count ?? 0)
                return .success(response)
            } catch {
                traffic.failed()
                return .failure(Self.failure(error, call.place))
            }
        }
        guard let result else { throw .cancelled(call.place) }
        return try result.get()
    }

    static func failure(_ error: HTTPTransportError, _ place: RegistryPlace) -> RegistryError {
        switch error {
        case .cancelled: .cancelled(place)
        case .addressNotAllowed(let url, let address): .hostNotAllowed(place, host: address, why: url)
        default: .unreachable(place, error)
        }
    }

    /// The endpoint's settings with what time is left; `nil` where none is.
    private func settings(for call: Call) -> ConnectionSettings? {
        var settings = endpoint.connection
        let most = settings.totalTimeout ?? .seconds(120)
        guard let deadline = call.deadline else {
            settings.totalTimeout = most
            return settings
        }
        let rest = ContinuousClock.now.duration(to: deadline)
        settings.totalTimeout = min(rest, most)
        return rest > .zero ? settings : nil
    }

    /// The request with its credentials; on another origin than the registry's it carries none.
    func request(for call: Call, life: Double) async throws(RegistryError) -> HTTPRequest {
        guard endpoint.allows(call.url) else { throw .hostNotAllowed(call.place, host: call.url.origin.description, why: "a request") }
        var fields = HTTPFields()
        do throws(HTTPFieldError) {
            try fields.append("User-Agent", "shiplift")
            for (name, value) in call.fields { try fields.append(name, value) }
        } catch { throw .malformed(call.place, "\(error)") }
        if call.url.origin == endpoint.url.origin,
            let authorization = try await authenticator.authorization(for: call.scopes, life: life, meter: call.meter)
        {
            do throws(HTTPFieldError) { try fields.set("Authorization", authorization.reveal()) } catch {
                throw .credentials(call.place, "they hold a control character")
            }
        }
        return HTTPRequest(call.method, call.url, fields: fields, body: call.body)
    }

    /// Where an answer points to, if we may go there.
    func target(of response: HTTPResponse, from url: HTTPURL, _ place: RegistryPlace, why: String) throws(RegistryError) -> HTTPURL {
        guard let location = response.fields["Location"] else { throw .malformed(place, "\(why) without Location") }
        let next: HTTPURL
        do { next = try url.resolving(location) } catch { throw .malformed(place, "\(why) with a bad Location: \(error)") }
        guard endpoint.allows(next), url.origin.scheme != .https || next.origin.scheme == .https else {
            throw .hostNotAllowed(place, host: next.origin.description, why: why)
        }
        return next
    }

    func url(_ path: String, query: [(String, String)] = []) throws(RegistryError) -> HTTPURL {
        do throws(HTTPURLError) {
            var url = try endpoint.url.resolving("/v2/\(path)")
            for (name, value) in query { url = try url.appendingQueryItem(name, value) }
            return url
        } catch { throw .malformed(RegistryPlace(registry: endpoint.name), "\(error)") }
    }

    func place(_ repository: RepositoryName, _ reference: String? = nil) -> RegistryPlace {
        RegistryPlace(registry: endpoint.name, repository: repository, reference: reference)
    }
}

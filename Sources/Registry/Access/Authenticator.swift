import Foundation
import HTTPTransport

/// Logs in to one registry: learns the scheme from a 401, keeps tokens by their exact scopes, renews them in time.
///
/// Credentials go to the registry's own origin and to a token service that the environment names, and nowhere else.
actor Authenticator {
    private enum Scheme: Hashable {
        case basic
        case bearer(realm: HTTPURL, service: String?)
    }

    private struct Token {
        let value: Secret
        let scopes: [TokenScope]
        let renewAt: ContinuousClock.Instant
        let expiresAt: ContinuousClock.Instant
    }

    private static let maximumTokenBytes = 128 << 10
    private static let maximumTokens = 1_000
    private static let tokenTimeout = Duration.seconds(30)

    private let endpoint: RegistryEndpoint
    private let http: HTTPClient
    private let clock = ContinuousClock()
    private let gate = ConcurrencyLimiter(limit: 1)
    private var scheme: Scheme?
    private var tokens: [[TokenScope]: Token] = [:]

    init(endpoint: RegistryEndpoint, http: HTTPClient) {
        self.endpoint = endpoint
        self.http = http
    }

    /// The `Authorization` value for a request with these scopes; `nil` while the registry has not asked for any.
    ///
    /// - Parameter life: how long the token must still be good for, in seconds: a body takes time.
    func authorization(for scopes: [TokenScope], life: Double, meter: RequestMeter?) async throws(RegistryError) -> Secret? {
        switch scheme {
        case nil: return nil
        case .basic:
            guard case .basic(let user, let password) = try credentials() else { return nil }
            return Self.basic(user, password)
        case .bearer(let realm, let service):
            let token = try await token(for: scopes, realm: realm, service: service, life: life, meter: meter)
            return Secret("Bearer \(token.reveal())")
        }
    }

    /// Takes in a 401. Answers whether another attempt makes sense.
    ///
    /// - Parameter refused: the `Authorization` that the request carried. Another request may have logged in meanwhile: what was not
    ///   refused stays good.
    func learn(from response: HTTPResponse, refused: String?) throws(RegistryError) -> Bool {
        let place = RegistryPlace(registry: endpoint.name)
        for challenge in Challenge.parse(response.fields.all("WWW-Authenticate")) {
            switch challenge.scheme {
            case "bearer":
                guard let text = challenge.parameters["realm"] else { continue }
                let realm: HTTPURL
                do { realm = try HTTPURL(parsing: text) } catch { throw .malformed(place, "the token service's address is malformed: \(error)") }
                guard endpoint.allows(realm) else { throw .hostNotAllowed(place, host: realm.origin.description, why: "the login challenge") }
                scheme = .bearer(realm: realm, service: challenge.parameters["service"])
                // A token that was refused is no good, whatever its time says.
                tokens = tokens.filter { "Bearer \($0.value.value.reveal())" != refused }
                return true
            case "basic":
                guard case .basic(let user, let password) = try credentials() else { continue }
                scheme = .basic
                return Self.basic(user, password).reveal() != refused
            default: continue
            }
        }
        return false
    }

    private func credentials() throws(RegistryError) -> RegistryCredentials {
        do { return try endpoint.credentials() } catch {
            throw .credentials(RegistryPlace(registry: endpoint.name), "\(error)")
        }
    }

    private func token(
        for scopes: [TokenScope], realm: HTTPURL, service: String?, life: Double, meter: RequestMeter?
    ) async throws(RegistryError) -> Secret {
        if let token = cached(scopes, life: life) { return token }
        // One at a time: whoever waited finds the token that was fetched meanwhile.
        let result = await gate.run { () async -> Result<Secret, RegistryError> in
            do throws(RegistryError) { return .success(try await fetchUnlessCached(scopes, realm, service, life, meter)) } catch {
                return .failure(error)
            }
        }
        guard let result else { throw .cancelled(RegistryPlace(registry: endpoint.name)) }
        return try result.get()
    }

    private func cached(_ scopes: [TokenScope], life: Double) -> Secret? {
        let now = clock.now
        let good = tokens.values.first { token in
            now < token.renewAt && now + .seconds(life) < token.expiresAt && scopes.allSatisfy { needed in token.scopes.contains { $0.covers(needed) } }
        }
        return good?.value
    }

    private func fetchUnlessCached(
        _ scopes: [TokenScope], _ realm: HTTPURL, _ service: String?, _ life: Double, _ meter: RequestMeter?
    ) async throws(RegistryError) -> Secret {
        if let token = cached(scopes, life: life) { return token }
        let place = RegistryPlace(registry: endpoint.name)
        let request = try tokenRequest(scopes, realm, service)
        meter?.count("token")
        var settings = endpoint.connection
        // Everybody who needs a token waits for this one.
        settings.totalTimeout = min(settings.totalTimeout ?? Self.tokenTimeout, Self.tokenTimeout)
        let response: HTTPResponse
        do throws(HTTPTransportError) {
            response = try await http.send(request, settings: settings, maximumBodyBytes: Self.maximumTokenBytes)
        } catch {
            throw RegistryClient.failure(error, place)
        }
        guard response.status == 200 else { throw ErrorResponse.error(response, at: place) }
        guard let body = TokenAnswer(response.body) else { throw .malformed(place, "the token service's answer holds no token") }
        let seconds = min(max(body.expiresIn ?? 60, 10), 86_400)
        let token = Token(
            value: Secret(body.token), scopes: scopes, renewAt: clock.now + .seconds(seconds * 0.8), expiresAt: clock.now + .seconds(seconds))
        if tokens.count >= Self.maximumTokens { tokens = [:] }
        tokens[scopes.sorted()] = token
        return token.value
    }

    private func tokenRequest(_ scopes: [TokenScope], _ realm: HTTPURL, _ service: String?) throws(RegistryError) -> HTTPRequest {
        let place = RegistryPlace(registry: endpoint.name)
        do {
            switch try endpoint.credentials() {
            case .identityToken(let secret):
                var form = "grant_type=refresh_token&client_id=shiplift&refresh_token=\(Self.encoded(secret.reveal()))"
                if let service { form += "&service=\(Self.encoded(service))" }
                form += "&scope=\(Self.encoded(scopes.sorted().map(\.description).joined(separator: " ")))"
                let fields = try HTTPFields(["Content-Type": "application/x-www-form-urlencoded"])
                return HTTPRequest(.post, realm, fields: fields, body: Array(form.utf8))
            case .basic(let user, let password):
                return HTTPRequest(.get, try Self.query(realm, service, scopes), fields: try HTTPFields(["Authorization": Self.basic(user, password).reveal()]))
            case .anonymous:
                return HTTPRequest(.get, try Self.query(realm, service, scopes))
            }
        } catch { throw .credentials(place, "\(error)") }
    }

    private static func query(_ realm: HTTPURL, _ service: String?, _ scopes: [TokenScope]) throws(HTTPURLError) -> HTTPURL {
        var url = realm
        if let service { url = try url.appendingQueryItem("service", service) }
        // Each scope its own parameter: some services read only the last of several in one.
        for scope in scopes.sorted() { url = try url.appendingQueryItem("scope", scope.description) }
        return url
    }

    private static func basic(_ user: String, _ password: Secret) -> Secret {
        Secret("Basic " + Data("\(user):\(password.reveal())".utf8).base64EncodedString())
    }

    private static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~"))) ?? ""
    }
}

/// The token service's answer: `token` or `access_token`, and how long it is good for.
private struct TokenAnswer {
    let token: String
    let expiresIn: Double?

    private struct Document: Decodable {
        let token: String?
        let access_token: String?
        let expires_in: Double?
    }

    init?(_ body: [UInt8]) {
        let document: Document
        do { document = try JSONDecoder().decode(Document.self, from: Data(body)) } catch { return nil }
        guard let token = document.token ?? document.access_token, !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        self.token = token
        expiresIn = document.expires_in
    }
}

import APIModel
import Foundation
import HTTPTransport
import Logging

/// What went wrong on the command line's side.
enum ClientError: Error, CustomStringConvertible {
    case notConfigured(String)
    case unreachable(String)
    case unexpected(String)

    var description: String {
        switch self {
        case .notConfigured(let what), .unreachable(let what), .unexpected(let what): what
        }
    }
}

/// The command line's side of the API.
struct APIClient: Sendable {
    private static let maximumBytes = 64 << 20
    private let base: HTTPURL
    private let token: Secret
    private let isAnonymous: Bool
    private let http: HTTPClient
    private let connection: ConnectionSettings

    /// - Parameters:
    ///   - url: the service's address; `SHIPLIFT_URL`, else http://127.0.0.1:8080.
    ///   - tls: whose certificates are trusted beside the system's, and which is shown; where it is not given, as the environment says.
    ///   - token: the bearer token; `SHIPLIFT_TOKEN`, else the file that `SHIPLIFT_TOKEN_FILE` names.
    ///   - isAnonymous: whether nobody is to be recognised: no token is sent.
    init(url: String?, tls given: TLSSettings? = nil, token: String?, environment: [String: String], isAnonymous: Bool = false) throws {
        self.isAnonymous = isAnonymous
        let address = Self.address(url, environment)
        do { base = try HTTPURL(parsing: address) } catch { throw ClientError.notConfigured("'\(address)' is no URL: \(error)") }
        var secret = token ?? environment["SHIPLIFT_TOKEN"]
        if secret == nil, let path = environment["SHIPLIFT_TOKEN_FILE"] {
            do { secret = try String(contentsOfFile: path, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines) } catch {
                throw ClientError.notConfigured("the token file \(path) can't be read")
            }
        }
        if secret == nil, let login = try SavedLogins(environment: environment).login(at: address) {
            guard login.expiresAt > Date() else { throw ClientError.notConfigured("the log-in at \(address) is over: run 'shiplift login' again") }
            secret = login.token
        }
        guard let secret, !secret.isEmpty else {
            throw ClientError.notConfigured("no token: run 'shiplift login', or set SHIPLIFT_TOKEN, or SHIPLIFT_TOKEN_FILE")
        }
        self.token = Secret(secret)
        let tls =
            given
            ?? TLSSettings(
                caFile: environment["SHIPLIFT_CA_FILE"], clientCertificateFile: environment["SHIPLIFT_CLIENT_CERTIFICATE"],
                clientKeyFile: environment["SHIPLIFT_CLIENT_KEY"])
        for file in [tls.caFile, tls.clientCertificateFile, tls.clientKeyFile].compactMap(\.self) where !FileManager.default.isReadableFile(atPath: file) {
            throw ClientError.notConfigured("the file \(file) can't be read")
        }
        var connection = ConnectionSettings()
        connection.tls = tls
        connection.proxy = try OutgoingProxy(environment: environment).settings(for: base)
        self.connection = connection
        var logger = Logger(label: "shiplift")
        logger.logLevel = .error
        do { http = try HTTPClient(logger: logger) } catch { throw ClientError.unreachable("\(error)") }
    }

    /// A path of the API below the service's address, which may have a path of its own.
    private func address(of path: String) throws -> HTTPURL { try base.resolving((base.path.hasSuffix("/") ? String(base.path.dropLast()) : base.path) + path) }

    /// Where a promotion is found.
    func link(to promotion: PromotionResource) throws -> String { try address(of: "/v1/promotions/\(promotion.id)").description }

    /// `--url`, else `SHIPLIFT_URL`, else this machine.
    static func address(_ url: String?, _ environment: [String: String]) -> String {
        let address = url ?? environment["SHIPLIFT_URL"] ?? "http://127.0.0.1:8080"
        return address.hasSuffix("/") ? String(address.dropLast()) : address
    }

    /// Sends a request and answers the body of a success.
    ///
    /// - Throws: `ProblemResource` where the service says why not, `ClientError` where it can't be reached.
    func send(
        _ method: HTTPMethod, _ path: String, query: [(String, String?)] = [], body: (any Encodable)? = nil, raw: Data? = nil, fields: [(String, String)] = [],
        accept: String = "application/json, */*;q=0.5", timeout: Duration = .seconds(90)
    ) async throws -> Data {
        var url = try address(of: path)
        for case (let name, let value?) in query { url = try url.appendingQueryItem(name, value) }
        var headers = HTTPFields()
        if !isAnonymous { try headers.append("Authorization", "Bearer \(token.reveal())") }
        try headers.append("Accept", accept)
        if body != nil || raw != nil { try headers.append("Content-Type", "application/json") }
        for (name, value) in fields { try headers.append(name, value) }
        var settings = connection
        settings.totalTimeout = timeout
        settings.stallTimeout = timeout
        let request = HTTPRequest(method, url, fields: headers, body: try raw.map(Array.init) ?? body.map { Array(try APIJSON.encoder().encode($0)) })
        let response: HTTPResponse
        do { response = try await http.send(request, settings: settings, maximumBodyBytes: Self.maximumBytes) } catch {
            throw ClientError.unreachable("the service can't be reached: \(error)")
        }
        let data = Data(response.body)
        if response.status < 400 { return data }
        throw Self.failure(data, status: response.status)
    }

    /// Hands an answer of any size on, piece by piece.
    func stream(_ path: String, query: [(String, String?)] = [], _ sink: (Data) throws -> Void) async throws {
        var headers = HTTPFields()
        try headers.append("Authorization", "Bearer \(token.reveal())")
        var url = try address(of: path)
        for case (let name, let value?) in query { url = try url.appendingQueryItem(name, value) }
        let request = HTTPRequest(.get, url, fields: headers)
        try await http.withDownload(request, settings: connection) { head, body in
            guard head.status < 400 else { throw Self.failure(Data(try await body.collect(upTo: 1 << 20)), status: head.status) }
            for try await chunk in body { try sink(Data(chunk)) }
        }
    }

    /// Hears a stream of events until the service ends it.
    ///
    /// - Parameter place: the id of the last event that was heard.
    func events(_ path: String, after place: String?, timeout: Duration, _ sink: (ServerSentEvent) throws -> Void) async throws {
        var headers = HTTPFields()
        try headers.append("Authorization", "Bearer \(token.reveal())")
        try headers.append("Accept", "text/event-stream")
        if let place { try headers.append("Last-Event-ID", place) }
        var settings = ConnectionSettings()
        settings.totalTimeout = timeout
        // Longer than the service is ever silent.
        settings.stallTimeout = .seconds(60)
        let request = HTTPRequest(.get, try base.resolving(path), fields: headers)
        var reader = ServerSentEventReader()
        do {
            try await http.withDownload(request, settings: settings) { head, body in
                guard head.status < 400 else { throw Self.failure(Data(try await body.collect(upTo: 1 << 20)), status: head.status) }
                for try await chunk in body { for event in try reader.take(chunk) { try sink(event) } }
            }
        } catch let error as HTTPTransportError { throw ClientError.unreachable("the service can't be reached: \(error)") }
    }

    private static func failure(_ data: Data, status: Int) -> any Error {
        do { return try APIJSON.decoder().decode(ProblemResource.self, from: data) } catch {
            return ClientError.unexpected("the service answered \(status) without saying why")
        }
    }

    func get<Resource: Decodable>(_ path: String, query: [(String, String?)] = [], as type: Resource.Type = Resource.self) async throws -> Resource {
        try APIJSON.decoder().decode(type, from: try await send(.get, path, query: query))
    }

    func post<Resource: Decodable>(
        _ path: String, _ body: any Encodable, fields: [(String, String)] = [], as type: Resource.Type = Resource.self
    ) async throws -> Resource {
        try APIJSON.decoder().decode(type, from: try await send(.post, path, body: body, fields: fields))
    }
}

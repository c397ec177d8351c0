import APIModel
import Foundation
import HTTPTransport
import Logging

/// A log-in without a browser on this machine (RFC 8628): the person enters a code on whatever device they like.
struct DeviceLogin {
    struct Code: Decodable {
        let device_code: String
        let user_code: String
        let verification_uri: String
        let verification_uri_complete: String?
        let expires_in: Int
        let interval: Int?
    }

    private struct Answer: Decodable {
        let id_token: String?
        let error: String?
    }

    private let http: HTTPClient
    private let method: LoginMethodResource
    private let (device, token): (HTTPURL, HTTPURL)

    /// - Throws: `ClientError` where the issuer has no such way, or would be asked in clear.
    init(_ method: LoginMethodResource, http: HTTPClient) throws {
        guard let device = method.deviceEndpoint, let token = method.tokenEndpoint else {
            throw ClientError.notConfigured("\(method.issuer) has no device log-in; log in with a browser, or use a token")
        }
        self.method = method
        self.http = http
        self.device = try Self.safe(device)
        self.token = try Self.safe(token)
    }

    private static func safe(_ text: String) throws -> HTTPURL {
        let url = try HTTPURL(parsing: text)
        guard url.origin.scheme == .https || ["127.0.0.1", "localhost", "[::1]"].contains(url.origin.host) else {
            throw ClientError.notConfigured("the issuer would be asked in clear: \(url.redacted)")
        }
        return url
    }

    func begin() async throws -> Code {
        let data = try await post(device, [("client_id", method.clientID), ("scope", method.scopes.joined(separator: " "))])
        do { return try JSONDecoder().decode(Code.self, from: data) } catch { throw ClientError.unexpected("the issuer gives no code to log in with") }
    }

    /// Asks until the person has entered the code, or said no, or too much time is gone.
    func token(for code: Code) async throws -> String {
        let deadline = ContinuousClock.now + .seconds(min(max(code.expires_in, 1), 1_800))
        var pause = min(max(code.interval ?? 5, 1), 60)
        while ContinuousClock.now < deadline {
            try await Task.sleep(for: .seconds(pause))
            let data = try await post(
                token, [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", code.device_code), ("client_id", method.clientID)])
            let answer: Answer
            do { answer = try JSONDecoder().decode(Answer.self, from: data) } catch { throw ClientError.unexpected("the issuer's answer makes no sense") }
            switch answer.error {
            case nil:
                guard let found = answer.id_token else { throw ClientError.unexpected("the issuer does not say who it is: ask for the scope 'openid'") }
                return found
            case "authorization_pending": continue
            case "slow_down": pause += 5
            case "access_denied": throw ClientError.unexpected("the log-in was refused")
            case let error?: throw ClientError.unexpected("the log-in failed: \(error.prefix(80))")
            }
        }
        throw ClientError.unexpected("nobody entered the code in time")
    }

    private func post(_ url: HTTPURL, _ form: [(name: String, value: String)]) async throws -> Data {
        var settings = ConnectionSettings()
        settings.totalTimeout = .seconds(30)
        let fields = try HTTPFields(["Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"])
        let response: HTTPResponse
        do {
            response = try await http.send(HTTPRequest(.post, url, fields: fields, body: FormEncoding.bytes(form)), settings: settings, maximumBodyBytes: 131_072)
        } catch { throw ClientError.unreachable("the issuer can't be reached: \(error)") }
        guard [200, 400, 401].contains(response.status) else { throw ClientError.unexpected("the issuer answered \(response.status)") }
        return Data(response.body)
    }
}

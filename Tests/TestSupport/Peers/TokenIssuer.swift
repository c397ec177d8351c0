import Crypto
import CryptoExtras
public import Foundation
import Synchronization

/// A key that an issuer signs with: RSA of 2,048 bits, or P-256.
public struct IssuerKey: Sendable {
    public enum Kind: Sendable { case rsa, p256 }

    private enum Secret: Sendable {
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
    }

    public let id: String
    private let secret: Secret

    public init(_ id: String, _ kind: Kind = .rsa) throws {
        self.id = id
        secret = kind == .rsa ? .rsa(try _RSA.Signing.PrivateKey(keySize: .bits2048)) : .p256(P256.Signing.PrivateKey())
    }

    public var algorithm: String { if case .rsa = secret { "RS256" } else { "ES256" } }

    /// The public part, as a JWKS holds it.
    public func jwk(_ more: String = "") throws -> String {
        switch secret {
        case .rsa(let key):
            let numbers = try key.publicKey.getKeyPrimitives()
            return #"{"kty":"RSA","kid":"\#(id)","use":"sig","n":"\#(numbers.modulus.base64URL)","e":"\#(numbers.publicExponent.base64URL)"\#(more)}"#
        case .p256(let key):
            let point = key.publicKey.rawRepresentation
            return #"{"kty":"EC","crv":"P-256","kid":"\#(id)","x":"\#(point.prefix(32).base64URL)","y":"\#(point.suffix(32).base64URL)"\#(more)}"#
        }
    }

    /// The public key in PEM: what an attacker would take for a shared secret.
    public var publicPEM: String {
        switch secret {
        case .rsa(let key): key.publicKey.pemRepresentation
        case .p256(let key): key.publicKey.pemRepresentation
        }
    }

    public func sign(_ message: Data) throws -> Data {
        switch secret {
        case .rsa(let key): try key.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5).rawRepresentation
        case .p256(let key): try key.signature(for: message).rawRepresentation
        }
    }

    /// A token with this header and these claims, each as JSON.
    public func token(header: String? = nil, claims: String) throws -> String {
        let header = header ?? #"{"alg":"\#(algorithm)","kid":"\#(id)","typ":"JWT"}"#
        let text = Data(header.utf8).base64URL + "." + Data(claims.utf8).base64URL
        return text + "." + (try sign(Data(text.utf8))).base64URL
    }
}

extension Data {
    public var base64URL: String { base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "") }
}

/// An OpenID Connect issuer on loopback: real keys behind a real JWKS endpoint, log-ins by code and by device, with nobody to ask.
public final class TokenIssuer: Sendable {
    public struct State: Sendable {
        public var keys: [IssuerKey]
        /// Answers in place of its own, by path.
        public var answers: [String: PeerResponse] = [:]
        /// Claims of whoever logs in.
        public var person = #""sub":"ada","name":"Ada","email":"ada@example.test","groups":["release-managers"]"#
        var codes: [String: [String: String]] = [:]
        var devicePolls = 0
    }

    private final class Box: Sendable {
        let state: Mutex<State>
        init(_ state: State) { self.state = Mutex(state) }
    }

    public let peer: ScriptedPeer
    private let box: Box

    public init() throws {
        let box = Box(State(keys: [try IssuerKey("first")]))
        self.box = box
        peer = try ScriptedPeer { request in .answer(try Self.answer(request, box)) }
    }

    public var url: String { "http://\(peer.host)" }
    public func change(_ change: (inout State) throws -> Void) rethrows { try box.state.withLock { try change(&$0) } }
    public var keys: [IssuerKey] { box.state.withLock { $0.keys } }
    /// How often the JWKS was asked for.
    public var looks: Int { peer.lines.count { $0.hasSuffix(" /jwks") } }
    public func stop() { peer.stop() }

    /// A token by the newest key, valid for ten minutes.
    public func token(_ claims: String, audience: String = "shiplift", life: Int = 600) throws -> String {
        guard let key = keys.last else { return "" }
        return try key.token(claims: Self.claims(url, audience, claims, life))
    }

    static func claims(_ issuer: String, _ audience: String, _ claims: String, _ life: Int) -> String {
        let now = Int(Date().timeIntervalSince1970)
        return #"{"iss":"\#(issuer)","aud":"\#(audience)","iat":\#(now),"nbf":\#(now),"exp":\#(now + life),"jti":"\#(UUID())",\#(claims)}"#
    }

    private static func answer(_ request: PeerRequest, _ box: Box) throws -> PeerResponse {
        if let other = box.state.withLock({ $0.answers[request.path] }) { return other }
        let base = "http://" + (request["host"] ?? "")
        switch request.path {
        case "/.well-known/openid-configuration":
            let endpoints = [("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("device_authorization_endpoint", "device"), ("jwks_uri", "jwks")]
            return PeerResponse(200, json: #"{"issuer":"\#(base)",\#(endpoints.map { #""\#($0.0)":"\#(base)/\#($0.1)""# }.joined(separator: ","))}"#)
        case "/jwks":
            let keys = try box.state.withLock { $0.keys }.map { try $0.jwk() }
            return PeerResponse(200, json: #"{"keys":[\#(keys.joined(separator: ","))]}"#)
        case "/authorize": return authorize(request, box, base)
        case "/device":
            return PeerResponse(200, json: #"{"device_code":"d-1","user_code":"WXYZ-1234","verification_uri":"\#(base)/activate","expires_in":60,"interval":1}"#)
        case "/token": return try exchange(TokenService.form(request), box, base)
        default: return PeerResponse(404, json: "{}")
        }
    }

    /// Whoever asks is let in, and sent back with a code.
    private static func authorize(_ request: PeerRequest, _ box: Box, _ base: String) -> PeerResponse {
        func value(_ name: String) -> String { request.query(name).first ?? "" }
        let code = "\(UUID())"
        box.state.withLock { state in
            state.codes[code] = ["challenge": value("code_challenge"), "nonce": value("nonce"), "redirect": value("redirect_uri"), "client": value("client_id")]
        }
        return PeerResponse(302, ["Location": "\(value("redirect_uri"))?code=\(code)&state=\(value("state"))&iss=\(base)"])
    }

    private static func exchange(_ form: [String: String], _ box: Box, _ base: String) throws -> PeerResponse {
        func no(_ error: String) -> PeerResponse { PeerResponse(400, json: #"{"error":"\#(error)"}"#) }
        var extra = ""
        if form["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code" {
            guard form["device_code"] == "d-1" else { return no("invalid_grant") }
            // People take a while.
            let polls = box.state.withLock { state in
                state.devicePolls += 1
                return state.devicePolls
            }
            if polls == 1 { return no("authorization_pending") }
        } else {
            // A code counts once, for whoever can show what its challenge was made of.
            guard let begun = box.state.withLock({ $0.codes.removeValue(forKey: form["code"] ?? "") }), begun["redirect"] == form["redirect_uri"],
                begun["client"] == form["client_id"], begun["challenge"] == Data(SHA256.hash(data: Data((form["code_verifier"] ?? "").utf8))).base64URL
            else { return no("invalid_grant") }
            extra = #","nonce":"\#(begun["nonce"] ?? "")""#
        }
        let state = box.state.withLock { $0 }
        guard let key = state.keys.last else { return no("server_error") }
        let token = try key.token(claims: claims(base, form["client_id"] ?? "", state.person + extra, 600))
        return PeerResponse(200, json: #"{"access_token":"opaque","token_type":"Bearer","expires_in":600,"id_token":"\#(token)"}"#)
    }
}

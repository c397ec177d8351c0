import Foundation
import Synchronization

/// A token service that docker-registry trusts: whoever has the password gets every scope that is asked for.
public final class TokenService: Sendable {
    public static let user = "robot"
    public static let password = "pass:word"

    public let peer: ScriptedPeer
    private let folder: URL
    private let terms: SharedTerms

    /// What the next tokens are like.
    public struct Terms: Sendable {
        /// `expires_in` of the answer, in seconds.
        public var announced: Int? = 300
        /// How long the registry takes the token, in seconds; docker-registry allows 60 more.
        public var lifetime = 300
        /// Only so many of the scopes are granted.
        public var scopes = Int.max
        public var answersAccessToken = false
    }

    public init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "tokens-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let key = folder.appending(path: "key.pem")
        let certificate = folder.appending(path: "certificate.pem")
        try Tool.checked(
            "openssl",
            ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens", "-days", "2", "-keyout", key.path, "-out", certificate.path])
        let pem = try String(contentsOf: certificate, encoding: .utf8)
        let der = pem.split(separator: "\n").filter { !$0.hasPrefix("-") }.joined()
        let terms = SharedTerms()
        self.terms = terms
        let folder = folder
        peer = try ScriptedPeer { request in
            guard Self.isKnown(request) else { return .answer(PeerResponse(401, json: #"{"details":"incorrect username or password"}"#)) }
            let now = terms.mutex.withLock { $0 }
            let granted = Self.scopes(request).prefix(now.scopes)
            let token = try Self.sign(Self.claims(Array(granted), now.lifetime), der, key, folder)
            let name = now.answersAccessToken ? "access_token" : "token"
            let life = now.announced.map { #","expires_in":\#($0)"# } ?? ""
            return .answer(PeerResponse(200, json: #"{"\#(name)":"\#(token)"\#(life)}"#))
        }
    }

    public var realm: String { "http://\(peer.host)/token" }

    public func change(_ change: @Sendable (inout Terms) -> Void) { terms.mutex.withLock { change(&$0) } }

    /// The setup of a registry that asks for this service's tokens.
    public var setup: DockerRegistry.Setup {
        var setup = DockerRegistry.Setup()
        setup.tokens = (realm, "test-registry", "test-issuer", folder.appending(path: "certificate.pem").path)
        return setup
    }

    /// The scopes that each request asked for.
    public var requestedScopes: [[String]] { peer.requests.map(Self.scopes) }

    public func stop() {
        peer.stop()
        do { try FileManager.default.removeItem(at: folder) } catch { print("\(folder.path) stays behind: \(error)") }
    }

    private static func isKnown(_ request: PeerRequest) -> Bool {
        if request.method == "POST" {
            return form(request)["refresh_token"] == password && form(request)["grant_type"] == "refresh_token"
        }
        return request["authorization"] == "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    public static func form(_ request: PeerRequest) -> [String: String] {
        let items = String(decoding: request.body, as: UTF8.self).split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
        return items.reduce(into: [:]) { $0[String($1[0])] = $1.count > 1 ? String($1[1]).removingPercentEncoding : "" }
    }

    private static func scopes(_ request: PeerRequest) -> [String] {
        guard request.method == "POST" else { return request.query("scope") }
        return (form(request)["scope"] ?? "").split(separator: " ").map(String.init)
    }

    private static func claims(_ scopes: [String], _ lifetime: Int) -> String {
        let access = scopes.map { scope in
            let parts = scope.split(separator: ":")
            let actions = parts.last.map { $0.split(separator: ",").map { "\"\($0)\"" }.joined(separator: ",") } ?? ""
            return #"{"type":"\#(parts[0])","name":"\#(parts[1])","actions":[\#(actions)]}"#
        }
        let now = Int(Date().timeIntervalSince1970)
        return """
            {"iss":"test-issuer","sub":"\(user)","aud":"test-registry","iat":\(now - 600),"nbf":\(now - 600),"exp":\(now + lifetime),\
            "jti":"\(UUID())","access":[\(access.joined(separator: ","))]}
            """
    }

    private static func sign(_ claims: String, _ certificate: String, _ key: URL, _ folder: URL) throws -> String {
        let header = #"{"alg":"RS256","typ":"JWT","x5c":["\#(certificate)"]}"#
        let text = [header, claims].map { encoded(Data($0.utf8)) }.joined(separator: ".")
        let input = folder.appending(path: "\(UUID())")
        let output = folder.appending(path: "\(UUID())")
        try Data(text.utf8).write(to: input)
        try Tool.checked("openssl", ["dgst", "-sha256", "-sign", key.path, "-out", output.path, input.path])
        return text + "." + encoded(try Data(contentsOf: output))
    }

    private static func encoded(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

/// Terms that the handler, which exists before the service does, can look at.
private final class SharedTerms: Sendable {
    let mutex = Mutex(TokenService.Terms())
}

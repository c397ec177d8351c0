import AuditLog
import Foundation
import HTTPTypes
import Hummingbird
public import PromotionCore

/// Lets in browsers in which somebody has logged in, and makes sure that it is their page that asks.
public struct BrowserAccess: Sendable {
    let signIn: SignIn
    /// Scheme, host and port as browsers spell it in `Origin`.
    let origin: String

    /// - Parameter origin: of the address at which people open Shiplift, without a path.
    public init(signIn: SignIn, origin: String) {
        self.signIn = signIn
        self.origin = origin
    }

    private var isSecure: Bool { origin.hasPrefix("https://") }
    /// `__Host-`: of this host alone, sent encrypted alone, and not to be set by a neighbour (RFC 6265bis §4.1.3.2). Plain http, for tests, has no such cookies.
    private var prefix: String { isSecure ? "__Host-" : "" }
    var sessionCookie: String { prefix + "shiplift-session" }
    var attemptCookie: String { prefix + "shiplift-login" }

    /// Who the browser is; `nil` where the request has no session's cookie.
    func principal(of request: Request, _ context: ShipliftRequestContext) async throws -> Principal? {
        guard let secret = secret(of: request) else { return nil }
        if !Self.isSafe(request.method) { try refuseForgery(request, secret) }
        let found: Principal?
        do throws(SignInError) { found = try await signIn.principal(secret) } catch { throw Problem(error) }
        guard let found else { throw Problem.unauthorized("the session is over; log in again at /auth/login") }
        return found
    }

    func secret(of request: Request) -> SessionSecret? { cookie(sessionCookie, of: request).flatMap(SessionSecret.init(parsing:)) }

    /// What this browser's pages must say in `X-CSRF-Token`; `nil` for callers that are no browsers.
    func antiForgeryToken(of request: Request, _ principal: Principal) -> String? {
        principal.authentication == .session ? secret(of: request)?.antiForgeryToken : nil
    }

    private static func isSafe(_ method: HTTPRequest.Method) -> Bool { method == .get || method == .head || method == .options }

    /// A cookie comes with whatever page asks. A request that changes something must come from a page of ours, by the browser's word, and must know
    /// what only such a page can read.
    func refuseForgery(_ request: Request, _ secret: SessionSecret) throws(Problem) {
        if let name = HTTPField.Name("Sec-Fetch-Site"), let site = request.headers[name], site != "same-origin" {
            throw Self.forged("the browser says that another site's page asks")
        }
        if let name = HTTPField.Name("Origin"), let found = request.headers[name], found != origin { throw Self.forged("a page of another origin asks") }
        guard let name = HTTPField.Name("X-CSRF-Token"), let presented = request.headers[name], secret.confirms(presented) else {
            throw Self.forged("X-CSRF-Token is missing or wrong; /v1/whoami says what it must be")
        }
    }

    private static func forged(_ detail: String) -> Problem { Problem("cross-site", status: 403, title: "Not from a page of ours", detail: detail) }

    /// A cookie that is there once: of two, nobody can say which one the browser means.
    func cookie(_ name: String, of request: Request) -> String? {
        let found = request.headers[values: .cookie].flatMap { $0.split(separator: ";") }.compactMap { pair -> String? in
            let parts = pair.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            return parts.count == 2 && parts[0] == name ? parts[1] : nil
        }
        return found.count == 1 ? found[0] : nil
    }

    func setCookie(_ name: String, _ value: String, seconds: Int) -> String {
        "\(name)=\(value); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Lax\(isSecure ? "; Secure" : "")"
    }
}

extension Problem {
    init(_ error: SignInError) {
        switch error {
        case .unknownIssuer(let name, let known):
            let names = known.isEmpty ? "nobody can log in here: no issuer has 'login:'" : "say with 'issuer' which: \(known.joined(separator: ", "))"
            self = .invalid("issuer", name.isEmpty ? names : "there is no issuer '\(name.prefix(80))' to log in with; \(names)")
        case .notBegun: self = .invalid("state", "this log-in was not begun in this browser, or too long ago; begin again at /auth/login")
        case .refused(let reason): self = Problem("login-refused", status: 403, title: "Not logged in", detail: reason)
        case .noRights(let reason): self = .forbidden(reason)
        case .unavailable(let reason):
            self.init("issuer-unavailable", status: 503, title: "The issuer can't be asked now", detail: reason, retryable: true, retryAfter: 5)
        case .store(let error): self.init(error)
        case .failure(let failure): self.init(failure)
        }
    }
}

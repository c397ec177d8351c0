import APIModel
import Foundation
import HTTPTypes
import Hummingbird
import PolicyEngine
import PromotionCore

/// `/auth/…`: people log in and out with their browsers; command lines learn how.
struct LoginRoutes: Sendable {
    let browsers: BrowserAccess

    func add(to router: Router<ShipliftRequestContext>) {
        let group = router.group("auth")
        group.get("methods", use: methods)
        group.get("login", use: login)
        group.get("callback", use: callback)
        group.post("logout", use: logout)
    }

    @Sendable private func methods(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let items: [LoginMethodResource]
        do throws(SignInError) {
            items = try await browsers.signIn.methods().map {
                LoginMethodResource(
                    name: $0.issuer.name, issuer: $0.issuer.issuer, clientID: $0.login.clientID, scopes: $0.login.scopes, deviceEndpoint: $0.device,
                    tokenEndpoint: $0.token)
            }
        } catch { throw Problem(error) }
        return try .json(PageResource(items: items, next: nil))
    }

    @Sendable private func login(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        let (issuer, returnTo) = (RequestParsing.query(request, "issuer"), RequestParsing.query(request, "return") ?? "/")
        let (address, attempt): (String, SignInAttempt)
        do throws(SignInError) { (address, attempt) = try await browsers.signIn.begin(issuer, returnTo: returnTo) } catch { throw Problem(error) }
        let kept = try JSONEncoder().encode(attempt).base64EncodedString().replacing("=", with: "")
        return Self.redirect(address, cookies: [browsers.setCookie(browsers.attemptCookie, kept, seconds: Int(SignIn.patience))])
    }

    @Sendable private func callback(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        guard let attempt = attempt(of: request), let state = RequestParsing.query(request, "state") else { throw Problem(SignInError.notBegun) }
        if let error = RequestParsing.query(request, "error") { throw Problem(SignInError.refused("the issuer says '\(error.prefix(80))'")) }
        guard let code = RequestParsing.query(request, "code"), code.utf8.count <= 4_096 else { throw Problem.invalid("code", "the issuer's answer holds no code") }
        let secret: SessionSecret
        do throws(SignInError) {
            secret = try await browsers.signIn.finish(
                attempt, code: code, state: state, issuer: RequestParsing.query(request, "iss"), requestID: context.requestID
            ).secret
        } catch { throw Problem(error) }
        return Self.redirect(
            attempt.returnTo,
            cookies: [
                browsers.setCookie(browsers.sessionCookie, secret.reveal(), seconds: Int(SignIn.lifetime)), browsers.setCookie(browsers.attemptCookie, "", seconds: 0),
            ])
    }

    @Sendable private func logout(_ request: Request, _ context: ShipliftRequestContext) async throws -> Response {
        if let secret = browsers.secret(of: request) {
            try browsers.refuseForgery(request, secret)
            do throws(SignInError) { try await browsers.signIn.end(secret, requestID: context.requestID) } catch { throw Problem(error) }
        }
        var response = Response(status: .noContent, headers: [.cacheControl: "no-store"])
        response.headers.append(HTTPField(name: .setCookie, value: browsers.setCookie(browsers.sessionCookie, "", seconds: 0)))
        return response
    }

    private func attempt(of request: Request) -> SignInAttempt? {
        guard let text = browsers.cookie(browsers.attemptCookie, of: request), text.utf8.count <= 4_096,
            let data = Data(base64Encoded: text + String(repeating: "=", count: (4 - text.utf8.count % 4) % 4))
        else { return nil }
        // What does not decode was not kept by us.
        do { return try JSONDecoder().decode(SignInAttempt.self, from: data) } catch { return nil }
    }

    private static func redirect(_ address: String, cookies: [String]) -> Response {
        var headers: HTTPFields = [.location: address, .cacheControl: "no-store"]
        if let name = HTTPField.Name("Referrer-Policy") { headers[name] = "no-referrer" }
        for cookie in cookies { headers.append(HTTPField(name: .setCookie, value: cookie)) }
        return Response(status: .seeOther, headers: headers)
    }
}

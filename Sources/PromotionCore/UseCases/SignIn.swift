import AuditLog
import Crypto
import Foundation
public import PolicyEngine
import Trust

/// Why a log-in does not come about. Descriptions are for the person.
public enum SignInError: Error, Sendable {
    case unknownIssuer(String, known: [String])
    /// It was begun too long ago, in another browser, or never.
    case notBegun
    /// The issuer said no, or what it said does not count.
    case refused(String)
    case unavailable(String)
    case noRights(String)
    case store(StoreError)
    case failure(PromotionFailure)
}

/// A log-in under way: kept by the browser that began it, and by nobody else.
public struct SignInAttempt: Sendable, Hashable, Codable {
    let issuer: String
    let state: String
    let nonce: String
    /// RFC 7636: who shows the code must also show this.
    let verifier: String
    let begunAt: Date
    public let returnTo: String
}

/// People log in with a browser: OpenID Connect's authorization code with PKCE (RFC 7636), state and nonce.
public struct SignIn: Sendable {
    /// How long a log-in may take, in seconds.
    public static let patience = 600.0
    /// A session ends after so long without use, in seconds.
    public static let idle = 3_600.0
    /// A session ends after so long, in seconds.
    public static let lifetime = 12 * 3_600.0

    private let keyring: IssuerKeyring
    private let documents: any IssuerDocuments
    private let sessions: any SessionStore
    private let policies: any PolicySource
    private let environs: Environs
    private let secret: @Sendable (CheckEndpoint.SecretReference) throws -> String
    /// Where the issuer sends the browser back to: exactly this.
    private let redirect: String

    /// - Parameter secret: reads a client's secret from where the file says it is.
    public init(
        keyring: IssuerKeyring, documents: any IssuerDocuments, sessions: any SessionStore, policies: any PolicySource, environs: Environs, redirect: String,
        secret: @escaping @Sendable (CheckEndpoint.SecretReference) throws -> String
    ) {
        self.keyring = keyring
        self.documents = documents
        self.sessions = sessions
        self.policies = policies
        self.environs = environs
        self.redirect = redirect
        self.secret = secret
    }

    /// Where the browser goes, and what it keeps until it comes back.
    ///
    /// - Parameters:
    ///   - name: the issuer's name in the identities file; the only one where it is left out.
    ///   - returnTo: a path here; anything else becomes `/`.
    public func begin(_ name: String?, returnTo: String) async throws(SignInError) -> (address: String, attempt: SignInAttempt) {
        let usable = try await current().identities.issuers.filter { $0.login != nil }
        guard let issuer = name.map({ name in usable.first { $0.name == name } }) ?? (usable.count == 1 ? usable.first : nil), let login = issuer.login else {
            throw .unknownIssuer(name ?? "", known: usable.map(\.name))
        }
        let metadata: ProviderMetadata
        do { metadata = try await keyring.metadata(of: issuer) } catch { throw .unavailable(error.description) }
        guard let endpoint = metadata.authorization, var address = URLComponents(string: endpoint) else { throw .unavailable("the issuer has no authorization endpoint") }
        var random = SystemRandomNumberGenerator()
        let attempt = SignInAttempt(
            issuer: issuer.name, state: SessionSecret.random(&random), nonce: SessionSecret.random(&random), verifier: SessionSecret.random(&random),
            begunAt: environs.now(), returnTo: Self.isPathHere(returnTo) ? returnTo : "/")
        let challenge = Data(SHA256.hash(data: Data(attempt.verifier.utf8))).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
        address.queryItems =
            (address.queryItems ?? [])
            + [
                ("response_type", "code"), ("client_id", login.clientID), ("redirect_uri", redirect), ("scope", login.scopes.joined(separator: " ")),
                ("state", attempt.state), ("nonce", attempt.nonce), ("code_challenge", challenge), ("code_challenge_method", "S256"),
            ].map { URLQueryItem(name: $0.0, value: $0.1) }
        guard let text = address.string else { throw .unavailable("the issuer's authorization endpoint is no URL") }
        return (text.replacing("+", with: "%2B"), attempt)
    }

    /// Takes the answer that the browser brings, and begins a session.
    ///
    /// - Parameters:
    ///   - attempt: what the same browser has kept.
    ///   - state: as the answer repeats it.
    ///   - issuer: as the answer names it (RFC 9207), where it does.
    public func finish(
        _ attempt: SignInAttempt, code: String, state: String, issuer named: String?, requestID: RequestID
    ) async throws(SignInError) -> (secret: SessionSecret, principal: Principal) {
        let now = environs.now()
        guard Self.same(attempt.state, state), now.timeIntervalSince(attempt.begunAt) < Self.patience, now >= attempt.begunAt.addingTimeInterval(-60) else { throw .notBegun }
        let policySet = try await current()
        guard let issuer = policySet.identities.issuer(named: attempt.issuer), let login = issuer.login else { throw .notBegun }
        if let named { guard named.utf8.elementsEqual(issuer.issuer.utf8) else { throw .refused("the answer is another issuer's") } }
        let claims = try await claims(code, attempt, issuer, login, policySet)
        let principal: Principal
        do {
            principal = try Authentication.principal(claims.subject, claims.values, of: issuer, in: policySet, expiresAt: now.addingTimeInterval(Self.lifetime), by: .session)
        } catch {
            throw .noRights(error.description)
        }
        var random = SystemRandomNumberGenerator()
        let secret = SessionSecret(random: &random)
        let session = SessionRecord(
            id: environs.newID(), subject: principal.subject, issuer: issuer.issuer, claims: Authentication.kept(claims.values, policySet.claimNames(of: issuer)),
            createdAt: now, lastSeenAt: now, expiresAt: now.addingTimeInterval(Self.lifetime))
        do { try await sessions.create(session, sha256: secret.sha256, audit: try entry("session.started", principal, session, requestID)) } catch { throw .store(error) }
        return (secret, principal)
    }

    private func claims(
        _ code: String, _ attempt: SignInAttempt, _ issuer: TrustedIssuer, _ login: TrustedIssuer.Login, _ policies: PolicySet
    ) async throws(SignInError) -> WebTokenClaims {
        let answer: ProviderAnswer
        do {
            guard let endpoint = try await keyring.metadata(of: issuer).token else { throw IssuerDocumentError("the issuer has no token endpoint") }
            var form = [
                ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect), ("code_verifier", attempt.verifier), ("client_id", login.clientID),
            ]
            if let place = login.clientSecret { form.append(("client_secret", try secret(place))) }
            answer = try ProviderAnswer(parsing: await documents.exchange(form.map { (name: $0.0, value: $0.1) }, at: endpoint, of: issuer, limit: ProviderAnswer.maximumBytes))
        } catch { throw .unavailable("\(error)") }
        guard case .identity(let text) = answer else {
            if case .refused(let reason) = answer { throw .refused("the issuer says '\(reason)'") }
            throw .refused("the issuer does not say who it is")
        }
        do throws(WebTokenRefusal) {
            let token = try WebToken(parsing: text)
            let keys = try await keyring.keys(for: token, of: issuer, in: policies)
            // For this client, and for this log-in.
            let terms = WebToken.Terms(
                issuer: issuer.issuer, audiences: [login.clientID], algorithms: issuer.terms.algorithms, skew: issuer.skewSeconds, maximumLife: issuer.maximumLifeSeconds,
                nonce: attempt.nonce)
            return try token.verified(by: keys, as: terms, at: environs.now())
        } catch { throw .refused(error.description) }
    }

    /// Who a browser is; `nil` where its session is unknown, or over.
    public func principal(_ secret: SessionSecret) async throws(SignInError) -> Principal? {
        guard let session = try await live(secret) else { return nil }
        let policySet = try await current()
        guard let issuer = policySet.identities.issuer(of: session.issuer) else { return nil }
        let prefix = SubjectID.oidc(issuer: issuer.issuer, subject: "").description
        do {
            return try Authentication.principal(
                String(session.subject.description.dropFirst(prefix.count)), session.claims, of: issuer, in: policySet, expiresAt: session.expiresAt, by: .session)
        } catch { throw .noRights(error.description) }
    }

    /// Ends a session; nothing where there is none.
    public func end(_ secret: SessionSecret, requestID: RequestID) async throws(SignInError) {
        guard let session = try await live(secret) else { return }
        let principal = Principal(subject: session.subject, name: session.subject.description, grant: .reader, issuer: session.issuer, authentication: .session)
        do { try await sessions.end(session.id, at: environs.now(), audit: try entry("session.ended", principal, session, requestID)) } catch { throw .store(error) }
    }

    private func live(_ secret: SessionSecret) async throws(SignInError) -> SessionRecord? {
        let now = environs.now()
        let found: SessionRecord?
        do { found = try await sessions.session(sha256: secret.sha256, now: now) } catch { throw .store(error) }
        guard let found, found.endedAt == nil, now < found.expiresAt, now.timeIntervalSince(found.lastSeenAt) < Self.idle else { return nil }
        return found
    }

    /// The ways to log in, for command lines.
    public func methods() async throws(SignInError) -> [(issuer: TrustedIssuer, login: TrustedIssuer.Login, device: String?, token: String?)] {
        var methods: [(issuer: TrustedIssuer, login: TrustedIssuer.Login, device: String?, token: String?)] = []
        for issuer in try await current().identities.issuers {
            guard let login = issuer.login else { continue }
            let metadata: ProviderMetadata
            do { metadata = try await keyring.metadata(of: issuer) } catch { throw .unavailable(error.description) }
            methods.append((issuer, login, metadata.deviceAuthorization, metadata.token))
        }
        return methods
    }

    private func current() async throws(SignInError) -> PolicySet {
        do { return try await policies.current() } catch { throw .failure(error) }
    }

    private func entry(_ action: String, _ principal: Principal, _ session: SessionRecord, _ requestID: RequestID) throws(StoreError) -> AuditEntry {
        do {
            return try AuditEntry(
                id: environs.newID(), time: environs.now(), actor: AuditActor(id: principal.subject.description, authentication: .session), action: action,
                outcome: .success, requestID: requestID.description,
                details: [
                    "session": .string(session.id.uuidString.lowercased()), "issuer": .string(AuditEntry.clip(session.issuer, to: 500)),
                    "rules": .array(principal.rules.prefix(20).map { .string(AuditEntry.clip($0, to: 100)) }),
                ])
        } catch { throw .auditUnavailable("\(error)") }
    }

    /// A path of ours: nothing that a browser could take for another host.
    static func isPathHere(_ text: String) -> Bool {
        text.hasPrefix("/") && !text.hasPrefix("//") && text.utf8.count <= 1_000 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
    }

    private static func same(_ left: String, _ right: String) -> Bool {
        SHA256.hash(data: Data(left.utf8)) == SHA256.hash(data: Data(right.utf8))
    }
}

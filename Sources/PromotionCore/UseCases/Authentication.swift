import AuditLog
import Crypto
import Foundation
import PolicyEngine
import Trust

/// Why somebody is not let in.
public enum AuthenticationFailure: Error, Sendable {
    /// What they showed does not count. The reason is for them.
    case refused(kind: String, reason: String)
    /// They are known, and nothing gives them a right.
    case noRights(String)
    case unavailable(String)
    case store(StoreError)
    case failure(PromotionFailure)
}

/// Who somebody is, by what they show.
public struct Authentication: Sendable {
    private let tokens: Tokens
    private let keyring: IssuerKeyring
    private let policies: any PolicySource
    private let journal: AuthenticationJournal
    private let environs: Environs

    public init(tokens: Tokens, keyring: IssuerKeyring, policies: any PolicySource, journal: AuthenticationJournal, environs: Environs) {
        self.tokens = tokens
        self.keyring = keyring
        self.policies = policies
        self.journal = journal
        self.environs = environs
    }

    /// Whose a bearer token is (RFC 6750 §2.1): one of ours, or one of an issuer that the identities file trusts.
    ///
    /// - Parameter source: the caller's address, for counting refusals.
    public func bearer(_ text: String, from source: String) async throws(AuthenticationFailure) -> Principal {
        do throws(AuthenticationFailure) {
            if let secret = APITokenSecret(parsing: text) { return try await token(secret) }
            guard WebToken.looksLikeOne(text) else { throw .refused(kind: "malformed", reason: "the Authorization header holds no token of ours") }
            return try await webToken(text)
        } catch {
            if case .refused(let kind, _) = error { await journal.refused(kind, from: source) }
            if case .noRights = error { await journal.refused("no-rule", from: source) }
            throw error
        }
    }

    /// Counts a refusal that was made before anything was looked at.
    public func refused(_ kind: String, from source: String) async { await journal.refused(kind, from: source) }

    private func token(_ secret: APITokenSecret) async throws(AuthenticationFailure) -> Principal {
        let principal: Principal?
        do { principal = try await tokens.authenticate(secret) } catch { throw .store(error) }
        guard let principal else { throw .refused(kind: "token", reason: "the token is unknown, expired or revoked") }
        return principal
    }

    private func webToken(_ text: String) async throws(AuthenticationFailure) -> Principal {
        let policySet: PolicySet
        do { policySet = try await policies.current() } catch { throw .failure(error) }
        let principal: Principal
        do throws(WebTokenRefusal) {
            let token = try WebToken(parsing: text)
            guard let issuer = policySet.identities.issuer(of: token.claimedIssuer) else { throw .unknownIssuer(token.claimedIssuer) }
            let keys = try await keyring.keys(for: token, of: issuer, in: policySet)
            let claims = try token.verified(by: keys, as: issuer.terms, at: environs.now())
            principal = try Self.principal(claims.subject, claims.values, of: issuer, in: policySet, expiresAt: claims.expires, by: .oidc)
        } catch {
            switch error {
            case .keysUnavailable: throw .unavailable(error.description)
            case .noRule: throw .noRights(error.description)
            default: throw .refused(kind: error.kind, reason: error.description)
            }
        }
        do { try await journal.accepted(principal, credential: Array(SHA256.hash(data: Data(text.utf8)))) } catch { throw .store(error) }
        return principal
    }

    /// The bearer of verified claims, with the rights that the rules in force give.
    static func principal(
        _ subject: String, _ claims: [String: [String]], of issuer: TrustedIssuer, in policies: PolicySet, expiresAt: Date?, by authentication: AuditActor.Authentication
    ) throws(WebTokenRefusal) -> Principal {
        let (rules, permissions) = policies.permissions(of: issuer, claims: claims)
        guard !permissions.isEmpty else { throw .noRule(subject: subject) }
        return Principal(
            subject: .oidc(issuer: issuer.issuer, subject: subject), name: name(claims) ?? subject, grant: .scoped(permissions), issuer: issuer.issuer,
            claims: kept(claims, policies.claimNames(of: issuer)), authentication: authentication, rules: rules, expiresAt: expiresAt)
    }

    /// Only what something here looks at, and bounded: it is stored with each promotion.
    static func kept(_ claims: [String: [String]], _ names: Set<String>) -> [String: [String]] {
        var kept: [String: [String]] = [:]
        for (name, values) in claims where names.contains(name) && !values.isEmpty {
            kept[name] = values.prefix(200).filter { $0.utf8.count <= 500 && !$0.contains("\u{0}") }
        }
        return kept
    }

    /// What people call them. It says nothing about rights.
    private static func name(_ claims: [String: [String]]) -> String? {
        for claim in ["name", "preferred_username", "email", "repository", "project_path", "pipeline_slug"] {
            if let found = claims[claim]?.first, (1...100).contains(found.utf8.count), !found.contains("\u{0}") { return found }
        }
        return nil
    }
}

extension TrustedIssuer {
    /// What its tokens must be like.
    var terms: WebToken.Terms {
        WebToken.Terms(
            issuer: issuer, audiences: audiences, algorithms: algorithms.compactMap(WebTokenAlgorithm.init(rawValue:)), skew: skewSeconds,
            maximumLife: maximumLifeSeconds)
    }
}

import API
import Foundation
import HTTPTransport
import Logging
import PolicyEngine
import Postgres
import PromotionCore
import Storage
import Worker

/// What says who is who: made once, with the rest of the service.
struct IdentityParts {
    let remembered: RememberedTokens
    let tokens: Tokens
    let journal: AuthenticationJournal
    let authentication: Authentication
    /// `nil` where the service does not know its own address.
    let browsers: BrowserAccess?

    init(pool: PostgresPool, http: HTTPClient, proxy: OutgoingProxy, trail: any AuditTrail, policies: any PolicySource, origin: String?, environs: Environs) {
        remembered = RememberedTokens(PostgresTokenStore(pool: pool))
        tokens = Tokens(store: remembered, environs: environs)
        journal = AuthenticationJournal(trail: trail, environs: environs)
        let documents = HTTPIssuerDocuments(http: http, proxy: proxy)
        let keyring = IssuerKeyring(documents: documents, now: environs.now)
        authentication = Authentication(tokens: tokens, keyring: keyring, policies: policies, journal: journal, environs: environs)
        browsers = origin.map { origin in
            BrowserAccess(
                signIn: SignIn(
                    keyring: keyring, documents: documents, sessions: PostgresSessionStore(pool: pool), policies: policies, environs: environs,
                    redirect: origin + "/auth/callback"
                ) { try SecretReader.line($0).text }, origin: origin)
        }
    }

    func duty(_ logger: Logger) -> PeriodicDuty {
        PeriodicDuty(name: "refused callers", every: .seconds(5), logger: logger) { [journal] in try await journal.write() }
    }
}

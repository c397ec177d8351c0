/// How a ``RegistryServer`` is set up.
public struct RegistryOptions: Sendable {
    /// Who gets in.
    public enum Access: Sendable {
        case open
        /// HTTP Basic with ``RegistryOptions/Account/deployer`` and ``RegistryOptions/Account/reader``.
        case basic
        case token(TokenIssuer)
    }

    /// Whose tokens the registry takes.
    public struct TokenIssuer: Sendable {
        public let realm: String
        public let service: String
        public let issuer: String
        /// A PEM file with the certificates that tokens are signed by.
        public let certificates: String

        public init(realm: String, service: String, issuer: String, certificates: String) {
            self.realm = realm
            self.service = service
            self.issuer = issuer
            self.certificates = certificates
        }
    }

    /// PEM files.
    public struct TLS: Sendable {
        public let certificate: String
        public let key: String
        /// Only clients with a certificate of this authority get in.
        public let clientAuthority: String?

        public init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }
    }

    /// A user of ``Access/basic``.
    public struct Account: Sendable {
        public let name: String
        public let password: String
        let line: String

        public static let deployer = Account(
            name: "deployer", password: "lift-the-ship",
            line: "deployer:$2y$04$bQmbs3xgzVrR061VgtTXOOSGmwYssb5Zn0zNYy03ZnHx5ba1vx4jO")
        public static let reader = Account(
            name: "reader", password: "look-at-the-ship",
            line: "reader:$2y$04$Br1reXXAXqgSi/0SSWPPKugxSL0FMvtLdZJB1TK/crHZYVodh2M9i")
    }

    public var access = Access.open
    public var tls: TLS?
    /// Where the registry sends its events (`application/vnd.docker.distribution.events.v1+json`).
    public var notifications: String?
    public var allowsDeletes = true
    public var isReadOnly = false

    public init(access: Access = .open, tls: TLS? = nil, notifications: String? = nil) {
        self.access = access
        self.tls = tls
        self.notifications = notifications
    }

    /// docker-registry's `config.yml`.
    func configuration(port: Int, storage: String, htpasswd: String) -> String {
        var text = """
            version: 0.1
            log: { level: warn, accesslog: { disabled: false } }
            storage:
              filesystem: { rootdirectory: '\(storage)' }
              delete: { enabled: \(allowsDeletes) }
              maintenance: { uploadpurging: { enabled: false }, readonly: { enabled: \(isReadOnly) } }
            http:
              addr: 127.0.0.1:\(port)
              secret: shared-by-restarts

            """
        if let tls {
            text += "  tls:\n    certificate: '\(tls.certificate)'\n    key: '\(tls.key)'\n"
            if let authority = tls.clientAuthority { text += "    clientcas: ['\(authority)']\n" }
        }
        switch access {
        case .open: break
        case .basic: text += "auth: { htpasswd: { realm: test, path: '\(htpasswd)' } }\n"
        case .token(let issuer):
            text += """
                auth:
                  token:
                    realm: '\(issuer.realm)'
                    service: '\(issuer.service)'
                    issuer: '\(issuer.issuer)'
                    rootcertbundle: '\(issuer.certificates)'

                """
        }
        if let notifications {
            text += """
                notifications:
                  endpoints:
                    - { name: test, url: '\(notifications)', timeout: 1s, threshold: 5, backoff: 100ms }

                """
        }
        return text
    }
}

/// Somebody whose tokens count: a CI system, a cluster, an identity provider.
public struct TrustedIssuer: Sendable, Hashable {
    /// What kind of issuer it is: which issuer URL it has where there is one for all, and which of its claims tell its bearers apart.
    public enum Preset: String, Sendable, Hashable, CaseIterable {
        case githubActions = "github-actions"
        case gitlab
        case kubernetes
        case buildkite
        case circleci
        case generic
    }

    /// Where its public keys come from.
    public enum Keys: Sendable, Hashable {
        /// OpenID Connect Discovery: `ISSUER/.well-known/openid-configuration` names them.
        case discovery
        /// A JWKS at this URL.
        case url(String)
        /// A JWKS in a file of the policy folder.
        case file(String)
    }

    /// How people log in.
    public struct Login: Sendable, Hashable {
        public let clientID: String
        /// Where the client's secret stands; `nil` for a public client.
        public let clientSecret: CheckEndpoint.SecretReference?
        public let scopes: [String]

        public init(clientID: String, clientSecret: CheckEndpoint.SecretReference?, scopes: [String]) {
            self.clientID = clientID
            self.clientSecret = clientSecret
            self.scopes = scopes
        }
    }

    public static let algorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]

    public let name: String
    public let source: SourceLocation
    public let preset: Preset
    /// As its tokens spell it in `iss`, letter by letter.
    public let issuer: String
    public let audiences: [String]
    public let algorithms: [String]
    public let keys: Keys
    /// Hosts beside the issuer's own that its metadata may lead to.
    public let additionalHosts: [String]
    public let caFile: String?
    /// By how much clocks may differ, in seconds.
    public let skewSeconds: Int
    /// The longest life of a token that counts, in seconds.
    public let maximumLifeSeconds: Int
    /// `nil` where nobody logs in by it.
    public let login: Login?

    /// Files of the policy folder.
    var files: [String] { if case .file(let path) = keys { [path] } else { [] } }
}

extension TrustedIssuer.Preset {
    /// The issuer that all customers share; `nil` where each has its own.
    var issuer: String? {
        switch self {
        case .githubActions: "https://token.actions.githubusercontent.com"
        case .gitlab: "https://gitlab.com"
        case .buildkite: "https://agent.buildkite.com"
        case .kubernetes, .circleci, .generic: nil
        }
    }

    /// Claims that never change hands: ids.
    var stableClaims: [String] {
        switch self {
        case .githubActions: ["repository_id", "repository_owner_id"]
        case .gitlab: ["project_id", "namespace_id"]
        case .kubernetes: ["kubernetes.io/serviceaccount/uid"]
        case .buildkite: ["organization_id", "pipeline_id"]
        case .circleci: ["oidc.circleci.com/project-id"]
        case .generic: []
        }
    }

    /// Claims with names that say who the bearer is, and that somebody else can have after a renaming or a deletion.
    var nameClaims: [String] {
        switch self {
        case .githubActions: ["repository", "repository_owner", "sub", "job_workflow_ref", "workflow_ref"]
        case .gitlab: ["project_path", "namespace_path", "sub", "ci_config_ref_uri"]
        case .kubernetes: ["sub", "kubernetes.io/namespace"]
        case .buildkite: ["organization_slug", "pipeline_slug", "sub"]
        case .circleci: ["sub"]
        case .generic: []
        }
    }

    /// Claims that are kept of each bearer, beside those that rules and groups name.
    var keptClaims: [String] {
        switch self {
        case .githubActions: stableClaims + ["repository", "ref", "sha", "environment", "event_name", "workflow_ref", "job_workflow_ref", "run_id", "actor", "actor_id"]
        case .gitlab: stableClaims + ["project_path", "ref", "ref_protected", "environment", "pipeline_id", "job_id", "pipeline_source", "user_id", "user_login"]
        case .kubernetes: stableClaims + ["kubernetes.io/namespace", "kubernetes.io/serviceaccount/name", "kubernetes.io/pod/name"]
        case .buildkite: stableClaims + ["organization_slug", "pipeline_slug", "build_number", "build_branch"]
        case .circleci: stableClaims + ["oidc.circleci.com/vcs-ref", "oidc.circleci.com/vcs-origin"]
        case .generic: ["email", "groups", "name", "preferred_username"]
        }
    }
}

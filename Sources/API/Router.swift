public import AuditLog
public import APIModel
public import Hummingbird
import PolicyEngine
public import PromotionCore

/// What the API is made of.
public struct APIServices: Sendable {
    public var promotions: Promotions
    public var store: any PromotionStore
    public var catalog: any Catalog
    public var registries: any ImageRegistries
    public var policies: any PolicySource
    public var policyDesk: any PolicyDesk
    public var trail: any AuditTrail
    public var tokens: Tokens
    public var authentication: Authentication
    /// How people log in with browsers; `nil` where the service does not know its own address.
    public var browsers: BrowserAccess?
    public var verdicts: Verdicts
    public var evidence: EvidencePosting
    public var eligibility: Eligibility
    public var reviews: Reviews
    public var decisions: any DecisionLog
    public var checkpointKeys: [CheckpointVerifier]
    /// What statements about promotions are signed with.
    public var statementKeys: KeysResource
    /// What must be right before work is sent here: a name and `nil`, or what is wrong.
    public var readiness: @Sendable () async -> [String: String?]
    public var directory: any RegistryDirectory
    public var inventory: InventoryServices
    public var metrics: MetricsSource
    public var events: PromotionEvents
    public var contract: APIContract
    public var settings: APISettings

    /// Where the metrics come from, and who may read them.
    public struct MetricsSource: Sendable {
        public var access: MetricsAccess
        public var contentType: String
        public var render: @Sendable () async -> String

        public init(access: MetricsAccess, contentType: String, render: @escaping @Sendable () async -> String) {
            self.access = access
            self.contentType = contentType
            self.render = render
        }
    }

    public init(
        promotions: Promotions, store: any PromotionStore, catalog: any Catalog, registries: any ImageRegistries, policies: any PolicySource,
        policyDesk: any PolicyDesk, trail: any AuditTrail, tokens: Tokens, authentication: Authentication, browsers: BrowserAccess? = nil, verdicts: Verdicts,
        evidence: EvidencePosting, eligibility: Eligibility, reviews: Reviews, decisions: any DecisionLog,
        checkpointKeys: [CheckpointVerifier], statementKeys: KeysResource = KeysResource(keys: []),
        readiness: @escaping @Sendable () async -> [String: String?], directory: any RegistryDirectory, inventory: InventoryServices,
        metrics: MetricsSource, events: PromotionEvents, contract: APIContract, settings: APISettings = APISettings()
    ) {
        self.promotions = promotions
        self.store = store
        self.catalog = catalog
        self.registries = registries
        self.policies = policies
        self.policyDesk = policyDesk
        self.trail = trail
        self.tokens = tokens
        self.authentication = authentication
        self.browsers = browsers
        self.verdicts = verdicts
        self.evidence = evidence
        self.eligibility = eligibility
        self.reviews = reviews
        self.decisions = decisions
        self.checkpointKeys = checkpointKeys
        self.statementKeys = statementKeys
        self.readiness = readiness
        self.directory = directory
        self.inventory = inventory
        self.metrics = metrics
        self.events = events
        self.contract = contract
        self.settings = settings
    }
}

/// What is where, complete: scans, questions about it, and the way back.
public struct InventoryServices: Sendable {
    public var scanning: InventoryScanning
    public var queries: any InventoryQueries
    public var rollbacks: Rollbacks

    public init(scanning: InventoryScanning, queries: any InventoryQueries, rollbacks: Rollbacks) {
        self.scanning = scanning
        self.queries = queries
        self.rollbacks = rollbacks
    }
}

extension APIServices {
    /// The routes of openapi.yaml.
    public func router() -> Router<ShipliftRequestContext> {
        let limiter = settings.callerLimit.map { RateLimiter($0) }
        let router = Router(context: ShipliftRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: ProblemMiddleware())
        if !settings.origins.isEmpty { router.add(middleware: OriginsMiddleware(origins: settings.origins)) }
        router.add(middleware: CompressionMiddleware())
        if let limit = settings.guessLimit { router.add(middleware: GuessLimitMiddleware(limiter: RateLimiter(limit))) }
        router.add(middleware: ContractMiddleware(contract: contract))
        ContractRoutes(contract: contract).add(to: router)
        // Says only that the process lives: a database that is down must not make the platform restart us.
        router.get("healthz") { _, _ in try Response.json(HealthResource(status: "ok", checks: [:])) }
        router.get("readyz") { [readiness] _, _ in
            let checks = await readiness()
            let isReady = checks.values.allSatisfy { $0 == nil }
            return try Response.json(
                HealthResource(status: isReady ? "ok" : "unavailable", checks: checks.mapValues { $0 ?? "ok" }), status: isReady ? .ok : .serviceUnavailable)
        }
        if let browsers { LoginRoutes(browsers: browsers).add(to: router) }
        let access = AuthenticationMiddleware(authentication: authentication, browsers: browsers)
        MetricsRoute(authentication: access, access: metrics.access, contentType: metrics.contentType, render: metrics.render).add(to: router)
        let v1 = router.group("v1").add(middleware: access)
        if let limiter { v1.add(middleware: CallerLimitMiddleware(limiter: limiter)) }
        v1.add(middleware: ContractMiddleware(contract: contract, isInside: true))
        PromotionRoutes(promotions: promotions, store: store).add(to: v1)
        EventRoutes(promotions: promotions, events: events).add(to: v1)
        VerdictRoutes(verdicts: verdicts).add(to: v1)
        EvidenceRoutes(posting: evidence).add(to: v1)
        EligibilityRoutes(eligibility: eligibility, decisions: decisions).add(to: v1)
        ReviewRoutes(reviews: reviews).add(to: v1)
        CatalogRoutes(catalog: catalog, registries: registries, policies: policies).add(to: v1)
        PolicyRoutes(desk: policyDesk).add(to: v1)
        AuditRoutes(trail: trail, keys: checkpointKeys).add(to: v1)
        AuditProofRoutes(trail: trail).add(to: v1)
        TokenRoutes(tokens: tokens).add(to: v1)
        IdentityRoutes(browsers: browsers).add(to: v1)
        v1.get("keys") { [statementKeys] _, _ in try Response.json(statementKeys) }
        RegistryRoutes(directory: directory).add(to: v1)
        ScanRoutes(scanning: inventory.scanning).add(to: v1)
        InventoryRoutes(queries: inventory.queries, policies: policies).add(to: v1)
        RollbackRoutes(rollbacks: inventory.rollbacks, promotions: promotions).add(to: v1)
        addForeign(to: router, access, limiter)
        return router
    }

    private func addForeign(to router: Router<ShipliftRequestContext>, _ access: AuthenticationMiddleware, _ limiter: RateLimiter?) {
        let group = router.group("api").add(middleware: ForeignCredentialsMiddleware()).add(middleware: access)
        if let limiter { group.add(middleware: CallerLimitMiddleware(limiter: limiter)) }
        group.add(middleware: ContractMiddleware(contract: contract, isInside: true))
        ForeignRoutes(promotions: promotions, policies: policies, settings: settings).add(to: group)
    }
}

import UnixSignals
import API
import APIModel
import AuditLog
import CoreMetrics
import Exposition
import Foundation
import HTTPTransport
import Hummingbird
import Logging
import OCI
import PolicyEngine
import Postgres
import PromotionCore
import ServiceLifecycle
import Storage
import Transfer
import Trust
import Worker

/// The composition root: everything is made here, once, and handed to what needs it.
struct ShipliftService {
    let configuration: ServiceConfiguration
    let logger: Logger

    /// The process's metrics; swift-metrics has one receiver for all.
    private static let metrics: PrometheusRegistry = {
        let registry = PrometheusRegistry(help: ServiceMetrics.help)
        MetricsSystem.bootstrap(registry)
        return registry
    }()

    private static let environs = Environs(
        now: { Date() },
        newID: {
            var random = SystemRandomNumberGenerator()
            return UUID.version7(at: Date(), random: &random)
        })

    /// Runs until SIGTERM or SIGINT.
    func run() async throws {
        // First, so that a wrong file is said before anything begins.
        let door = try configuration.tls.map { try TLSDoor($0, logger: logger) }
        try FileManager.default.createDirectory(at: configuration.dataFolder, withIntermediateDirectories: true)
        let embedded = configuration.databaseURL == nil ? try EmbeddedPostgres(dataFolder: configuration.dataFolder, logger: logger) : nil
        let (owner, service) = try await databases(embedded)
        do {
            try await migrate(owner)
            try await serve(service, embedded, door)
        } catch {
            await embedded?.stop()
            throw error
        }
        await embedded?.stop()
    }

    private func databases(_ embedded: EmbeddedPostgres?) async throws -> (owner: PostgresConfiguration, service: PostgresConfiguration) {
        var (owner, service): (PostgresConfiguration, PostgresConfiguration)
        if let embedded {
            (owner, service) = try await embedded.start()
        } else {
            let url = configuration.databaseURL ?? ""
            owner = try PostgresConfiguration(parsing: configuration.databaseOwnerURL ?? url)
            service = try PostgresConfiguration(parsing: url)
            // With one login for both, the service still works with the lesser role's rights.
            service.role = "shiplift_app"
        }
        service.schema = SchemaMigrator.schema
        service.poolSize = max(8, configuration.concurrency + 4)
        return (owner, service)
    }

    func migrate(_ owner: PostgresConfiguration) async throws {
        let migrations = try Migration.read(folder: configuration.migrationsFolder)
        let applied = try await SchemaMigrator(configuration: owner, logger: logger).migrate(migrations)
        if !applied.isEmpty { logger.info("schema is up to date", metadata: ["applied": "\(applied.joined(separator: ", "))"]) }
    }

    private func serve(_ database: PostgresConfiguration, _ embedded: EmbeddedPostgres?, _ door: TLSDoor?) async throws {
        let pool = PostgresPool(configuration: database, logger: logger)
        var hints = database
        hints.commitsWaitForDisk = false
        _ = Self.metrics
        let hintPool = PostgresPool(configuration: hints, logger: logger)
        let http = try HTTPClient(logger: logger)
        let trail = PostgresAuditTrail(pool: pool, origin: configuration.logOrigin)
        try await trail.ensureMonths()
        let signer = try SecretFile.checkpointSigner(
            configuration.checkpointKey, origin: configuration.logOrigin, previous: configuration.checkpoints.previousKey)
        let checkpointKeys = signer.verifiers + (try SecretFile.checkpointVerifiers(configuration.checkpoints.knownKeys))
        let statementSigner = try SecretFile.statementSigner(configuration.signingKey)
        let catalog = PostgresCatalog(pool: pool)
        let policies = policyAdoption(PostgresPolicyRecords(pool: pool))
        try await policies.look()
        let identity = IdentityParts(
            pool: pool, http: http, proxy: configuration.proxy, trail: trail, policies: policies, origin: configuration.publicOrigin, environs: Self.environs)
        try await makeFirstToken(identity.tokens)
        let core = core(pool, hintPool, http, catalog, policies, database)
        let publishing = CheckpointPublishing(
            sinks: try configuration.checkpoints.sinks(http: http, proxy: configuration.proxy, sites: core.registries.sites, policies: policies, now: Self.environs.now),
            ledger: trail,
            keys: checkpointKeys, pause: .seconds(configuration.checkpoints.seconds))
        try await refuseOlderDatabase(publishing)
        let profiles = RegistryProfiles(
            sites: core.registries.sites, store: PostgresRegistryProfiles(pool: hintPool), policies: policies, trail: trail,
            referrers: core.referrers, environs: Self.environs, logger: logger)
        do { try await profiles.refresh() } catch { logger.warning("registries' profiles can't be read yet", metadata: ["error": "\(error)"]) }
        let metrics = ServiceMetrics(
            registry: Self.metrics, queue: core.queue, trail: trail, policies: policies, desk: policies, directory: profiles,
            pools: [("service", pool), ("hints", hintPool)], inventory: core.inventory)
        let services = APIServices(
            promotions: core.promotions, store: core.measured, catalog: catalog, registries: core.registries, policies: policies, policyDesk: policies,
            trail: trail, tokens: identity.tokens, authentication: identity.authentication, browsers: identity.browsers,
            verdicts: Verdicts(store: core.store, statements: core.statements, queue: core.queue, policies: policies, environs: Self.environs),
            evidence: EvidencePosting(statements: core.statements, queue: core.queue, policies: policies, environs: Self.environs),
            eligibility: Eligibility(
                registries: core.registries, catalog: catalog, policies: policies, memory: core.facts, checks: core.checks, environs: Self.environs),
            reviews: Reviews(
                promotions: core.promotions, registries: core.registries, inspection: core.registries, catalog: catalog, policies: policies, memory: core.facts,
                statements: core.statements, environs: Self.environs),
            decisions: PostgresDecisionLog(pool: pool),
            checkpointKeys: checkpointKeys, statementKeys: Self.keys(statementSigner),
            readiness: { await Self.readiness(pool, trail, policies) }, directory: profiles,
            inventory: InventoryServices(scanning: core.scanning, queries: core.inventory, rollbacks: core.rollbacks),
            metrics: .init(access: configuration.metricsAccess, contentType: PrometheusRegistry.contentType) { await metrics.render() },
            events: PromotionEvents(journal: core.store, changes: core.changes), contract: try contract(), settings: configuration.api)
        let application = application(services.router(), door)
        let evidence = EvidenceFollowing(
            queue: core.store, transfer: core.transfer, policies: policies, trail: trail, environs: Self.environs,
            pause: .seconds(configuration.evidenceSeconds))
        let attesting = PromotionAttesting(
            queue: core.store, carrier: core.statementCarrier, policies: policies, signer: statementSigner, origin: configuration.logOrigin,
            environs: Self.environs)
        let duties =
            duties(core.queue, trail, signer, policies, evidence, profiles, embedded) + [
                attestingDuty(attesting), identity.duty(logger), forgetting(identity.remembered, database), publishingDuty(publishing),
            ] + inventoryDuties(core, policies) + (door.map { [certificateDuty($0)] } ?? [])
        let group = ServiceGroup(
            configuration: .init(
                services: duties.map { .init(service: $0) } + [
                    .init(service: core.worker), .init(service: application),
                    // Stopped first: who waits for a promotion is sent away before the API waits for its callers.
                    .init(service: PromotionWatch(changes: core.changes, journal: core.store, logger: logger)),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        do { try await group.run() } catch {
            await close([pool, hintPool], http)
            throw error
        }
        await close([pool, hintPool], http)
    }

    /// The server: routes within, TLS and what proxies say of callers without.
    private func application(_ router: Router<ShipliftRequestContext>, _ door: TLSDoor?) -> some ApplicationProtocol {
        let scheme = door == nil ? "http" : "https"
        return Application(
            responder: EdgeResponder(
                router.buildResponder(), trust: configuration.front.trust, basePath: configuration.front.basePath, certificate: door?.clientCertificate),
            server: door?.server ?? .http1(configuration: RequestDeadlineSettings().http1()),
            configuration: .init(address: .hostname(configuration.host, port: configuration.port), serverName: "shiplift"),
            onServerRunning: { [logger, configuration] channel in
                logger.notice("listening", metadata: ["url": "\(scheme)://\(configuration.host):\(channel.localAddress?.port ?? configuration.port)"])
            }, logger: logger)
    }

    private func certificateDuty(_ door: TLSDoor) -> PeriodicDuty {
        PeriodicDuty(name: "the service's certificate", every: .seconds(2), logger: logger) { try door.look() }
    }

    private func contract() throws -> APIContract {
        let text: String
        do { text = try String(contentsOf: configuration.contractFile, encoding: .utf8) } catch {
            throw ConfigurationError(description: "\(configuration.contractFile.path) can't be read")
        }
        return try APIContract(yaml: text)
    }

    private func policyAdoption(_ records: PostgresPolicyRecords) -> PolicyAdoption {
        let origin: any PolicyOrigin =
            configuration.policiesGit?.origin(dataFolder: configuration.dataFolder, proxy: configuration.proxy) ?? FolderPolicyOrigin(folder: configuration.policiesFolder)
        return PolicyAdoption(origin: origin, records: records, environs: Self.environs) { [logger] notice in
            logger.log(notice)
            notice.count()
        }
    }

    private static func keys(_ signer: StatementSigner) -> KeysResource {
        KeysResource(keys: [
            KeysResource.Key(id: signer.publicKey.fingerprint.description, algorithm: signer.algorithm, publicKey: signer.publicKey.pem)
        ])
    }

    /// A database that was restored from an older copy must not go on: it would make a second history beside the published one.
    private func refuseOlderDatabase(_ publishing: CheckpointPublishing) async throws {
        let (contradictions, unreadable) = try await publishing.contradictions()
        for failure in unreadable { logger.warning("published checkpoints can't be read back", metadata: ["reason": "\(failure)"]) }
        guard let first = contradictions.first else { return }
        for contradiction in contradictions { logger.critical("the audit log contradicts a published checkpoint", metadata: ["reason": "\(contradiction)"]) }
        throw ConfigurationError(description: first)
    }

    private func publishingDuty(_ publishing: CheckpointPublishing) -> PeriodicDuty {
        PeriodicDuty(name: "checkpoints outside", every: .seconds(1), logger: logger) { [logger] in
            for failure in try await publishing.publish() {
                logger.warning("a checkpoint could not be published, will be tried again", metadata: ["reason": "\(failure)"])
            }
        }
    }

    private func attestingDuty(_ attesting: PromotionAttesting) -> PeriodicDuty {
        PeriodicDuty(name: "statements about promotions", every: .seconds(1), logger: logger) { [logger] in
            for failure in try await attesting.attest() {
                logger.warning("a promotion could not be signed for, will be tried again", metadata: ["reason": "\(failure.message)"])
            }
        }
    }

    /// A token that is revoked anywhere is refused here as soon as the database says so.
    private func forgetting(_ tokens: RememberedTokens, _ database: PostgresConfiguration) -> PeriodicDuty {
        let listener = PostgresListener(configuration: database, channels: ["shiplift_tokens"], logger: logger)
        return PeriodicDuty(name: "revoked tokens", every: .seconds(1), logger: logger) {
            for await _ in listener.wakeUps() { tokens.forget() }
        }
    }

    private func close(_ pools: [PostgresPool], _ http: HTTPClient) async {
        await http.shutdown()
        for pool in pools { await pool.shutdown() }
    }

    struct Core {
        let promotions: Promotions
        let changes: PromotionChanges
        let store: PostgresPromotionStore
        /// The same store, with what ends counted.
        let measured: MeasuredPromotionStore
        let facts: PostgresFactStore
        let checks: HTTPExternalChecks
        let statements: PostgresStatementStore
        let queue: PostgresWorkQueue
        let registries: LiveImageRegistries
        let transfer: any ImageTransfer
        let statementCarrier: RegistryStatementCarrier
        let referrers: ReferrersKnowledge
        let inventory: PostgresInventory
        let scanning: InventoryScanning
        let rollbacks: Rollbacks
        let worker: PromotionWorker
    }

    private func core(
        _ pool: PostgresPool, _ hintPool: PostgresPool, _ http: HTTPClient, _ catalog: PostgresCatalog, _ policies: PolicyAdoption,
        _ database: PostgresConfiguration
    ) -> Core {
        let content = PostgresContentMemory(pool: hintPool)
        let memory = StoredTransferMemory(content: content, claims: PostgresUploadClaims(pool: hintPool))
        let sites = RegistrySites(http: http, proxy: configuration.proxy, logger: logger)
        let (recent, absent) = (RecentSightings(), AbsentTags())
        let (engine, referrers) = (CopyEngine(memory: memory), ReferrersKnowledge())
        let registries = LiveImageRegistries(
            sites: sites, memory: memory, content: content, catalog: PostgresCatalog(pool: hintPool), recent: recent, absent: absent, engine: engine,
            referrers: referrers, logger: logger)
        let transfer = MeasuredImageTransfer(
            transfer: EngineImageTransfer(engine: engine, sites: sites, recent: recent, absent: absent, referrers: referrers))
        let store = PostgresPromotionStore(pool: pool)
        let measured = MeasuredPromotionStore(store: store)
        let queue = PostgresWorkQueue(
            pool: pool, listener: PostgresListener(configuration: database, channels: ["shiplift_jobs"], logger: logger))
        let changes = PromotionChanges()
        let (facts, checks) = (PostgresFactStore(pool: pool), HTTPExternalChecks(http: http, proxy: configuration.proxy, now: Self.environs.now))
        let promotions = Promotions(
            store: measured, queue: queue, registries: registries, transfer: transfer, memory: facts, checks: checks, policies: policies, environs: Self.environs,
            changes: changes,
            queueLimit: configuration.queueLimit)
        let run = PromotionRun(
            store: measured, queue: queue, registries: registries, transfer: transfer, memory: facts, checks: checks, policies: policies, environs: Self.environs,
            changes: changes,
            backoff: Backoff(maximumAttempts: configuration.maximumAttempts))
        let inventory = PostgresInventory(pool: pool)
        let survey = LiveRegistrySurvey(sites: sites, memory: memory, content: content, logger: logger)
        var settings = WorkerSettings()
        settings.concurrency = configuration.concurrency
        settings.lease = .seconds(configuration.leaseSeconds)
        settings.heartbeat = .seconds(configuration.leaseSeconds / 3)
        settings.margin = .seconds(configuration.leaseSeconds / 6)
        return Core(
            promotions: promotions, changes: changes, store: store, measured: measured, facts: facts, checks: checks, statements: PostgresStatementStore(pool: pool), queue: queue,
            registries: registries, transfer: transfer,
            statementCarrier: RegistryStatementCarrier(engine: engine, sites: sites, referrers: referrers), referrers: referrers, inventory: inventory,
            scanning: InventoryScanning(
                store: inventory, survey: survey, policies: policies, environs: Self.environs, lease: .seconds(configuration.leaseSeconds)),
            rollbacks: Rollbacks(
                states: inventory, store: measured, queue: queue, registries: registries, memory: facts, checks: checks, policies: policies,
                environs: Self.environs, queueLimit: configuration.queueLimit),
            worker: PromotionWorker(queue: queue, run: run, settings: settings, logger: logger))
    }

    private func duties(
        _ queue: PostgresWorkQueue, _ trail: PostgresAuditTrail, _ signer: CheckpointSigner, _ policies: PolicyAdoption,
        _ evidence: EvidenceFollowing, _ profiles: RegistryProfiles, _ embedded: EmbeddedPostgres?
    ) -> [PeriodicDuty] {
        let watch = embedded.map { embedded in
            PeriodicDuty(name: "watch over the private PostgreSQL", every: .seconds(1), logger: logger) { try await embedded.ensureRunning() }
        }
        let probing =
            configuration.probesRegistries
            ? PeriodicDuty(name: "registry probes", every: .seconds(2), logger: logger) { try await profiles.probeWhatIsDue() } : nil
        return [watch, probing].compactMap(\.self) + [
            PeriodicDuty(name: "announcements of work", every: .seconds(1), logger: logger) { try await queue.sendAnnouncements() },
            PeriodicDuty(name: "registry profiles", every: .seconds(5), logger: logger) { try await profiles.refresh() },
            PeriodicDuty(name: "policy reload", every: .seconds(configuration.policiesGit?.seconds ?? 1), logger: logger) { try await policies.look() },
            PeriodicDuty(name: "audit sequencer", every: .milliseconds(200), logger: logger) { _ = try await trail.sequence(signer: signer) },
            PeriodicDuty(name: "audit months", every: .seconds(3600), logger: logger) { try await trail.ensureMonths() },
            PeriodicDuty(name: "late evidence", every: .seconds(min(60, configuration.evidenceSeconds)), logger: logger) { [logger] in
                for failure in try await evidence.follow() {
                    logger.warning("late evidence could not follow, will be tried again", metadata: ["reason": "\(failure.message)"])
                }
            },
            PeriodicDuty(name: "rescue of lost work", every: .milliseconds(500), logger: logger) { [logger] in
                let count = try await queue.rescue()
                if count > 0 {
                    logger.warning("took lost work back", metadata: ["promotions": "\(count)"])
                    try await queue.announce()
                }
            },
        ]
    }

    private func makeFirstToken(_ tokens: Tokens) async throws {
        guard try await tokens.list().isEmpty else { return }
        let made = try await tokens.create(name: "first-admin", grant: .admin, lifetime: .seconds(365 * 86_400), by: .service, requestID: nil)
        let file = configuration.dataFolder.appendingPathComponent("admin-token")
        try SecretFile.write(made.secret.reveal() + "\n", to: file)
        // What is no terminal is a log, and logs are read by many.
        let isSeen = Output.isTerminal
        Output.line("admin token: \(isSeen ? "\(made.secret.reveal())\n(shown once; also " : "(")in \(file.path), readable by you alone)")
    }

    private static func readiness(_ pool: PostgresPool, _ trail: PostgresAuditTrail, _ policies: PolicyAdoption) async -> [String: String?] {
        var checks: [String: String?] = [:]
        do {
            _ = try await pool.query("SELECT 1 AS one FROM promotion_edges LIMIT 1")
            checks["database"] = .some(nil)
        } catch { checks["database"] = "\(error)" }
        do {
            _ = try await policies.current()
            checks["policy"] = .some(nil)
        } catch { checks["policy"] = "\(error)" }
        return checks
    }
}

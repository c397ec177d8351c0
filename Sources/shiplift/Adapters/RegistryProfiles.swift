import AuditLog
import Foundation
import HTTPTransport
import Logging
import OCI
import PolicyEngine
import PromotionCore
import Registry
import Storage
import Transfer

/// The registries' profiles: kept in the database, shared by all replicas, found out by probes.
actor RegistryProfiles: RegistryDirectory {
    private let sites: RegistrySites
    private let store: PostgresRegistryProfiles
    private let policies: any PolicySource
    private let trail: any AuditTrail
    private let referrers: ReferrersKnowledge
    private let environs: Environs
    private let logger: Logger
    /// As the database had it last.
    private var stored: [ProfileShelf.Key: StoredRegistryProfile] = [:]
    private var written: [ProfileShelf.Key: RegistryProfile] = [:]

    /// Seconds: a registry's next version may be able to do more; and what went wrong may be over.
    private static let life = 7.0 * 86_400
    private static let pause = 3_600.0
    /// The longest a probe may take before another replica tries, seconds.
    private static let lease = 600.0

    init(
        sites: RegistrySites, store: PostgresRegistryProfiles, policies: any PolicySource, trail: any AuditTrail, referrers: ReferrersKnowledge,
        environs: Environs, logger: Logger
    ) {
        self.sites = sites
        self.store = store
        self.policies = policies
        self.trail = trail
        self.referrers = referrers
        self.environs = environs
        self.logger = logger
    }

    // MARK: Keeping

    /// Writes down what was met here, and takes over what others have written.
    func refresh() async throws {
        let definitions = try await policies.current().environments.flatMap(\.registries)
        for definition in definitions { noteReferrers(definition) }
        for (key, book) in sites.shelf.all {
            let met = book.learned
            guard met != written[key] ?? RegistryProfile() else { continue }
            try await store.learn(key.name, url: key.url, learned: try Self.encode(met))
            written[key] = met
        }
        for row in try await store.all() {
            let key = ProfileShelf.Key(name: row.registry, url: row.url)
            let before = stored.updateValue(row, forKey: key)
            guard let book = sites.shelf.book(key) else { continue }
            let probed = Self.profile(row.probed)
            if let before, before.probedAt != row.probedAt { book.restart(probed: probed) }
            book.take(learned: Self.profile(row.learned), probed: probed)
            written[key] = book.learned
        }
        for definition in definitions { takeReferrers(definition) }
    }

    /// What copying has learned about referrers belongs to the profile.
    private func noteReferrers(_ definition: RegistryDefinition) {
        let book = sites.shelf.book(for: definition)
        guard let key = sites.key(of: definition), let support = referrers.support(of: key), book.profile.referrers != support else { return }
        book.learn { $0.referrers = support }
    }

    private func takeReferrers(_ definition: RegistryDefinition) {
        let book = sites.shelf.book(for: definition)
        guard let key = sites.key(of: definition) else { return }
        if let said = book.configured.referrers {
            referrers.settle(said, of: key)
        } else if let support = book.profile.referrers {
            referrers.take(support, of: key)
        }
    }

    /// JSON of an older or newer version says nothing, rather than stopping everything.
    private static func profile(_ text: String) -> RegistryProfile {
        do { return try JSONDecoder().decode(RegistryProfile.self, from: Data(text.utf8)) } catch { return RegistryProfile() }
    }

    private static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    // MARK: Probing

    /// Probes one registry whose turn has come, if any: in the background, and no promotion waits for it.
    func probeWhatIsDue() async throws {
        for definition in try await policies.current().environments.flatMap(\.registries) where definition.profile.probe != false {
            let key = ProfileShelf.Key(name: definition.name, url: definition.url)
            guard stored[key]?.isDue ?? true else { continue }
            do throws(PromotionFailure) {
                guard let report = try await probe(definition, isAsked: false, by: .service, authentication: .service, requestID: nil) else { continue }
                logger.info("probed a registry", metadata: ["registry": "\(definition.name)", "requests": "\(report.requests)", "may write": "\(report.mayWrite)"])
            } catch {
                logger.info("a registry could not be probed, will be tried again", metadata: ["registry": "\(definition.name)", "reason": "\(error.message)"])
            }
            return
        }
    }

    func probe(
        _ name: String, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) async throws(PromotionFailure) -> RegistryState? {
        for environment in try await policies.current().environments {
            guard let definition = environment.registries.first(where: { $0.name == name }) else { continue }
            guard try await probe(definition, isAsked: true, by: actor, authentication: authentication, requestID: requestID) != nil else {
                throw PromotionFailure(.registryUnavailable, "registry \(name) is being probed already", registry: name, isTransient: true)
            }
            return try await state(definition, in: environment)
        }
        return nil
    }

    /// `nil` where somebody else is at it.
    private func probe(
        _ definition: RegistryDefinition, isAsked: Bool, by actor: SubjectID, authentication: AuditActor.Authentication, requestID: RequestID?
    ) async throws(PromotionFailure) -> ProbeReport? {
        let (name, url) = (definition.name, definition.url)
        do {
            guard try await store.take(name, url: url, seconds: Self.lease, isAsked: isAsked) else { return nil }
            let report: ProbeReport
            do {
                report = try await run(definition)
            } catch {
                let failure = (error as? RegistryError).map { PromotionFailure($0) } ?? PromotionFailure(.configuration, "\(error)", registry: name)
                try await store.fail(name, url: url, reason: failure.message, pause: Self.pause)
                try await remember()
                throw failure
            }
            try await store.finish(name, url: url, probed: try Self.encode(report.profile), report: try Self.encode(report), life: Self.life)
            sites.shelf.book(for: definition).restart(probed: report.profile)
            written[ProfileShelf.Key(name: name, url: url)] = RegistryProfile()
            if let found = report.profile.referrers, let key = sites.key(of: definition) { referrers.settle(found, of: key) }
            try await trail.append(try entry(report, name, by: actor, authentication, requestID))
            try await remember()
            return report
        } catch let failure as PromotionFailure { throw failure } catch let error as StoreError {
            throw PromotionFailure(.storage, error.description, isTransient: true)
        } catch { throw PromotionFailure(.storage, "\(error)") }
    }

    private func run(_ definition: RegistryDefinition) async throws -> ProbeReport {
        let client = try sites.probingClient(definition)
        let scratch = try definition.repository.repository(for: ImageName(parsing: "shiplift-probe"))
        let second = try definition.repository.repository(for: ImageName(parsing: "shiplift-probe-mount"))
        return try await RegistryProbe(client: client, scratch: scratch, second: second).run(id: environs.newID())
    }

    private func entry(
        _ report: ProbeReport, _ name: String, by actor: SubjectID, _ authentication: AuditActor.Authentication, _ requestID: RequestID?
    ) throws(AuditEntryError) -> AuditEntry {
        try AuditEntry(
            id: environs.newID(), time: environs.now(), actor: AuditActor(id: actor.description, authentication: authentication), action: "registry.probed",
            outcome: .success, requestID: requestID?.description,
            details: [
                "registry": .string(name), "mayWrite": .bool(report.mayWrite), "requests": .integer(Int64(report.requests)),
                "leftBehind": .array(report.leftBehind.prefix(20).map { .string($0) }),
            ])
    }

    private func remember() async throws {
        for row in try await store.all() { stored[ProfileShelf.Key(name: row.registry, url: row.url)] = row }
    }

    // MARK: Showing

    func registries() async throws(PromotionFailure) -> [RegistryState] {
        var states: [RegistryState] = []
        for environment in try await policies.current().environments {
            for definition in environment.registries { states.append(try await state(definition, in: environment)) }
        }
        return states
    }

    private func state(_ definition: RegistryDefinition, in environment: EnvironmentDefinition) async throws(PromotionFailure) -> RegistryState {
        let client = try sites.client(definition)
        let book = sites.shelf.book(for: definition)
        var state = RegistryState(
            name: definition.name, environment: environment.name, url: definition.url, repository: definition.repository.description,
            concurrency: definition.limits.concurrency, allowance: await client.allowance, bandwidth: definition.limits.bandwidth)
        state.rateLimit = client.rateLimit.map {
            RegistryState.RateLimit(limit: $0.limit, remaining: $0.remaining, windowSeconds: $0.windowSeconds, seenAt: $0.seenAt)
        }
        let (configured, learned) = (book.configured.traits, book.learned.traits)
        state.traits = book.profile.traits.map { name, value in
            let source: RegistryTrait.Source =
                configured.contains { $0.name == name } ? .configured : learned.contains { $0.name == name } ? .learned : .probed
            return RegistryTrait(name: name, value: value, source: source)
        }
        guard let row = stored[ProfileShelf.Key(name: definition.name, url: definition.url)] else { return state }
        state.probedAt = row.probedAt
        state.failure = row.failure
        guard let text = row.report else { return state }
        do {
            let report = try JSONDecoder().decode(ProbeReport.self, from: Data(text.utf8))
            state.mayWrite = report.mayWrite
            state.findings = report.findings
            state.leftBehind = report.leftBehind
        } catch {
            logger.debug("a probe's report can't be read", metadata: ["registry": "\(definition.name)"])
        }
        return state
    }
}

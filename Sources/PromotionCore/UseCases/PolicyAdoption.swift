import AuditLog
public import Foundation
public import PolicyEngine

/// Which policy is in force, and what became of the newest edition.
public struct PolicyStatus: Sendable {
    public let place: PolicyPlace
    /// `nil` where none ever was.
    public let inForce: PolicySet?
    /// `nil` where the files do not come from git.
    public let commit: PolicyCommit?
    public let since: Date?
    /// When the place was last read.
    public let checkedAt: Date?
    /// The newest edition, where it may not be used.
    public let refusal: PolicyRefusal?
    /// Why the place can't be read, and since when.
    public let unreachable: (reason: String, since: Date)?

    public init(
        place: PolicyPlace, inForce: PolicySet?, commit: PolicyCommit?, since: Date?, checkedAt: Date?, refusal: PolicyRefusal?,
        unreachable: (reason: String, since: Date)?
    ) {
        self.place = place
        self.inForce = inForce
        self.commit = commit
        self.since = since
        self.checkedAt = checkedAt
        self.refusal = refusal
        self.unreachable = unreachable
    }
}

/// What administrators see of the policy and may do about it.
public protocol PolicyDesk: Sendable {
    var status: PolicyStatus { get async }

    /// Looks for a new edition now, also at one that was refused before: who may sign can have changed.
    func refresh(by actor: SubjectID) async throws(PromotionFailure) -> PolicyStatus
}

/// Something about the policy that people want to be told: for logs and notifications.
public enum PolicyNotice: Sendable {
    case adopted(PolicySet, PolicyCommit?)
    /// Once for each refused edition and process; what is in force stays in force.
    case refused(PolicyRefusal)
    case unreachable(String)
    case reachable
    /// What was in force before a restart can no longer be read.
    case unreadable(PolicyLoadError)
}

/// Keeps the policy in force: takes new editions from where they come from, puts good ones in force, writes bad ones down, and holds on to the
/// last good one whatever happens.
public actor PolicyAdoption: PolicySource, PolicyDesk {
    private let origin: any PolicyOrigin
    private let records: any PolicyRecords
    private let environs: Environs
    private let notice: @Sendable (PolicyNotice) -> Void
    private var inForce: (set: PolicySet, commit: PolicyCommit?, since: Date)?
    private var refusal: PolicyRefusal?
    private var unreachable: (reason: String, since: Date)?
    private var checkedAt: Date?
    /// The revision that was looked at last.
    private var seen: String?
    private var isRecalled = false
    private var isLooking = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    public init(origin: any PolicyOrigin, records: any PolicyRecords, environs: Environs, notice: @escaping @Sendable (PolicyNotice) -> Void) {
        self.origin = origin
        self.records = records
        self.environs = environs
        self.notice = notice
    }

    public func current() async throws(PromotionFailure) -> PolicySet {
        if let inForce { return inForce.set }
        let reason = unreachable?.reason ?? refusal?.mistakes.first?.description ?? "nothing was read from \(origin.place.location)"
        throw PromotionFailure(.configuration, "no policy is in force: \(reason)")
    }

    public func refused() async -> [PolicyDiagnostic] { refusal?.mistakes ?? [] }

    public var status: PolicyStatus {
        PolicyStatus(
            place: origin.place, inForce: inForce?.set, commit: inForce?.commit, since: inForce?.since, checkedAt: checkedAt, refusal: refusal,
            unreachable: unreachable)
    }

    /// Looks for a new edition. A place that can't be read and an edition that may not be used are no errors: they stand in ``status``.
    public func look() async throws(PromotionFailure) { try await look(by: .service, again: false) }

    public func refresh(by actor: SubjectID) async throws(PromotionFailure) -> PolicyStatus {
        try await look(by: actor, again: true)
        return status
    }

    /// One look at a time: an older edition must not overtake a newer one.
    private func look(by actor: SubjectID, again: Bool) async throws(PromotionFailure) {
        while isLooking { await withCheckedContinuation { waiting.append($0) } }
        isLooking = true
        defer {
            isLooking = false
            let next = waiting
            waiting = []
            for continuation in next { continuation.resume() }
        }
        try await recall()
        let edition: PolicyEdition?
        do throws(PolicyOriginError) { edition = try await origin.newest(known: again ? nil : seen, inForce: inForce?.set.version.commit) } catch {
            switch error {
            case .unreachable(let reason):
                if unreachable == nil { notice(.unreachable(reason)) }
                unreachable = (reason, unreachable?.since ?? environs.now())
            case .unacceptable(let revision, let commit, let mistakes):
                reached()
                try await refuse(revision, commit, mistakes, by: actor)
            }
            return
        }
        reached()
        guard let edition else { return }
        let loaded: PolicySet
        do throws(PolicyLoadError) {
            loaded = try PolicySet(files: edition.files, commit: edition.commit?.id).written(by: edition.commit?.author)
            _ = try TrustedSigners(loaded)
            try IssuerKeyring.check(loaded)
        } catch {
            return try await refuse(edition.revision, edition.commit, error.diagnostics, by: actor)
        }
        try await adopt(loaded, edition, by: actor)
    }

    private func reached() {
        checkedAt = environs.now()
        guard unreachable != nil else { return }
        unreachable = nil
        notice(.reachable)
    }

    /// After a restart the last good version is in the database: the place may be out of reach, or hold a bad edition.
    private func recall() async throws(PromotionFailure) {
        guard !isRecalled else { return }
        let stored: StoredPolicy?
        do { stored = try await records.inForce() } catch { throw Self.failure(error) }
        isRecalled = true
        guard let stored else { return }
        do throws(PolicyLoadError) {
            inForce = (try PolicySet(files: stored.files, commit: stored.commit?.id).written(by: stored.commit?.author), stored.commit, stored.since)
        } catch { notice(.unreadable(error)) }
    }

    private func adopt(_ set: PolicySet, _ edition: PolicyEdition, by actor: SubjectID) async throws(PromotionFailure) {
        let isNew = inForce?.set.version != set.version
        let since: Date
        do {
            since = try await records.adopt(
                set, commit: edition.commit,
                audit: entry("policy.loaded", .success, by: actor, version: set.version.description, reason: nil, edition.commit))
        } catch { throw Self.failure(error) }
        inForce = (set, edition.commit, since)
        refusal = nil
        seen = edition.revision
        if isNew { notice(.adopted(set, edition.commit)) }
    }

    private func refuse(
        _ revision: String, _ commit: PolicyCommit?, _ mistakes: [PolicyDiagnostic], by actor: SubjectID
    ) async throws(PromotionFailure) {
        let isKnown = refusal?.revision == revision && refusal?.mistakes == mistakes
        let refused = PolicyRefusal(
            revision: revision, commit: commit, at: isKnown ? refusal?.at ?? environs.now() : environs.now(), mistakes: Array(mistakes.prefix(100)))
        refusal = refused
        if !isKnown { notice(.refused(refused)) }
        let reason = refused.mistakes.map(\.description).joined(separator: "\n")
        do {
            _ = try await records.refuse(refused, audit: entry("policy.refused", .failure, by: actor, version: commit?.id, reason: reason, commit))
        } catch { throw Self.failure(error) }
        seen = revision
    }

    private func entry(
        _ action: String, _ outcome: AuditOutcome, by actor: SubjectID, version: String?, reason: String?, _ commit: PolicyCommit?
    ) throws(AuditEntryError) -> AuditEntry {
        var details: [String: JSONValue] = ["source": .string(origin.place.location)]
        if let commit {
            details["author"] = .string(commit.author)
            details["subject"] = .string(commit.subject)
            details["signer"] = commit.signature.map { .string($0.signer) }
            details["signingKey"] = commit.signature.map { .string($0.key) }
        }
        return try AuditEntry(
            id: environs.newID(), time: environs.now(),
            actor: AuditActor(id: actor.description, authentication: actor.usualAuthentication), action: action, outcome: outcome,
            policyVersion: version, reason: reason, details: details)
    }

    private static func failure(_ error: any Error) -> PromotionFailure {
        PromotionFailure(.storage, "policies can't be looked up or written down: \(error)", isTransient: true)
    }
}

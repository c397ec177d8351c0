import AuditLog
import Foundation

/// Writes down who was let in, and counts who was not: strangers can fill no log.
///
/// Refusals become one entry for each kind and minute, with how many there were and from where; there are few kinds, whatever is sent.
public actor AuthenticationJournal {
    /// The shortest time between two entries of one kind, in seconds.
    public static let interval = 60.0
    static let maximumSources = 20
    static let maximumCredentials = 10_000

    private struct Tally {
        var count: Int64 = 0
        var since: Date
        var sources: [String: Int64] = [:]
        var writtenAt = Date.distantPast
    }

    private let trail: any AuditTrail
    private let environs: Environs
    private var tallies: [String: Tally] = [:]
    /// Tokens whose first use was written down, by their hashes; those in `older` are forgotten first.
    private var known: Set<[UInt8]> = []
    private var older: Set<[UInt8]> = []

    public init(trail: any AuditTrail, environs: Environs) {
        self.trail = trail
        self.environs = environs
    }

    func refused(_ kind: String, from source: String) {
        var tally = tallies[kind] ?? Tally(since: environs.now())
        if tally.count == 0 { tally.since = environs.now() }
        tally.count += 1
        let place = tally.sources[source] != nil || tally.sources.count < Self.maximumSources ? source : "others"
        tally.sources[place, default: 0] += 1
        tallies[kind] = tally
    }

    /// Writes down what was counted.
    public func write() async throws(StoreError) {
        let now = environs.now()
        for (kind, tally) in tallies where tally.count > 0 && now.timeIntervalSince(tally.writtenAt) >= Self.interval {
            tallies[kind] = Tally(since: now, writtenAt: now)
            let entry: AuditEntry
            do {
                entry = try AuditEntry(
                    id: environs.newID(), time: now, actor: AuditActor(id: SubjectID.anonymous.description, authentication: .none),
                    action: "authentication.refused", outcome: .denied,
                    details: [
                        "kind": .string(kind), "count": .integer(tally.count), "since": .string(tally.since.ISO8601Format()),
                        "sources": .object(tally.sources.mapValues { .integer($0) }),
                    ])
            } catch { throw .auditUnavailable("\(error)") }
            try await trail.append(entry)
        }
    }

    /// Writes down that an issuer's token was used, once for each token.
    func accepted(_ principal: Principal, credential: [UInt8]) async throws(StoreError) {
        guard !known.contains(credential), !older.contains(credential) else { return }
        let entry: AuditEntry
        do {
            var details: [String: JSONValue] = ["rules": .array(principal.rules.prefix(20).map { .string(AuditEntry.clip($0, to: 100)) })]
            details["name"] = .string(AuditEntry.clip(principal.name, to: 100))
            details["issuer"] = principal.issuer.map { .string(AuditEntry.clip($0, to: 500)) }
            details["claims"] = Self.claims(principal)
            entry = try AuditEntry(
                id: environs.newID(), time: environs.now(), actor: AuditActor(id: principal.subject.description, authentication: principal.authentication),
                action: "authentication.accepted", outcome: .success, details: details)
        } catch { throw .auditUnavailable("\(error)") }
        try await trail.append(entry)
        if known.count >= Self.maximumCredentials { (older, known) = (known, []) }
        known.insert(credential)
    }

    /// Enough of the claims to find the run again.
    static func claims(_ principal: Principal) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for (name, values) in principal.claims.sorted(by: { $0.key < $1.key }).prefix(24) {
            members[AuditEntry.clip(name, to: 100)] = .string(AuditEntry.clip(values.prefix(10).joined(separator: ", "), to: 300))
        }
        return .object(members)
    }
}

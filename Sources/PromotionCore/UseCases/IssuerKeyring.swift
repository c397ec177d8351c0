public import Foundation
public import PolicyEngine
public import Trust

/// The public keys of issuers: fetched when they are first needed, looked at anew every few minutes and when a token names one that is not there, and
/// kept for a day where the issuer is down.
public actor IssuerKeyring {
    /// How old keys may be before they are looked at anew: so long a key counts after its issuer has taken it back, in seconds.
    public static let freshness = 300.0
    /// How long keys count where the issuer can't be asked, in seconds.
    public static let staleness = 86_400.0
    /// The shortest time between two looks, whatever tokens name, in seconds: strangers can't make us ask an issuer more often.
    public static let pause = 30.0
    /// The shortest time between two looks after one that failed, in seconds.
    public static let pauseAfterFailure = 5.0

    private struct Entry {
        var keys: WebKeySet?
        var fetchedAt = Date.distantPast
        var triedAt = Date.distantPast
        var failure: String?
        var metadata: (found: ProviderMetadata, at: Date)?
    }

    private let documents: any IssuerDocuments
    private let now: @Sendable () -> Date
    /// By all that an issuer is: a changed file starts anew.
    private var entries: [TrustedIssuer: Entry] = [:]
    private var waiting: [TrustedIssuer: [CheckedContinuation<Void, Never>]] = [:]

    public init(documents: any IssuerDocuments, now: @escaping @Sendable () -> Date) {
        self.documents = documents
        self.now = now
    }

    /// The keys with which a token is to be verified; they need not have the one that it names.
    public func keys(for token: WebToken, of issuer: TrustedIssuer, in policies: PolicySet) async throws(WebTokenRefusal) -> WebKeySet {
        if case .file(let path) = issuer.keys { return try Self.pinned(path, policies) }
        // Who comes while others ask waits for their answer, and looks again.
        while isDue(issuer, token) { await refresh(issuer) }
        let entry = entries[issuer, default: Entry()]
        guard let keys = entry.keys, now().timeIntervalSince(entry.fetchedAt) < Self.staleness else {
            throw .keysUnavailable(entry.failure ?? "they are too old")
        }
        return keys
    }

    private func isDue(_ issuer: TrustedIssuer, _ token: WebToken) -> Bool {
        guard let entry = entries[issuer] else { return true }
        let sinceTry = now().timeIntervalSince(entry.triedAt)
        if entry.failure != nil { return sinceTry >= Self.pauseAfterFailure }
        if now().timeIntervalSince(entry.fetchedAt) >= Self.freshness { return true }
        return entry.keys?.hasKey(for: token) != true && sinceTry >= Self.pause
    }

    private func refresh(_ issuer: TrustedIssuer) async {
        if waiting[issuer] != nil {
            await withCheckedContinuation { waiting[issuer, default: []].append($0) }
            return
        }
        waiting[issuer] = []
        var entry = entries[issuer, default: Entry()]
        do {
            let url = if case .url(let url) = issuer.keys { url } else { try await metadata(of: issuer).keys }
            guard issuer.mayLead(to: url) || issuer.keys == .url(url) else { throw IssuerDocumentError("its metadata leads to another host") }
            let data = try await documents.document(at: url, of: issuer, limit: WebKeySet.maximumBytes)
            entry.keys = try WebKeySet(parsing: data)
            entry.fetchedAt = now()
            entry.failure = nil
        } catch { entry.failure = "\(error)" }
        entry.triedAt = now()
        entry.metadata = entries[issuer]?.metadata
        // Issuers come from a file, so there are few; those of files that are no longer in force go first.
        if entries.count > 200 { entries = [:] }
        entries[issuer] = entry
        for continuation in waiting.removeValue(forKey: issuer) ?? [] { continuation.resume() }
    }

    /// What the issuer says of itself, looked at anew every hour.
    public func metadata(of issuer: TrustedIssuer) async throws(IssuerDocumentError) -> ProviderMetadata {
        if let known = entries[issuer]?.metadata, now().timeIntervalSince(known.at) < 3600, entries[issuer]?.failure == nil { return known.found }
        let base = issuer.issuer.hasSuffix("/") ? String(issuer.issuer.dropLast()) : issuer.issuer
        let data = try await documents.document(at: base + "/.well-known/openid-configuration", of: issuer, limit: ProviderMetadata.maximumBytes)
        let found: ProviderMetadata
        do { found = try ProviderMetadata(parsing: data, of: issuer.issuer) } catch { throw IssuerDocumentError(error.description) }
        for address in [found.keys, found.authorization, found.token, found.deviceAuthorization].compactMap(\.self) {
            guard issuer.mayLead(to: address) else { throw IssuerDocumentError("its metadata leads to a host that the identities file does not name") }
        }
        entries[issuer, default: Entry()].metadata = (found, now())
        return found
    }

    private static func pinned(_ path: String, _ policies: PolicySet) throws(WebTokenRefusal) -> WebKeySet {
        guard let file = policies.trustMaterial[path] else { throw .keysUnavailable("the file '\(path)' is not in the policy folder") }
        do { return try WebKeySet(parsing: Data(file.text.utf8)) } catch { throw .keysUnavailable(error.description) }
    }

    /// Checks the keys of issuers that have them in files: a set with a file that is missing or damaged is not put in force.
    public static func check(_ policies: PolicySet) throws(PolicyLoadError) {
        var mistakes: [PolicyDiagnostic] = []
        for issuer in policies.identities.issuers {
            guard case .file(let path) = issuer.keys else { continue }
            do throws(WebTokenRefusal) { _ = try pinned(path, policies) } catch {
                mistakes.append(
                    PolicyDiagnostic(
                        file: issuer.source.file, line: issuer.source.line, column: 1, problem: "issuer '\(issuer.name)': \(error.description)",
                        remedy: "put its JWKS there; the name ends in .json"))
            }
        }
        guard mistakes.isEmpty else { throw PolicyLoadError(diagnostics: mistakes) }
    }
}

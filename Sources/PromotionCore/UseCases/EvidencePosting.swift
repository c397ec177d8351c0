import AuditLog
public import Foundation
public import OCI
public import PolicyEngine

/// What came of a statement: who waits for it, and which gates look at it.
public struct PostedStatement: Sendable {
    public let statement: PostedFact
    /// The promotions that are looked at again because of it.
    public let woken: [PromotionID]
    /// Gates that look at such a statement, and whether this poster's counts for them.
    public let gates: [(request: GateRequest, counts: Bool)]
}

/// The use cases of pipelines that say something about a digest.
public struct EvidencePosting: Sendable {
    private let statements: any StatementStore
    private let queue: any WorkQueue
    private let policies: any PolicySource
    private let environs: Environs

    public init(statements: any StatementStore, queue: any WorkQueue, policies: any PolicySource, environs: Environs) {
        self.statements = statements
        self.queue = queue
        self.policies = policies
        self.environs = environs
    }

    /// A pipeline's word about a digest, its form already checked.
    public struct Word: Sendable {
        public let digest: Digest
        public let kind: String
        public let result: String
        public let image: ImageName?
        /// A JSON object, in a canonical form.
        public let details: String?
        public let url: String?

        public init(digest: Digest, kind: String, result: String, image: ImageName?, details: String?, url: String?) {
            self.digest = digest
            self.kind = kind
            self.result = result
            self.image = image
            self.details = details
            self.url = url
        }
    }

    public func post(_ word: Word, by principal: Principal, requestID: RequestID) async throws(PromotionRequestError) -> PostedStatement {
        try permit(word.image, principal)
        let content = [word.digest.description, word.kind, word.result, word.image?.description ?? "", word.details ?? "", word.url ?? ""]
        let fact = EvidenceFact(
            kind: word.kind, digest: word.digest, result: word.result, recordedAt: environs.now(), postedBy: principal.identity,
            evidence: Digest(hashing: Data(content.joined(separator: "\u{0}").utf8)))
        let posted = PostedEvidence(id: environs.newID(), fact: fact, image: word.image, details: word.details, url: word.url)
        let audit = try entry { () throws(AuditEntryError) in try Acts(environs).posted(posted, by: principal, requestID: requestID) }
        let woken: [PromotionID]
        do { woken = try await statements.record(posted, audit: audit) } catch { throw .store(error) }
        return try await announced(.evidence(posted), woken, principal) { wish in
            if case .evidence(word.kind, _, let by) = wish { by } else { nil }
        }
    }

    /// Takes a scanner's report about a digest.
    ///
    /// - Parameters:
    ///   - scanner: what to call it; the report's own name where it is left out.
    ///   - completedAt: when it ended, where the report does not say; the time of posting where neither does.
    public func post(
        report data: Data, about digest: Digest, image: ImageName?, scanner: String?, completedAt: Date?, by principal: Principal, requestID: RequestID
    ) async throws(PromotionRequestError) -> PostedStatement {
        try permit(image, principal)
        let report: ScanReport
        do { report = try ScanReport(parsing: data) } catch { throw .unacceptable(field: "body", error.description) }
        guard report.subjects.isEmpty || report.subjects.contains(digest) else {
            let named = report.subjects.prefix(3).map(\.description).joined(separator: ", ")
            throw .unacceptable(field: "digest", "the report is about \(named), not about \(digest); post it under the digest that it names")
        }
        guard let name = scanner ?? report.scanner else { throw .unacceptable(field: "scanner", "the report does not name its scanner: say it in 'scanner'") }
        let now = environs.now()
        let ended = report.completedAt ?? completedAt ?? now
        // A clock may be a little fast; a report from the future would never grow old.
        guard ended < now.addingTimeInterval(300) else { throw .unacceptable(field: "completedAt", "the scan ends in the future") }
        let fact = ScanFact(
            scanner: name, digest: digest, completedAt: min(ended, now), findings: report.findings, postedBy: principal.identity,
            evidence: Digest(hashing: data))
        let posted = PostedScan(id: environs.newID(), fact: fact, image: image, format: report.format, recordedAt: now)
        let audit = try entry { () throws(AuditEntryError) in try Acts(environs).posted(posted, by: principal, requestID: requestID) }
        let woken: [PromotionID]
        do { woken = try await statements.record(posted, audit: audit) } catch { throw .store(error) }
        return try await announced(.scan(posted), woken, principal) { wish in
            if case .scan(let by) = wish { by } else { nil }
        }
    }

    public func statements(about digest: Digest, cursor: String?, limit: Int) async throws(PromotionRequestError) -> Page<PostedFact> {
        do { return try await statements.statements(about: digest, cursor: cursor, limit: limit) } catch { throw .store(error) }
    }

    private func permit(_ image: ImageName?, _ principal: Principal) throws(PromotionRequestError) {
        guard principal.mayReport(image) else {
            throw .notPermitted(
                image.map { "this token may not post evidence about \($0)" }
                    ?? "this token may not post evidence about every image: name the image in 'image', or use a token with the role reporter")
        }
    }

    private func announced(
        _ statement: PostedFact, _ woken: [PromotionID], _ principal: Principal, _ by: (GateWish) -> [String]?
    ) async throws(PromotionRequestError) -> PostedStatement {
        // Stored: a hint that gets lost costs a second, not the statement.
        do { if !woken.isEmpty { try await queue.announce() } } catch {}
        var gates: [(request: GateRequest, counts: Bool)] = []
        do throws(PromotionFailure) {
            let policySet = try await policies.current()
            let image: ImageName? =
                switch statement {
                case .evidence(let posted): posted.image
                case .scan(let posted): posted.image
                }
            for request in policySet.evidenceRequests(for: image) {
                let sources = request.wishes.compactMap(by)
                guard !sources.isEmpty else { continue }
                gates.append((request, sources.contains { $0.isEmpty || policySet.names($0, include: principal.identity) }))
            }
        } catch {
            // The statement stands; which gates look at it is only said for convenience.
        }
        return PostedStatement(statement: statement, woken: woken, gates: gates)
    }

    private func entry(_ body: () throws(AuditEntryError) -> AuditEntry) throws(PromotionRequestError) -> AuditEntry {
        do { return try body() } catch { throw .store(.auditUnavailable("\(error)")) }
    }
}

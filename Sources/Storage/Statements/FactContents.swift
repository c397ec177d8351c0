import Crypto
import Foundation
import PolicyEngine
import Postgres

/// The facts of a decision as they are kept: each content once, whichever and however many decisions were made on it.
struct FactContents: Sendable {
    /// The facts without the findings of their scans, which stand aside: one report is looked at by many promotions, many times.
    private struct Kept: Codable {
        let facts: PromotionFacts
        /// Of each scan, in their order: the SHA-256 of its findings in hexadecimal.
        let findings: [String]
    }

    /// A content with its name.
    struct Content {
        let sha256: [UInt8]
        let json: JSONB

        fileprivate init(_ value: some Encodable) throws(PostgresError) {
            json = try StoredJSON.encode(value)
            sha256 = Array(SHA256.hash(data: Data(json.text.utf8)))
        }

        fileprivate var name: String { sha256.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined() }
    }

    /// Writes the findings that are not there yet, and answers the rest, which the caller writes beside the decision.
    static func keep(_ facts: PromotionFacts, _ connection: PostgresConnection) async throws -> Content {
        var findings: [Content] = []
        for scan in facts.scans ?? [] { findings.append(try Content(scan.findings)) }
        var bare = facts
        bare.scans = facts.scans?.map { $0.with(findings: []) }
        let whole = try Content(Kept(facts: bare, findings: findings.map(\.name)))
        // In one order: two that write the same contents wait for each other, and never in a circle.
        var seen: Set<[UInt8]> = []
        for content in findings.sorted(by: { $0.name < $1.name }) where seen.insert(content.sha256).inserted {
            try await connection.execute("INSERT INTO fact_contents (sha256, content) VALUES (\(content.sha256), \(content.json)) ON CONFLICT DO NOTHING")
        }
        return whole
    }

    private let kept: [Kept?]
    private let findings: [String: [Finding]]

    /// Reads what rows with a column `kept` refer to.
    static func reading(_ rows: [PostgresRow], _ pool: PostgresPool) async throws -> FactContents {
        let kept = try rows.map { row in try row.json("kept", as: Kept.self) }
        let names = Set(kept.compactMap(\.self).flatMap(\.findings))
        guard !names.isEmpty else { return FactContents(kept: kept, findings: [:]) }
        let found = try await pool.query(
            "SELECT encode(sha256, 'hex') AS name, content FROM fact_contents WHERE sha256 IN (SELECT decode(name, 'hex') FROM unnest(\(names.sorted())) AS name)")
        let pairs = try found.map { row in (try row.decode("name", as: String.self), try row.json("content", as: [Finding].self) ?? []) }
        return FactContents(kept: kept, findings: Dictionary(pairs) { first, _ in first })
    }

    /// The facts of a row, exactly as they were; `nil` where it does not refer to any.
    func facts(_ index: Int) throws(PostgresError) -> PromotionFacts? {
        guard let kept = kept[index] else { return nil }
        var facts = kept.facts
        guard let scans = facts.scans else { return facts }
        guard scans.count == kept.findings.count else { throw .decoding(column: "kept", expected: "findings of each scan", found: "\(kept.findings.count)") }
        var complete: [ScanFact] = []
        for (scan, name) in zip(scans, kept.findings) {
            guard let found = findings[name] else { throw .decoding(column: "kept", expected: "findings \(name)", found: "nothing") }
            complete.append(scan.with(findings: found))
        }
        facts.scans = complete
        return facts
    }
}

extension ScanFact {
    fileprivate func with(findings: [Finding]) -> ScanFact {
        ScanFact(scanner: scanner, digest: digest, completedAt: completedAt, findings: findings, signer: signer, postedBy: postedBy, evidence: evidence)
    }
}

import Foundation
import OCI
import PolicyEngine
import Postgres
import PromotionCore

/// How verdicts are read, wherever they are read.
enum VerdictRow {
    static func of(_ promotion: PromotionID) -> SQL {
        """
        SELECT id, promotion_id, kind, identity, digest, policy_version, comment, at FROM verdicts WHERE promotion_id = \(promotion.uuid) ORDER BY id LIMIT 1000
        """
    }

    static func decode(_ row: PostgresRow) throws(PostgresError) -> PromotionVerdict {
        PromotionVerdict(
            id: try row.decode("id"), promotion: PromotionID(try row.decode("promotion_id", as: UUID.self)),
            kind: try row.parsed("kind", PromotionVerdict.Kind.init(rawValue:)), by: try StatementRow.identity(row), at: try row.decode("at"),
            digest: try row.digest("digest"), policyVersion: try row.decode("policy_version"), comment: try row.decodeOptional("comment"))
    }
}

/// How evidence and scans are read, wherever they are read.
enum StatementRow {
    static func evidence(_ row: PostgresRow) throws(PostgresError) -> PostedEvidence {
        PostedEvidence(
            id: try row.decode("id"),
            fact: EvidenceFact(
                kind: try row.decode("kind"), digest: try row.digest("digest"), result: try row.decode("result"), recordedAt: try row.decode("recorded_at"),
                postedBy: try identity(row), evidence: try sha256(row, "content_sha256")),
            image: try image(row), details: try row.decodeOptional("details"), url: try row.decodeOptional("url"))
    }

    static func scan(_ row: PostgresRow) throws(PostgresError) -> PostedScan {
        PostedScan(
            id: try row.decode("id"),
            fact: ScanFact(
                scanner: try row.decode("scanner"), digest: try row.digest("digest"), completedAt: try row.decode("completed_at"),
                findings: try row.json("findings") ?? [], postedBy: try identity(row), evidence: try sha256(row, "report_sha256")),
            image: try image(row), format: try row.parsed("format", ScanReport.Format.init(rawValue:)), recordedAt: try row.decode("recorded_at"))
    }

    static func identity(_ row: PostgresRow) throws(PostgresError) -> Identity {
        guard let identity = try row.json("identity", as: Identity.self) else { throw .decoding(column: "identity", expected: "an identity", found: "NULL") }
        return identity
    }

    private static func image(_ row: PostgresRow) throws(PostgresError) -> ImageName? {
        guard try row.decodeOptional("image", as: String.self) != nil else { return nil }
        return try row.parsed("image", ImageName.init(parsing:))
    }

    private static func sha256(_ row: PostgresRow, _ column: String) throws(PostgresError) -> Digest? {
        Digest(algorithm: .sha256, bytes: try row.decode(column, as: [UInt8].self))
    }
}

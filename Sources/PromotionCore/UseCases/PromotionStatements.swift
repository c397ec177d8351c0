import Foundation
import OCI
public import PolicyEngine

/// What a verification summary says that an artifact has reached.
public enum PromotionLevel {
    /// `SHIPLIFT_PROMOTED_TO_PRODUCTION`: levels of one's own may not begin with SLSA_.
    public static func name(_ environment: EnvironmentName) -> String {
        "SHIPLIFT_PROMOTED_TO_\(environment.description.uppercased().replacing("-", with: "_"))"
    }
}

/// What Shiplift states about a promotion that succeeded, as in-toto statements (in-toto/attestation, spec v1).
///
/// They are built from what is stored, and from nothing that changes: the same promotion makes the same bytes.
struct PromotionStatements {
    static let summaryType = "https://slsa.dev/verification_summary/v1"
    static let recordType = "urn:shiplift:promotion:v1"
    let promotion: Promotion
    /// Who states it: the audit log's name.
    let origin: String
    /// `registry.example.com/prod/shop/api`
    let place: String

    private struct Statement<Predicate: Encodable>: Encodable {
        struct Subject: Encodable {
            let name: String
            let digest: [String: String]
        }

        let _type = "https://in-toto.io/Statement/v1"
        let subject: [Subject]
        let predicateType: String
        let predicate: Predicate
    }

    /// slsa.dev/spec/v1.1/verification_summary
    private struct Summary: Encodable {
        struct Verifier: Encodable { let id: String }
        struct Resource: Encodable {
            let uri: String
            let digest: [String: String]
        }

        let verifier: Verifier
        let timeVerified: String
        let resourceUri: String
        let policy: Resource
        let inputAttestations: [Resource]
        let verificationResult = "PASSED"
        let verifiedLevels: [String]
    }

    private struct Record: Encodable {
        let promotion: String
        let image: String
        let from: String
        let to: String
        let digest: String
        let repository: String
        let tags: [String]
        let requestedBy: String
        let requestedAt: String
        let finishedAt: String
        let policyVersion: String
        /// Gates that were open only because somebody ordered it.
        let overridden: [String]
    }

    private var decision: Decision? { promotion.decision }
    private var finished: Date { promotion.finishedAt ?? promotion.updatedAt }

    func summary() throws(PromotionFailure) -> Data {
        let version = decision?.policyVersion
        var policyDigest = ["sha256": version?.contentDigest.hex ?? ""]
        if let commit = version?.commit { policyDigest["gitCommit"] = commit }
        let evidence = (decision?.gates ?? []).flatMap(\.evidence)
        var seen: Set<Digest> = []
        let inputs = evidence.filter { seen.insert($0).inserted }.map { digest in
            Summary.Resource(uri: "\(place)@\(digest)", digest: [digest.algorithm.rawValue: digest.hex])
        }
        return try encode(
            Self.summaryType,
            Summary(
                verifier: Summary.Verifier(id: "urn:shiplift:\(origin)"), timeVerified: time(finished), resourceUri: "\(place)@\(promotion.digest)",
                policy: Summary.Resource(uri: "urn:shiplift:policy:\(promotion.policyVersion ?? "")", digest: policyDigest), inputAttestations: inputs,
                verifiedLevels: [PromotionLevel.name(promotion.to)]))
    }

    func record() throws(PromotionFailure) -> Data {
        try encode(
            Self.recordType,
            Record(
                promotion: promotion.id.description, image: promotion.image.description, from: promotion.from.description, to: promotion.to.description,
                digest: promotion.digest.description, repository: place, tags: (decision?.targetTags ?? promotion.requestedTags).map(\.description),
                requestedBy: promotion.requestedBy.description, requestedAt: time(promotion.createdAt), finishedAt: time(finished),
                policyVersion: promotion.policyVersion ?? "", overridden: (decision?.gates ?? []).filter(\.isOverridden).map(\.gate)))
    }

    private func encode(_ type: String, _ predicate: some Encodable) throws(PromotionFailure) -> Data {
        let subject = ["\(promotion.digest.algorithm.rawValue)": promotion.digest.hex]
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do { return try encoder.encode(Statement(subject: [.init(name: place, digest: subject)], predicateType: type, predicate: predicate)) } catch {
            throw PromotionFailure(.configuration, "a statement can't be written: \(error)")
        }
    }

    private func time(_ date: Date) -> String { date.ISO8601Format() }
}

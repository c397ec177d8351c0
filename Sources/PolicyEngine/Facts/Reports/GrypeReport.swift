import Foundation
import OCI

/// `grype -o json`: https://github.com/anchore/grype/tree/main/grype/presenter/models
///
/// What Grype was told to ignore is not among its matches. Exceptions that everybody can read belong into the policy.
struct GrypeReport: Decodable {
    struct Match: Decodable {
        let vulnerability: Vulnerability
        let relatedVulnerabilities: [Related]?
        let artifact: Artifact?
    }

    struct Vulnerability: Decodable {
        let id: String
        let severity: String?
        let fix: Fix?
    }

    struct Related: Decodable { let id: String }

    struct Fix: Decodable {
        let versions: [String]?
        let state: String?
    }

    struct Artifact: Decodable { let name: String? }

    struct Source: Decodable {
        let target: Target?

        struct Target: Decodable {
            let manifestDigest: String?
            let repoDigests: [String]?

            private enum Key: String, CodingKey { case manifestDigest, repoDigests }

            /// A scanned folder's target is its path: it names no image.
            init(from decoder: any Decoder) throws {
                let container: KeyedDecodingContainer<Key>
                do { container = try decoder.container(keyedBy: Key.self) } catch {
                    (manifestDigest, repoDigests) = (nil, nil)
                    return
                }
                manifestDigest = try container.decodeIfPresent(String.self, forKey: .manifestDigest)
                repoDigests = try container.decodeIfPresent([String].self, forKey: .repoDigests)
            }
        }
    }

    struct Descriptor: Decodable {
        let name: String
        let timestamp: String?
    }

    let matches: [Match]
    let source: Source?
    let descriptor: Descriptor

    func report() throws(ScanReportError) -> ScanReport {
        guard matches.count <= ScanReport.maximumFindings else { throw .tooManyFindings(limit: ScanReport.maximumFindings) }
        var findings: [Finding] = []
        for match in matches {
            let id = try ReportText.id(match.vulnerability.id, .grype)
            findings.append(
                Finding(
                    id: id, aliases: ReportText.aliases((match.relatedVulnerabilities ?? []).map(\.id), of: id),
                    severity: ReportText.severity(match.vulnerability.severity), package: ReportText.text(match.artifact?.name),
                    fixedIn: ReportText.text(match.vulnerability.fix?.versions?.joined(separator: ", "))))
        }
        let target = source?.target
        return try ScanReport(
            format: .grype, scanner: descriptor.name,
            completedAt: try descriptor.timestamp.map { text throws(ScanReportError) in try ReportTime.date(text, .grype) },
            subjects: ReportText.digests((target?.repoDigests ?? []) + [target?.manifestDigest].compactMap(\.self)), findings: findings)
    }
}

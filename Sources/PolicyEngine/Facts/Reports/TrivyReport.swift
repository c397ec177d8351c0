import Foundation
import OCI

/// `trivy image --format json`: https://trivy.dev/latest/docs/configuration/reporting/#json
struct TrivyReport: Decodable {
    struct Metadata: Decodable {
        let repoDigests: [String]?

        private enum CodingKeys: String, CodingKey { case repoDigests = "RepoDigests" }
    }

    struct Result: Decodable {
        let kind: String?
        let vulnerabilities: [Vulnerability]?

        private enum CodingKeys: String, CodingKey { case kind = "Class", vulnerabilities = "Vulnerabilities" }
    }

    struct Vulnerability: Decodable {
        let id: String
        let vendorIDs: [String]?
        let package: String?
        let fixedVersion: String?
        let severity: String?

        private enum CodingKeys: String, CodingKey {
            case id = "VulnerabilityID", vendorIDs = "VendorIDs", package = "PkgName", fixedVersion = "FixedVersion", severity = "Severity"
        }
    }

    let schemaVersion: Int
    let createdAt: String?
    let metadata: Metadata?
    let results: [Result]?

    private enum CodingKeys: String, CodingKey { case schemaVersion = "SchemaVersion", createdAt = "CreatedAt", metadata = "Metadata", results = "Results" }

    func report() throws(ScanReportError) -> ScanReport {
        guard schemaVersion == 2 else { throw .malformed(.trivy, "SchemaVersion \(schemaVersion) is not known; 2 is") }
        let results = results ?? []
        // A scan for secrets alone says nothing of vulnerabilities, and has none.
        guard results.contains(where: { ["os-pkgs", "lang-pkgs"].contains($0.kind ?? "") || $0.vulnerabilities != nil }) else { throw .noPackages }
        var findings: [Finding] = []
        for found in results.lazy.flatMap({ $0.vulnerabilities ?? [] }) {
            guard findings.count < ScanReport.maximumFindings else { throw .tooManyFindings(limit: ScanReport.maximumFindings) }
            let id = try ReportText.id(found.id, .trivy)
            findings.append(
                Finding(
                    id: id, aliases: ReportText.aliases(found.vendorIDs ?? [], of: id), severity: ReportText.severity(found.severity),
                    package: ReportText.text(found.package), fixedIn: ReportText.text(found.fixedVersion)))
        }
        return try ScanReport(
            format: .trivy, scanner: "trivy", completedAt: try createdAt.map { text throws(ScanReportError) in try ReportTime.date(text, .trivy) },
            subjects: ReportText.digests(metadata?.repoDigests ?? []), findings: findings)
    }
}

enum ReportTime {
    static func date(_ text: String, _ format: ScanReport.Format) throws(ScanReportError) -> Date {
        guard let date = Timestamp.date(text) else { throw .malformed(format, "'\(ReportText.clip(text, to: 40))' is no time such as 2026-03-01T00:00:00Z") }
        return date
    }
}

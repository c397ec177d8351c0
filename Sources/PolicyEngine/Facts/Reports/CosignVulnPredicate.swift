import Foundation
import OCI

/// cosign's predicate of a scan: https://github.com/sigstore/cosign/blob/main/specs/COSIGN_VULN_ATTESTATION_SPEC.md
struct CosignVulnPredicate: Decodable {
    struct Scanner: Decodable {
        let uri: String?
    }

    struct Metadata: Decodable {
        let scanFinishedOn: String
    }

    let scanner: Scanner
    let metadata: Metadata

    /// `scanner.result` is the scanner's own report, in one of the other forms.
    func report(from data: Data) throws(ScanReportError) -> ScanReport {
        let result: Data
        do {
            guard let scanner = (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["scanner"] as? [String: Any],
                let inner = scanner["result"] as? [String: Any]
            else { throw ScanReportError.malformed(.cosignVuln, "scanner.result is no report") }
            result = try JSONSerialization.data(withJSONObject: inner)
        } catch let error as ScanReportError { throw error } catch { throw .notJSON }
        guard try Sniff.format(of: result) != .cosignVuln else { throw .malformed(.cosignVuln, "scanner.result is another such predicate") }
        let inner = try ScanReport(parsing: result)
        return try ScanReport(
            format: .cosignVuln, scanner: inner.scanner ?? scanner.uri, completedAt: try ReportTime.date(metadata.scanFinishedOn, .cosignVuln),
            subjects: inner.subjects, findings: inner.findings)
    }
}

public import Foundation
public import OCI

/// A scanner's report in one of the forms that scanners write, read without trust: bounded, and refused where it is not clearly one of them.
///
/// A report that says nothing of packages, or that its scan has failed, is refused: it would look like one that found nothing.
public struct ScanReport: Sendable, Hashable {
    public enum Format: String, Sendable, Hashable, Codable, CaseIterable {
        /// OASIS SARIF 2.1.0, as scanners of images write it.
        case sarif
        /// `trivy image --format json`, schema version 2.
        case trivy
        /// `grype -o json`.
        case grype
        /// The predicate `cosign.sigstore.dev/attestation/vuln/v1`, around a report of one of the other forms.
        case cosignVuln = "cosign-vuln"
    }

    /// Largest report, in bytes.
    public static let maximumBytes = 16 << 20
    /// Most findings in one report.
    public static let maximumFindings = 10_000

    public let format: Format
    /// What the report calls its scanner; `nil` where it does not say.
    public let scanner: String?
    /// When the scan ended; `nil` where the report does not say.
    public let completedAt: Date?
    /// The digests of the manifests that the report says it is about; empty where it does not say.
    public let subjects: [Digest]
    /// Each once.
    public let findings: [Finding]

    /// Reads a report and finds out which form it has.
    ///
    /// - Throws: `ScanReportError`, whose description says what is wrong and where.
    public init(parsing data: Data) throws(ScanReportError) {
        guard data.count <= Self.maximumBytes else { throw .tooLarge(bytes: data.count, limit: Self.maximumBytes) }
        switch try Sniff.format(of: data) {
        case .sarif: self = try Self.decode(SARIFReport.self, from: data, .sarif).report()
        case .trivy: self = try Self.decode(TrivyReport.self, from: data, .trivy).report()
        case .grype: self = try Self.decode(GrypeReport.self, from: data, .grype).report()
        case .cosignVuln: self = try Self.decode(CosignVulnPredicate.self, from: data, .cosignVuln).report(from: data)
        }
    }

    init(format: Format, scanner: String?, completedAt: Date?, subjects: [Digest], findings: [Finding]) throws(ScanReportError) {
        guard findings.count <= Self.maximumFindings else { throw .tooManyFindings(limit: Self.maximumFindings) }
        self.format = format
        self.scanner = scanner.map { ReportText.clip($0, to: 100) }.flatMap { $0.isEmpty ? nil : $0 }
        self.completedAt = completedAt
        self.subjects = subjects
        var seen: Set<Finding> = []
        self.findings = findings.filter { seen.insert($0).inserted }
    }

    static func decode<Form: Decodable>(_ form: Form.Type, from data: Data, _ format: Format) throws(ScanReportError) -> Form {
        do { return try JSONDecoder().decode(form, from: data) } catch let error as DecodingError {
            throw .malformed(format, error.place)
        } catch { throw .malformed(format, "it can't be read") }
    }
}

/// Why a report is no report that counts.
public enum ScanReportError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooLarge(bytes: Int, limit: Int)
    case notJSON
    /// None of the forms, or more than one at once.
    case unknownForm
    /// The form is clear, and something in it is not as it must be: what and where.
    case malformed(ScanReport.Format, String)
    case tooManyFindings(limit: Int)
    /// The report itself says that the scan did not come to its end.
    case scanFailed
    /// Nothing was scanned that could have vulnerabilities.
    case noPackages

    public var description: String {
        switch self {
        case .tooLarge(let bytes, let limit): "the report has \(bytes) bytes, at most \(limit) are read"
        case .notJSON: "the report is not a JSON object"
        case .unknownForm: "the report is none of \(ScanReport.Format.allCases.map(\.rawValue).joined(separator: ", "))"
        case .malformed(let format, let what): "the \(format.rawValue) report is malformed: \(what)"
        case .tooManyFindings(let limit): "the report has more than \(limit) findings; scan with a newer base image, or report by platform"
        case .scanFailed: "the report says that its scan failed"
        case .noPackages: "the report looked at no packages; scan the image for vulnerabilities ('trivy image --scanners vuln')"
        }
    }
}

extension DecodingError {
    /// What is wrong and where, without the report's own text.
    fileprivate var place: String {
        func path(_ context: Context) -> String {
            let text = context.codingPath.reduce(into: "") { $0 += $1.intValue.map { "[\($0)]" } ?? ($0.isEmpty ? "" : ".") + $1.stringValue }
            return text.isEmpty ? "" : " at \(text.prefix(200))"
        }
        return switch self {
        case .keyNotFound(let key, let context): "'\(key.stringValue)' is missing\(path(context))"
        case .typeMismatch(_, let context): "a value of another type\(path(context))"
        case .valueNotFound(_, let context): "null where a value must be\(path(context))"
        case .dataCorrupted(let context): "\(context.debugDescription.prefix(100))\(path(context))"
        @unknown default: "it can't be read"
        }
    }
}

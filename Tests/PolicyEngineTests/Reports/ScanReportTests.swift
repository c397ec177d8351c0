import Foundation
import OCI
import PolicyEngine
import Testing

@Suite struct ScanReportTests {
    private func read(_ text: String) throws -> ScanReport { try ScanReport(parsing: Data(text.utf8)) }

    private func refusal(_ text: String) -> ScanReportError? {
        do throws(ScanReportError) {
            _ = try ScanReport(parsing: Data(text.utf8))
            return nil
        } catch { return error }
    }

    @Test func trivysReport() throws {
        let report = try read(ReportSamples.trivy)
        #expect(report.format == .trivy && report.scanner == "trivy")
        #expect(report.subjects.map(\.description) == [ReportSamples.digest])
        #expect(abs((report.completedAt ?? .distantPast).timeIntervalSince1970 - 1_772_350_215.123) < 0.01)
        #expect(
            report.findings == [
                Finding(id: "CVE-2024-2961", aliases: ["DSA-5673-1"], severity: .high, package: "libc6", fixedIn: "2.36-9+deb12u6"),
                Finding(id: "CVE-2011-3374", severity: .low, package: "apt"), Finding(id: "TEMP-0841856-B18BAF", severity: nil, package: "bash"),
                Finding(id: "CVE-2024-24790", severity: .critical, package: "stdlib", fixedIn: "1.21.11, 1.22.4"),
            ])
    }

    @Test func grypesReport() throws {
        let report = try read(ReportSamples.grype)
        #expect(report.format == .grype && report.scanner == "grype" && report.completedAt == Date(timeIntervalSince1970: 1_772_350_215.5))
        #expect(report.subjects.map(\.description) == [ReportSamples.digest, "sha256:" + String(repeating: "1", count: 64)])
        #expect(
            report.findings == [
                Finding(
                    id: "GHSA-xw73-rw38-6vjc", aliases: ["CVE-2024-24557"], severity: .medium, package: "github.com/docker/docker", fixedIn: "24.0.9, 25.0.2"),
                Finding(id: "CVE-2023-4039", severity: .negligible, package: "gcc-12-base"), Finding(id: "CVE-2023-0001", severity: nil, package: "zlib1g"),
            ])
    }

    /// Scores become severities, and what is not said is not read as good news.
    @Test func sarif() throws {
        let report = try read(ReportSamples.sarif)
        #expect(report.format == .sarif && report.scanner == "trivy" && report.completedAt == Date(timeIntervalSince1970: 1_772_350_215))
        #expect(report.subjects.map(\.description) == [ReportSamples.digest])
        #expect(
            report.findings == [
                Finding(id: "CVE-2024-2961", severity: .high, package: "libc6", fixedIn: "2.36-9+deb12u6"),
                Finding(id: "CVE-2011-3374", severity: .low, package: "apt"),
                Finding(id: "TEMP-0841856-B18BAF", severity: nil, fixedIn: "a version that the report does not name"),
                Finding(
                    id: "GHSA-xw73-rw38-6vjc", aliases: ["GHSA-xw73-rw38-6vjc-github.com/docker/docker"], severity: .medium, package: "github.com/docker/docker",
                    fixedIn: "24.0.9"),
            ])
    }

    @Test(arguments: [(ReportSamples.trivy, "trivy", 4), (ReportSamples.grype, "grype", 3), (ReportSamples.sarif, "trivy", 4)])
    func cosignsPredicateHoldsAnother(_ result: String, _ scanner: String, _ count: Int) throws {
        let report = try read(ReportSamples.cosign(result: result))
        #expect(report.format == .cosignVuln && report.scanner == scanner && report.findings.count == count)
        #expect(report.completedAt == Date(timeIntervalSince1970: 1_772_350_260), "the predicate's time counts")
        #expect(report.subjects.first?.description == ReportSamples.digest)
    }

    @Test func aCleanReportIsOne() throws {
        let clean = #"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Target":"a (alpine 3.19)","Class":"os-pkgs","Type":"alpine"}]}"#
        #expect(try read(clean).findings.isEmpty)
        #expect(try read(#"{"matches":[],"source":{"type":"directory","target":"/app"},"descriptor":{"name":"grype"}}"#).findings.isEmpty)
        #expect(try read(#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"s"}},"results":[]}]}"#).findings.isEmpty)
    }

    @Test(
        arguments: [
            ("", .notJSON), ("[]", .notJSON), ("null", .notJSON), (#"{"matches":[}"#, .notJSON), (#"{"a":1}"#, .unknownForm),
            (#"{"matches":[],"descriptor":{"name":"grype"},"runs":[],"version":"2.1.0"}"#, .unknownForm),
            // A scan for secrets has no vulnerabilities either; neither has one that looked at nothing.
            (#"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Target":"a","Class":"secret"}]}"#, .noPackages),
            (#"{"SchemaVersion":2,"ArtifactName":"a"}"#, .noPackages),
            (#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"s"}},"invocations":[{"executionSuccessful":false}],"results":[]}]}"#, .scanFailed),
        ] as [(String, ScanReportError)])
    func whatIsNoReportIsRefused(_ text: String, _ error: ScanReportError) { #expect(refusal(text) == error) }

    @Test(arguments: [
        (#"{"SchemaVersion":1,"ArtifactName":"a","Results":[]}"#, "SchemaVersion 1"),
        (#"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Vulnerabilities":[{"Severity":"LOW"}]}]}"#, "'VulnerabilityID' is missing at Results[0].Vulnerabilities[0]"),
        (#"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE 1"}]}]}"#, "no vulnerability's id"),
        (#"{"SchemaVersion":2,"ArtifactName":"a","CreatedAt":"yesterday","Results":[{"Class":"os-pkgs"}]}"#, "no time"),
        (#"{"matches":{},"descriptor":{"name":"grype"}}"#, "another type at matches"), (#"{"matches":[],"descriptor":{}}"#, "'name' is missing at descriptor"),
        (#"{"version":"2.0.0","runs":[]}"#, "2.1.0 is"), (#"{"version":"2.1.0","runs":[]}"#, "no runs"),
        (#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"s"}}}]}"#, "without results"),
        (#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"s"}},"results":[{}]}]}"#, "names no rule"),
        (#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"s","rules":[{"id":"A"},{"id":"B"}]}},"results":[{"ruleId":"A","ruleIndex":1}]}]}"#, "disagree"),
        (#"{"scanner":{"result":[]},"metadata":{"scanFinishedOn":"2026-03-01T07:31:00Z"}}"#, "scanner.result"),
        (ReportSamples.cosign(result: ReportSamples.cosign()), "another such predicate"),
    ]) func aMalformedReportSaysWhere(_ text: String, _ part: String) {
        let error = refusal(text)
        #expect(error?.description.contains(part) == true, "\(error?.description ?? "read")")
    }

    @Test func reportsAreBounded() {
        let one = #"{"VulnerabilityID":"CVE-2024-N","PkgName":"p"}"#
        let many = (0...ScanReport.maximumFindings).map { one.replacing("N", with: "\($0)") }.joined(separator: ",")
        #expect(refusal(#"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Vulnerabilities":[\#(many)]}]}"#) == .tooManyFindings(limit: 10_000))
        let large = Data(count: ScanReport.maximumBytes + 1)
        #expect(throws: ScanReportError.tooLarge(bytes: large.count, limit: ScanReport.maximumBytes)) { try ScanReport(parsing: large) }
        #expect(refusal(String(repeating: #"{"scanner":"#, count: 100_000)) == .notJSON)
    }

    /// What a report says is shown to people and stored as JSON: no control characters, no end.
    @Test func textsAreMadeHarmless() throws {
        let hostile =
            #"{"SchemaVersion":2,"ArtifactName":"a","Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE-1","VendorIDs":["a b","CVE-1","DSA-1"],"PkgName":"x\u0000\u001b[2J\#(String(repeating: "y", count: 500))"}]}]}"#
        let finding = try #require(try read(hostile).findings.first)
        #expect(finding.package?.utf8.count == 200 && finding.package?.hasPrefix("x  [2Jyy") == true)
        #expect(finding.aliases == ["DSA-1"])
    }
}

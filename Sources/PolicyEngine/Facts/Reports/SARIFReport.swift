import Foundation
import OCI

/// SARIF 2.1.0 as scanners of images write it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
///
/// The severity is the rule's `security-severity`, a CVSS score. Package and mended version stand in the message's text, where Trivy and Grype
/// write them; a report that does not say whether something can be mended is read as if it could.
struct SARIFReport: Decodable {
    struct Run: Decodable {
        let tool: Tool
        let results: [Result]?
        let invocations: [Invocation]?
        let properties: Properties?
    }

    struct Tool: Decodable { let driver: Driver }

    struct Driver: Decodable {
        let name: String
        let rules: [Rule]?
    }

    struct Rule: Decodable {
        let id: String
        let help: Message?
        let properties: RuleProperties?
    }

    struct RuleProperties: Decodable {
        let score: Double?

        private enum Key: String, CodingKey { case score = "security-severity" }

        /// A text in GitHub's reading, a number in others'.
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            do { score = try container.decodeIfPresent(String.self, forKey: .score).flatMap(Double.init) } catch {
                score = try container.decodeIfPresent(Double.self, forKey: .score)
            }
        }
    }

    struct Result: Decodable {
        let ruleId: String?
        let ruleIndex: Int?
        let rule: RuleReference?
        let kind: String?
        let message: Message?
    }

    struct RuleReference: Decodable {
        let id: String?
        let index: Int?
    }

    struct Message: Decodable { let text: String? }

    struct Invocation: Decodable {
        let executionSuccessful: Bool
        let endTimeUtc: String?
    }

    /// Trivy's: what it has scanned.
    struct Properties: Decodable { let repoDigests: [String]? }

    let version: String
    let runs: [Run]

    func report() throws(ScanReportError) -> ScanReport {
        guard version == "2.1.0" else { throw .malformed(.sarif, "version '\(ReportText.clip(version, to: 20))' is not known; 2.1.0 is") }
        guard let first = runs.first else { throw .malformed(.sarif, "it has no runs") }
        let invocations = runs.flatMap { $0.invocations ?? [] }
        // A tool that did not come to its end found nothing either.
        guard invocations.allSatisfy(\.executionSuccessful) else { throw .scanFailed }
        var findings: [Finding] = []
        for run in runs {
            guard let results = run.results else { throw .malformed(.sarif, "a run without results was not a scan") }
            for result in results where !["pass", "notApplicable", "informational"].contains(result.kind ?? "fail") {
                guard findings.count < ScanReport.maximumFindings else { throw .tooManyFindings(limit: ScanReport.maximumFindings) }
                findings.append(try finding(result, run.tool.driver))
            }
        }
        var ended: Date?
        for text in invocations.compactMap(\.endTimeUtc) { ended = max(try ReportTime.date(text, .sarif), ended ?? .distantPast) }
        return try ScanReport(
            format: .sarif, scanner: first.tool.driver.name.lowercased(), completedAt: ended,
            subjects: ReportText.digests(runs.flatMap { $0.properties?.repoDigests ?? [] }), findings: findings)
    }

    private func finding(_ result: Result, _ driver: Driver) throws(ScanReportError) -> Finding {
        let rules = driver.rules ?? []
        let index = result.ruleIndex ?? result.rule?.index ?? -1
        let named = result.ruleId ?? result.rule?.id
        let rule = rules.indices.contains(index) ? rules[index] : rules.first { $0.id == named }
        guard let ruleID = named ?? rule?.id else { throw .malformed(.sarif, "a result names no rule") }
        if let rule, let named, rule.id != named, !named.hasPrefix(rule.id + "/") { throw .malformed(.sarif, "a result's ruleId and ruleIndex disagree") }
        let whole = try ReportText.id(ruleID, .sarif)
        let id = Self.vulnerability(in: whole) ?? whole
        let texts = [result.message?.text, rule?.help?.text].compactMap(\.self)
        let fix = texts.lazy.compactMap { Self.line("Fixed Version:", in: $0) ?? Self.line("Fix Version:", in: $0) }.first
        return Finding(
            id: id, aliases: ReportText.aliases([whole], of: id), severity: rule?.properties?.score.flatMap(ReportText.severity(score:)),
            package: ReportText.text(texts.lazy.compactMap { Self.line("Package:", in: $0) }.first),
            fixedIn: fix.map(ReportText.text) ?? "a version that the report does not name")
    }

    /// The vulnerability in a rule's id: Grype appends the package to it.
    private static func vulnerability(in rule: String) -> String? {
        guard let match = rule.prefixMatch(of: /CVE-[0-9]{4}-[0-9]{4,}|GHSA(?:-[0-9a-z]{4}){3}/), rule[match.range.upperBound...].first.map({ $0 == "-" }) ?? true else {
            return nil
        }
        return String(match.output)
    }

    private static func line(_ key: String, in text: String) -> String? {
        for line in text.prefix(4_000).split(whereSeparator: \.isNewline) where line.hasPrefix(key) { return String(line.dropFirst(key.count)) }
        return nil
    }
}

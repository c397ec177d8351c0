import Foundation
import OCI

/// Which form a report has, by the keys that only it has.
struct Sniff: Decodable {
    private let forms: [ScanReport.Format]

    static func format(of data: Data) throws(ScanReportError) -> ScanReport.Format {
        let sniff: Sniff
        do { sniff = try JSONDecoder().decode(Sniff.self, from: data) } catch { throw .notJSON }
        guard let format = sniff.forms.first, sniff.forms.count == 1 else { throw .unknownForm }
        return format
    }

    private enum Key: String, CodingKey, CaseIterable {
        case runs, version
        case schemaVersion = "SchemaVersion"
        case artifactName = "ArtifactName"
        case matches, descriptor
        case invocation, scanner, metadata
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let signs: [(ScanReport.Format, [Key])] = [
            (.sarif, [.runs, .version]), (.trivy, [.schemaVersion, .artifactName]), (.grype, [.matches, .descriptor]), (.cosignVuln, [.scanner, .metadata]),
        ]
        forms = signs.filter { $0.1.allSatisfy(container.contains) }.map(\.0)
    }
}

/// Texts and values that all forms share.
enum ReportText {
    /// At most `limit` bytes, without control characters.
    static func clip(_ text: String, to limit: Int) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            guard result.utf8.count + scalar.utf8.count <= limit else { break }
            result.unicodeScalars.append(scalar.properties.generalCategory == .control ? " " : scalar)
        }
        return result.trimmingCharacters(in: .whitespaces)
    }

    /// A vulnerability's name: policies accept by it, so it is taken whole or not at all.
    static func id(_ text: String, _ format: ScanReport.Format) throws(ScanReportError) -> String {
        guard (1...200).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .malformed(format, "'\(clip(text, to: 40))' is no vulnerability's id")
        }
        return text
    }

    /// Other names of the same one: those that are none are left out, since a name more only lets more exceptions match.
    static func aliases(_ texts: [String], of id: String) -> [String] {
        var seen: Set<String> = [id]
        return texts.filter { (1...200).contains($0.utf8.count) && $0.utf8.allSatisfy { (0x21...0x7E).contains($0) } && seen.insert($0).inserted }.prefix(20).map(\.self)
    }

    /// `nil` is a word that says that it is not known, or none that we know: policies treat it as the worst, unless they say otherwise.
    static func severity(_ word: String?) -> Severity? {
        switch word?.lowercased() {
        case "critical": .critical
        case "high", "important": .high
        case "medium", "moderate": .medium
        case "low": .low
        case "negligible", "unimportant", "informational", "info": .negligible
        default: nil
        }
    }

    /// CVSS v3's own words for its scores (specification §5). 0 is what scanners write where there is no score.
    static func severity(score: Double) -> Severity? {
        switch score {
        case 9.0...10.0: .critical
        case 7.0..<9.0: .high
        case 4.0..<7.0: .medium
        case 0.1..<4.0: .low
        default: nil
        }
    }

    /// The digests in `repository@sha256:…`, or bare ones.
    static func digests(_ references: [String]) -> [Digest] {
        references.prefix(100).compactMap { reference in
            let text = reference.split(separator: "@", omittingEmptySubsequences: false).last.map(String.init) ?? ""
            do { return try Digest(parsing: text) } catch { return nil }
        }
    }

    static func text(_ value: String?) -> String? {
        guard let value else { return nil }
        let clipped = clip(value, to: 200)
        return clipped.isEmpty ? nil : clipped
    }
}

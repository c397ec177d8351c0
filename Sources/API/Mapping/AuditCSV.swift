import AuditLog
import Foundation
import PromotionCore

/// Audit entries as CSV (RFC 4180), for spreadsheets.
enum AuditCSV {
    static let header =
        "index,time,actor,actorAuth,action,outcome,image,digest,environment,fromEnvironment,tags,promotionId,requestId,policyVersion,reason,id,leafHash\r\n"

    static func row(_ act: ListedAct) throws(AuditEntryError) -> String {
        let entry = try AuditEntry(canonical: act.canonicalText)
        let fields: [String?] = [
            act.index.map(String.init), entry.time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)), entry.actor.id, entry.actor.authentication.rawValue,
            entry.action, entry.outcome.rawValue,
            entry.subject.image, entry.subject.digest, entry.subject.environment, entry.subject.fromEnvironment, entry.subject.tags.joined(separator: " "),
            entry.subject.promotionID, entry.requestID, entry.policyVersion, entry.reason, entry.id.uuidString.lowercased(), act.leafHash.description,
        ]
        return fields.map { cell($0 ?? "") }.joined(separator: ",") + "\r\n"
    }

    /// A cell that no spreadsheet takes for a formula: what could begin one gets an apostrophe before it, and line breaks stay inside quotes.
    static func cell(_ text: String) -> String {
        guard let first = text.unicodeScalars.first else { return "" }
        let isFormula = "=+-@\t\r\n\u{FF1D}\u{FF0B}\u{FF0D}\u{FF20}".unicodeScalars.contains(first)
        let safe = isFormula ? "'" + text : text
        guard safe.unicodeScalars.contains(where: { ",\"\r\n;\t'".unicodeScalars.contains($0) }) else { return safe }
        return "\"" + safe.replacing("\"", with: "\"\"") + "\""
    }
}

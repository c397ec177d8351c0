import AuditLog
import Foundation
import HTTPTypes
import Hummingbird
import OCI
import PolicyEngine
import PromotionCore

/// What a question to the audit log says.
enum AuditQuery {
    /// How the answer is written.
    enum Format: String, CaseIterable {
        case json, ndjson, csv

        var mediaType: String {
            switch self {
            case .json: "application/json; charset=utf-8"
            case .ndjson: "application/x-ndjson"
            case .csv: "text/csv; charset=utf-8; header=present"
            }
        }
    }

    private static let maximumActions = 20

    static func filter(_ request: Request) throws(Problem) -> AuditFilter {
        var filter = AuditFilter()
        filter.actor = try text(request, "actor").map(SubjectID.init(stored:))
        filter.actorAuthentication = try word(request, "actorAuth")
        filter.actions = try text(request, "action").map { $0.split(separator: ",").map(String.init) } ?? []
        guard filter.actions.count <= maximumActions else { throw .unacceptable("action", "at most \(maximumActions) actions, separated by commas") }
        filter.outcome = try word(request, "outcome")
        if let text = try text(request, "image") { filter.image = try RequestParsing.image(text) }
        if let text = try text(request, "digest") { filter.digest = try RequestParsing.digest(text) }
        if let text = try text(request, "environment") { filter.environment = try RequestParsing.environment(text, field: "environment") }
        if let text = try text(request, "fromEnvironment") { filter.fromEnvironment = try RequestParsing.environment(text, field: "fromEnvironment") }
        if let text = try text(request, "tag") { filter.tag = try RequestParsing.tag(text, field: "tag") }
        if let text = try text(request, "promotion") {
            guard let id = PromotionID(parsing: text) else { throw .invalid("promotion", "'\(text.prefix(60))' is no promotion's id") }
            filter.promotion = id
        }
        filter.requestID = try text(request, "requestId")
        filter.policyVersion = try text(request, "policyVersion")
        filter.text = try text(request, "q")
        if let text = filter.text, text.count < 3 { throw .unacceptable("q", "at least three characters") }
        filter.since = try RequestParsing.date(request, "since")
        filter.until = try RequestParsing.date(request, "until")
        guard filter.isBounded else {
            throw .unacceptable(
                "since", "a search by this needs 'since', or one of actor, action, image, digest, environment, promotion: else it would read the whole log")
        }
        return filter
    }

    static func order(_ request: Request) throws(Problem) -> AuditOrder { try word(request, "order") ?? .newest }

    /// `format`, else what `Accept` asks for first.
    static func format(_ request: Request) throws(Problem) -> Format {
        if let format: Format = try word(request, "format") { return format }
        let accepted = request.headers[.accept] ?? ""
        if accepted.hasPrefix("application/x-ndjson") { return .ndjson }
        return accepted.hasPrefix("text/csv") ? .csv : .json
    }

    /// A place in the log; -1 is before the first.
    static func after(_ request: Request) throws(Problem) -> Int64? {
        guard let text = RequestParsing.query(request, "after") else { return nil }
        guard let index = Int64(text), index >= -1, index < 1 << 53 else { throw .unacceptable("after", "the number of an entry, or -1") }
        guard RequestParsing.query(request, "cursor") == nil else { throw .unacceptable("after", "goes without 'cursor'") }
        return index
    }

    /// An entry goes out as the bytes that are hashed, so that anyone can check them.
    static func line(_ act: ListedAct) -> String {
        "{\"index\":\(act.index.map(String.init) ?? "null"),\"leafHash\":\"\(act.leafHash)\",\"entry\":\(act.canonicalText)}"
    }

    private static func text(_ request: Request, _ name: String) throws(Problem) -> String? {
        guard let text = RequestParsing.query(request, name) else { return nil }
        guard (1...1024).contains(text.utf8.count), !text.utf8.contains(0) else { throw .unacceptable(name, "1 to 1,024 bytes, without NUL") }
        return text
    }

    private static func word<Word: RawRepresentable<String> & CaseIterable>(_ request: Request, _ name: String) throws(Problem) -> Word? {
        guard let text = RequestParsing.query(request, name) else { return nil }
        guard let word = Word(rawValue: text) else {
            throw .invalid(name, "'\(text.prefix(40))' is none of: \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return word
    }
}

public import Foundation

/// Whether the act did what it was meant to.
public enum AuditOutcome: String, Sendable, Hashable, Codable, CaseIterable {
    case success, failure, denied
}

/// Who acted, and how we know.
public struct AuditActor: Sendable, Hashable {
    /// How the actor was authenticated.
    public enum Authentication: String, Sendable, Hashable, CaseIterable {
        /// An API token of ours.
        case token
        /// A token of an issuer that is trusted: OpenID Connect.
        case oidc
        /// A browser in which somebody has logged in.
        case session
        /// The service itself.
        case service
        /// Nobody: the request was refused.
        case none
    }

    /// A stable id such as `token:0192…` or `system:worker`.
    public let id: String
    public let authentication: Authentication

    public init(id: String, authentication: Authentication) {
        self.id = id
        self.authentication = authentication
    }
}

/// One act: what is hashed is its canonical text (RFC 8785), never a database row.
///
/// The top-level keys are flat, because the database derives its query columns from the text. Absent keys are left out.
public struct AuditEntry: Sendable, Hashable {
    /// Version of the entry's form. A reader of version 1 finds these keys and no others.
    public static let schema: Int64 = 1
    /// Largest canonical text, in bytes.
    public static let maximumBytes = 65_536

    public let id: UUID
    /// Microseconds since 1970.
    public let timeMicros: Int64
    public let actor: AuditActor
    /// `promotion.requested`, `token.created`, … : a subject and what happened to it.
    public let action: String
    public let outcome: AuditOutcome
    public let subject: Subject
    public let requestID: String?
    public let policyVersion: String?
    public let reason: String?
    public let before: JSONValue?
    public let after: JSONValue?
    public let details: [String: JSONValue]
    /// The bytes that are hashed, as text.
    public let canonicalText: String

    /// What an act was about.
    public struct Subject: Sendable, Hashable {
        public var image: String?
        public var digest: String?
        public var environment: String?
        public var fromEnvironment: String?
        public var tags: [String]
        public var promotionID: String?

        public init(
            image: String? = nil, digest: String? = nil, environment: String? = nil, fromEnvironment: String? = nil,
            tags: [String] = [],
            promotionID: String? = nil
        ) {
            self.image = image
            self.digest = digest
            self.environment = environment
            self.fromEnvironment = fromEnvironment
            self.tags = tags
            self.promotionID = promotionID
        }
    }

    /// Makes an entry and its canonical text.
    ///
    /// - Parameters:
    ///   - time: kept in microseconds.
    ///   - reason: clipped to 4,096 bytes.
    ///   - before: `.null` counts as absent, like `after`.
    public init(
        id: UUID, time: Date, actor: AuditActor, action: String, outcome: AuditOutcome, subject: Subject = Subject(),
        requestID: String? = nil,
        policyVersion: String? = nil, reason: String? = nil, before: JSONValue? = nil, after: JSONValue? = nil,
        details: [String: JSONValue] = [:]
    ) throws(AuditEntryError) {
        let micros = (time.timeIntervalSince1970 * 1_000_000).rounded()
        guard abs(micros) <= Double(JSONValue.largestInteger) else { throw .timeOutOfRange }
        try self.init(
            id: id, timeMicros: Int64(micros), actor: actor, action: action, outcome: outcome,
            subject: subject, requestID: requestID, policyVersion: policyVersion,
            reason: reason.map { Self.clip($0, to: 4096) },
            before: before == .null ? nil : before, after: after == .null ? nil : after, details: details)
    }

    private init(
        id: UUID, timeMicros: Int64, actor: AuditActor, action: String, outcome: AuditOutcome, subject: Subject,
        requestID: String?,
        policyVersion: String?, reason: String?, before: JSONValue?, after: JSONValue?, details: [String: JSONValue]
    ) throws(AuditEntryError) {
        self.id = id
        self.timeMicros = timeMicros
        self.actor = actor
        self.action = action
        self.outcome = outcome
        self.subject = subject
        self.requestID = requestID
        self.policyVersion = policyVersion
        self.reason = reason
        self.before = before
        self.after = after
        self.details = details
        var members: [String: JSONValue] = [
            "schema": .integer(Self.schema), "id": .string(id.uuidString.lowercased()),
            "timeMicros": .integer(timeMicros),
            "actor": .string(actor.id), "actorAuth": .string(actor.authentication.rawValue), "action": .string(action),
            "outcome": .string(outcome.rawValue),
        ]
        let texts: [(String, String?)] = [
            ("image", subject.image), ("digest", subject.digest), ("environment", subject.environment),
            ("fromEnvironment", subject.fromEnvironment), ("promotionId", subject.promotionID),
            ("requestId", requestID),
            ("policyVersion", policyVersion), ("reason", reason),
        ]
        for (key, text) in texts { members[key] = text.map(JSONValue.string) }
        if !subject.tags.isEmpty { members["tags"] = .array(subject.tags.map(JSONValue.string)) }
        members["before"] = before
        members["after"] = after
        if !details.isEmpty { members["details"] = .object(details) }
        var text = ""
        try JSONValue.object(members).appendCanonical(to: &text)
        guard text.utf8.count <= Self.maximumBytes else {
            throw .tooLarge(bytes: text.utf8.count, limit: Self.maximumBytes)
        }
        canonicalText = text
    }

    /// The entry's time.
    public var time: Date { Date(timeIntervalSince1970: Double(timeMicros) / 1_000_000) }

    /// RFC 6962 §2.1: the hash of this entry as a leaf.
    public var leafHash: MerkleHash { MerkleHash(leaf: canonicalText.utf8) }

    private static let cutMark = "… [cut]"

    /// Cuts text from outside to a length in bytes of UTF-8, marks the cut, and replaces NUL, which the database can't hold.
    ///
    /// In bytes, because one character can have any number of them, and an entry that grew too large would stop its act.
    public static func clip(_ text: String, to limit: Int) -> String {
        // No more than the limit's bytes are looked at, however long the text is.
        var clean = ""
        var length = 0
        for scalar in text.unicodeScalars {
            let kept = scalar == "\u{0}" ? "\u{FFFD}" : scalar
            length += UTF8.width(kept)
            guard length <= limit else { return marked(clean, limit: limit) }
            clean.unicodeScalars.append(kept)
        }
        return clean
    }

    private static func marked(_ text: String, limit: Int) -> String {
        let mark = limit >= cutMark.utf8.count ? cutMark : ""
        var cut = text
        while cut.utf8.count + mark.utf8.count > limit, cut.unicodeScalars.popLast() != nil {}
        return cut + mark
    }
}

extension AuditEntry {
    /// Reads an entry back. The text must be canonical to the byte.
    public init(canonical text: String) throws(AuditEntryError) {
        let fields = try EntryFields(Array(text.utf8))
        guard let actor = fields.text(.actor), let action = fields.text(.action),
            let authentication = fields.text(.actorAuth).flatMap(AuditActor.Authentication.init(rawValue:)),
            let outcome = fields.text(.outcome).flatMap(AuditOutcome.init(rawValue:))
        else { throw .malformed("a key is missing") }
        var details: [String: JSONValue] = [:]
        if case .object(let members) = try fields.value(.details) { details = members }
        try self.init(
            id: fields.id, timeMicros: fields.timeMicros, actor: AuditActor(id: actor, authentication: authentication),
            action: action,
            outcome: outcome,
            subject: Subject(
                image: fields.text(.image), digest: fields.text(.digest), environment: fields.text(.environment),
                fromEnvironment: fields.text(.fromEnvironment), tags: fields.tags.map(fields.reader.text),
                promotionID: fields.text(.promotionId)),
            requestID: fields.text(.requestId), policyVersion: fields.text(.policyVersion),
            reason: fields.text(.reason),
            before: try fields.value(.before), after: try fields.value(.after), details: details)
        // Swift's == takes composed and decomposed letters for the same; the hash doesn't.
        guard canonicalText.utf8.elementsEqual(text.utf8) else { throw .notCanonical }
    }
}

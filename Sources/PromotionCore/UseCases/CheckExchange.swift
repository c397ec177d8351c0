import Crypto
public import Foundation
import OCI
public import PolicyEngine

/// A message as it goes over the wire.
public struct SignedMessage: Sendable, Hashable {
    public let id: String
    /// Seconds since 1970.
    public let timestamp: String
    public let signature: String
    public let body: Data
}

/// The secret that both sides know. It does not print itself.
public struct CheckSecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Fewest bytes of a secret.
    public static let minimumBytes = 24
    let key: SymmetricKey

    /// Reads `whsec_` and Base64, as Standard Webhooks spells secrets, or takes any other text as it is; `nil` where it is too short.
    public init?(parsing text: String) {
        let prefix = "whsec_"
        let bytes = text.hasPrefix(prefix) ? Data(base64Encoded: String(text.dropFirst(prefix.count))) : Data(text.utf8)
        guard let bytes, bytes.count >= Self.minimumBytes else { return nil }
        key = SymmetricKey(data: bytes)
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// How questions are put to services outside, and which answers are believed.
///
/// Both ways are signed as Standard Webhooks says (HMAC-SHA256 over `id.timestamp.body`, https://www.standardwebhooks.com), with the same key.
/// The answer carries the id of the question in its header and body, and the digest that was asked about, so that no answer stands for another
/// question; its type tells it from a question, so that none comes back as its own answer.
public enum CheckExchange {
    /// Largest answer, in bytes.
    public static let maximumAnswerBytes = 65_536
    /// How far the service's clock may be from ours, in seconds.
    public static let tolerance = 300.0
    static let questionType = "shiplift.check"
    static let answerType = "shiplift.check.answer"

    private struct QuestionBody: Encodable {
        let type: String
        let id: String
        let check: String
        let image: String
        let digest: String
        let from: String
        let to: String
        let tag: String?
        let targetTags: [String]
        let requester: String
        let policyVersion: String
    }

    private struct AnswerBody: Decodable {
        let type: String
        let id: String
        let digest: String
        let outcome: String
        let reason: String?
        let retryAfterSeconds: Double?
    }

    /// The question as it is sent.
    public static func message(_ question: CheckQuestion, to endpoint: CheckEndpoint, secret: CheckSecret) throws -> SignedMessage {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let body = try encoder.encode(
            QuestionBody(
                type: questionType, id: id(question), check: endpoint.name, image: question.image.description, digest: question.digest.description,
                from: question.from.description, to: question.to.description, tag: question.sourceTag?.description,
                targetTags: question.targetTags.map(\.description), requester: question.requester, policyVersion: question.policyVersion))
        let timestamp = String(Int(question.askedAt.timeIntervalSince1970))
        return SignedMessage(id: id(question), timestamp: timestamp, signature: sign(id(question), timestamp, body, secret), body: body)
    }

    /// What an answer says; every answer that can't be believed is ``CheckFact/Outcome/failed`` and says why.
    ///
    /// - Parameter field: a header field of the answer, by its name in small letters.
    public static func fact(
        _ question: CheckQuestion, of endpoint: CheckEndpoint, secret: CheckSecret, status: Int, body: Data, at now: Date, field: (String) -> String?
    ) -> CheckFact {
        func fact(_ outcome: CheckFact.Outcome, _ reason: String, _ retryAt: Date? = nil) -> CheckFact {
            CheckFact(endpoint: endpoint.name, digest: question.digest, outcome: outcome, reason: reason, askedAt: question.askedAt, retryAt: retryAt)
        }
        guard status == 200 else { return fact(.failed, "it answered with status \(status)") }
        guard body.count <= maximumAnswerBytes else { return fact(.failed, "its answer is too long") }
        guard let timestamp = field("webhook-timestamp"), let seconds = Double(timestamp), abs(now.timeIntervalSince1970 - seconds) <= tolerance else {
            return fact(.failed, "its answer carries no time, or one too far from ours")
        }
        guard field("webhook-id") == id(question), let signatures = field("webhook-signature") else {
            return fact(.failed, "its answer is not one to this question, or is not signed")
        }
        guard signatures.utf8.count <= 2_048, verify(signatures, id(question), timestamp, body, secret) else {
            return fact(.failed, "the signature of its answer does not verify")
        }
        let answer: AnswerBody
        do { answer = try JSONDecoder().decode(AnswerBody.self, from: body) } catch { return fact(.failed, "its answer can't be read") }
        guard answer.type == answerType, answer.id == id(question), answer.digest == question.digest.description,
            let outcome = CheckFact.Outcome(rawValue: answer.outcome), outcome != .failed
        else { return fact(.failed, "its answer is about something else, or says none of allow, deny, wait") }
        let pause = answer.retryAfterSeconds.map { min(max($0, 1), 30 * 86_400) }
        return fact(outcome, line(answer.reason ?? ""), outcome == .wait ? pause.map { now.addingTimeInterval($0) } : nil)
    }

    /// Signs an answer, as the other side does.
    static func sign(_ id: String, _ timestamp: String, _ body: Data, _ secret: CheckSecret) -> String {
        let code = HMAC<SHA256>.authenticationCode(for: Data("\(id).\(timestamp).".utf8) + body, using: secret.key)
        return "v1,\(Data(code).base64EncodedString())"
    }

    /// Whether one of the signatures is good. While a secret is exchanged for another, a sender may send several.
    private static func verify(_ signatures: String, _ id: String, _ timestamp: String, _ body: Data, _ secret: CheckSecret) -> Bool {
        let signed = Data("\(id).\(timestamp).".utf8) + body
        return signatures.split(separator: " ").prefix(8).contains { text in
            guard text.hasPrefix("v1,"), let code = Data(base64Encoded: String(text.dropFirst(3))) else { return false }
            return HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: signed, using: secret.key)
        }
    }

    private static func id(_ question: CheckQuestion) -> String { "chk_\(question.id.uuidString.lowercased())" }

    /// One line of at most 300 characters.
    private static func line(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(300).map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : $0 }))
    }
}

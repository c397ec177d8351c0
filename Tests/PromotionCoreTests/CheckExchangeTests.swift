import Foundation
import OCI
import PolicyEngine
import Testing

@testable import PromotionCore

/// Which answers of a service outside are believed.
@Suite struct CheckExchangeTests {
    private static let text = "whsec_" + Data(repeating: 7, count: 32).base64EncodedString()
    private let now = Date(timeIntervalSince1970: 1_795_528_496)

    private func exchange() throws -> (question: CheckQuestion, endpoint: CheckEndpoint, secret: CheckSecret) {
        let files = [
            PolicyFile(
                path: "environments.yaml",
                text: """
                    version: 1
                    kind: Environments
                    environments:
                      - { name: dev, registries: [{ url: "https://dev.example.test" }] }
                      - { name: test, registries: [{ url: "https://test.example.test" }] }
                    checks: { ticket: { url: "https://checks.example.test/x", secret: { fromEnv: S } } }
                    """)
        ]
        let set = try PolicySet(files: files, commit: nil)
        let question = CheckQuestion(
            id: try #require(UUID(uuidString: "01234567-89AB-7DEF-8123-456789ABCDEF")), askedAt: now, image: try ImageName(parsing: "shop/api"),
            digest: Digest(hashing: Data("x".utf8)), from: set.environments[0].name, to: set.environments[1].name, sourceTag: try Tag(parsing: "1.4.2"),
            targetTags: [try Tag(parsing: "1.4.2")], requester: "token:x", policyVersion: "abc")
        return (question, try #require(set.checks["ticket"]), try #require(CheckSecret(parsing: Self.text)))
    }

    private struct Answer {
        var id = "chk_01234567-89ab-7def-8123-456789abcdef"
        var time = 1_795_528_496
        var members: [String: String]
        var secret = CheckExchangeTests.text
        var status = 200
    }

    private func fact(_ change: (inout Answer) -> Void) throws -> CheckFact {
        let (question, endpoint, _) = try exchange()
        var answer = Answer(members: [
            "type": "shiplift.check.answer", "id": "chk_01234567-89ab-7def-8123-456789abcdef", "digest": question.digest.description, "outcome": "allow",
            "reason": "CHG-7\nis\u{1B}[31m approved",
        ])
        change(&answer)
        let body = try JSONEncoder().encode(answer.members)
        let signature = CheckExchange.sign(answer.id, "\(answer.time)", body, try #require(CheckSecret(parsing: answer.secret)))
        let fields = ["webhook-id": answer.id, "webhook-timestamp": "\(answer.time)", "webhook-signature": "v1,AAAA \(signature)"]
        return CheckExchange.fact(
            question, of: endpoint, secret: try #require(CheckSecret(parsing: Self.text)), status: answer.status, body: body, at: now, field: { fields[$0] })
    }

    @Test func aGoodAnswerIsTaken() throws {
        let fact = try fact { _ in }
        #expect(fact.outcome == .allow && fact.reason == "CHG-7 is [31m approved" && fact.endpoint == "ticket" && fact.askedAt == now)
        #expect(try self.fact { $0.members["outcome"] = "deny" }.outcome == .deny)
        #expect(try self.fact { $0.members["outcome"] = "wait" }.outcome == .wait)
    }

    @Test func whatCantBeBelievedHasFailed() throws {
        let forgeries: [(String, (inout Answer) -> Void)] = [
            ("another key", { $0.secret = String(repeating: "x", count: 32) }), ("another question", { $0.id = "chk_11111111-89ab-7def-8123-456789abcdef" }),
            ("another id in the body", { $0.members["id"] = "chk_1" }), ("another digest", { $0.members["digest"] = "sha256:00" }),
            ("too old", { $0.time -= 301 }), ("from the future", { $0.time += 301 }), ("a question as its own answer", { $0.members["type"] = "shiplift.check" }),
            ("an outcome that is none", { $0.members["outcome"] = "yes" }), ("our own word for failure", { $0.members["outcome"] = "failed" }),
            ("no outcome", { $0.members["outcome"] = nil }), ("an error", { $0.status = 500 }), ("a redirect", { $0.status = 302 }),
        ]
        for (name, change) in forgeries {
            let fact = try fact(change)
            #expect(fact.outcome == .failed && !fact.reason.isEmpty, "\(name)")
        }
    }

    @Test func theBodyIsWhatIsSigned() throws {
        let (question, endpoint, secret) = try exchange()
        let good = Data(#"{"type":"shiplift.check.answer","id":"chk_01234567-89ab-7def-8123-456789abcdef","digest":"\#(question.digest)","outcome":"deny"}"#.utf8)
        let bad = Data(String(decoding: good, as: UTF8.self).replacing("deny", with: "allow").utf8)
        let id = "chk_01234567-89ab-7def-8123-456789abcdef"
        let fields = ["webhook-id": id, "webhook-timestamp": "1795528496", "webhook-signature": CheckExchange.sign(id, "1795528496", good, secret)]
        func outcome(_ body: Data, _ fields: [String: String]) -> CheckFact.Outcome {
            CheckExchange.fact(question, of: endpoint, secret: secret, status: 200, body: body, at: now, field: { fields[$0] }).outcome
        }
        #expect(outcome(good, fields) == .deny && outcome(bad, fields) == .failed)
        for missing in fields.keys { #expect(outcome(good, fields.filter { $0.key != missing }) == .failed) }
        for signature in ["", "v1,", "v1", "v2," + (fields["webhook-signature"] ?? "").dropFirst(3), String(repeating: "v1,AAAA ", count: 1_000)] {
            #expect(outcome(good, fields.merging(["webhook-signature": signature]) { $1 }) == .failed)
        }
    }

    /// The bytes, and the signature that another implementation makes of them.
    @Test func theQuestionIsSignedAsStandardWebhooksSays() throws {
        let (question, endpoint, secret) = try exchange()
        let message = try CheckExchange.message(question, to: endpoint, secret: secret)
        let body = try #require(JSONSerialization.jsonObject(with: message.body) as? [String: Any])
        #expect(body["type"] as? String == "shiplift.check" && body["digest"] as? String == question.digest.description && body["to"] as? String == "test")
        #expect(message.id == body["id"] as? String && message.timestamp == "1795528496")
        let test = CheckExchange.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", Data(#"{"test": 2432232314}"#.utf8),
            try #require(CheckSecret(parsing: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
        #expect(test == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "the example of the specification")
    }

    @Test func secretsAreLongAndDoNotPrintThemselves() throws {
        #expect(CheckSecret(parsing: "short") == nil && CheckSecret(parsing: "whsec_") == nil && CheckSecret(parsing: "whsec_***") == nil)
        let secret = try #require(CheckSecret(parsing: "hunter2hunter2hunter2hunter2"))
        var dumped = ""
        dump(secret, to: &dumped)
        #expect("\(secret) \(String(reflecting: secret)) \(dumped)".contains("hunter2") == false)
    }
}

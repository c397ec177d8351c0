import AuditLog
import Foundation
import HTTPTransport
import PromotionCore

/// Posts checkpoints to a receiver, signed as Standard Webhooks says.
struct WebhookCheckpointSink: CheckpointSink {
    let url: HTTPURL
    let secret: CheckSecret
    let http: HTTPClient
    let proxy: OutgoingProxy
    let now: @Sendable () -> Date

    /// Without the query, which may hold a secret.
    var name: String { "webhook \(url.origin)\(url.path)" }

    private struct Body: Encodable {
        let type = "shiplift.audit.checkpoint"
        let checkpoint: String
        let size: UInt64
    }

    func publish(
        _ note: String, size: UInt64, after published: UInt64, path: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> Cosignature? {
        let status: Int
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            // The same checkpoint has the same id, however often it is sent.
            let message = SignedMessage(id: "cp_\(size)", at: now(), body: try encoder.encode(Body(checkpoint: note, size: size)), secret: secret)
            let fields = try HTTPFields([
                "Content-Type": "application/json", "User-Agent": "shiplift", "webhook-id": message.id, "webhook-timestamp": message.timestamp,
                "webhook-signature": message.signature,
            ])
            status = try await http.send(HTTPRequest(.post, url, fields: fields, body: Array(message.body)), settings: .checkpoints(url, proxy), maximumBodyBytes: 65_536).status
        } catch { throw CheckpointSinkFailure("\(error)") }
        guard (200..<300).contains(status) else { throw CheckpointSinkFailure("it answered with status \(status)") }
        return nil
    }

    func newest() async throws(CheckpointSinkFailure) -> String? { nil }
}

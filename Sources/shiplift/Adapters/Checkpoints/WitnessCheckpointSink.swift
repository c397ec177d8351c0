import AuditLog
import Foundation
import HTTPTransport
import PromotionCore

/// Asks a witness to cosign (C2SP tlog-witness): it signs only what continues all that it has seen of the log.
struct WitnessCheckpointSink: CheckpointSink {
    let url: HTTPURL
    let witness: WitnessVerifier
    let http: HTTPClient
    let proxy: OutgoingProxy

    var name: String { "witness \(witness.name)" }

    func publish(
        _ note: String, size: UInt64, after published: UInt64, path: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> Cosignature? {
        var old = published
        // The second time with the size that the witness says it has.
        for _ in 0..<2 {
            let response = try await ask(old, note, path)
            let text = String(decoding: response.body, as: UTF8.self)
            switch response.status {
            case 200:
                do { return Cosignature(witness: witness.name, line: try witness.cosignature(in: text, of: note).line) } catch {
                    throw CheckpointSinkFailure("its cosignature: \(error)")
                }
            case 409:
                guard let known = WitnessRequest.size(in: text) else { throw CheckpointSinkFailure("it refuses the checkpoint: it has seen another log of this size") }
                guard known <= size else { throw CheckpointSinkFailure("it has cosigned \(known) entries, more than the log's \(size)") }
                guard known != old else { throw CheckpointSinkFailure("it has seen another log of \(known) entries") }
                old = known
            case 422: throw CheckpointSinkFailure("it refuses the checkpoint: the log does not continue what it has seen")
            default: throw CheckpointSinkFailure("it answered with status \(response.status)")
            }
        }
        throw CheckpointSinkFailure("it does not keep to one size")
    }

    private func ask(
        _ old: UInt64, _ note: String, _ path: @Sendable (UInt64) async throws -> [MerkleHash]
    ) async throws(CheckpointSinkFailure) -> HTTPResponse {
        do {
            let proof = old == 0 ? [] : try await path(old)
            let request = HTTPRequest(
                .post, try url.appending(path: "add-checkpoint"), fields: try HTTPFields(["Content-Type": "text/plain; charset=utf-8", "User-Agent": "shiplift"]),
                body: Array(WitnessRequest(old: old, path: proof, note: note).body.utf8))
            return try await http.send(request, settings: .checkpoints(url, proxy), maximumBodyBytes: WitnessVerifier.maximumAnswer)
        } catch { throw CheckpointSinkFailure("\(error)") }
    }

    func newest() async throws(CheckpointSinkFailure) -> String? { nil }
}

extension ConnectionSettings {
    /// For places outside: none may hang for long.
    static func checkpoints(_ url: HTTPURL, _ proxy: OutgoingProxy) -> ConnectionSettings {
        var settings = ConnectionSettings()
        settings.proxy = proxy.settings(for: url)
        settings.totalTimeout = .seconds(30)
        settings.stallTimeout = .seconds(15)
        return settings
    }
}

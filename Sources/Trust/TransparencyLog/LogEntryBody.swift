import Foundation

/// What a Rekor entry says was signed: kinds `hashedrekord` 0.0.1, `dsse` 0.0.1 and `intoto` 0.0.2 (sigstore/rekor, pkg/types).
///
/// An entry about something else proves nothing (CVE-2026-22703): its hash, signature and key must be those at hand.
struct LogEntryBody {
    private let kind: String
    private let spec: JSON

    init(_ body: Data) throws(TrustError) {
        let document = try JSON.parse(body, as: "the log entry's body")
        guard let kind = document["kind"]?.text, let spec = document["spec"] else { throw .malformed("the log entry's body", reason: "it has no kind or spec") }
        self.kind = "\(kind) \(document["apiVersion"]?.text ?? "")"
        self.spec = spec
    }

    func check(_ signed: SignedMaterial, _ signature: Data, _ verifier: LogVerifier) throws(TrustError) {
        switch kind {
        case "hashedrekord 0.0.1":
            try check(hash: spec["data"]?["hash"], of: signed.message)
            try check(signature, verifier, claimed: spec["signature"]?["content"], key: spec["signature"]?["publicKey"]?["content"], encodings: 1)
        case "dsse 0.0.1":
            try check(hash: spec["payloadHash"], of: signed.payload)
            guard let list = spec["signatures"]?.items, list.count == 1 else { throw .log(reason: "the entry has not exactly one signature") }
            try check(signature, verifier, claimed: list[0]["signature"], key: list[0]["verifier"], encodings: 1)
        case "intoto 0.0.2":
            try check(hash: spec["content"]?["payloadHash"], of: signed.payload)
            guard let list = spec["content"]?["envelope"]?["signatures"]?.items, list.count == 1 else {
                throw .log(reason: "the entry has not exactly one signature")
            }
            // The signature stands there in base64 of base64.
            try check(signature, verifier, claimed: list[0]["sig"], key: list[0]["publicKey"], encodings: 2)
        default: throw .log(reason: "the entry is of the kind '\(kind.excerpt)', which is not understood")
        }
    }

    private func check(hash: JSON?, of data: Data) throws(TrustError) {
        guard hash?["algorithm"]?.text == "sha256", hash?["value"]?.text == data.sha256.hex else {
            throw .log(reason: "the entry is about something else that was signed")
        }
    }

    private func check(_ signature: Data, _ verifier: LogVerifier, claimed: JSON?, key: JSON?, encodings: Int) throws(TrustError) {
        var logged = try Encodings.base64(claimed, "the log entry's signature")
        for _ in 1..<encodings { logged = try Encodings.base64(String(decoding: logged, as: UTF8.self), "the log entry's signature") }
        guard logged == signature else { throw .log(reason: "the entry is about another signature") }
        guard verifier.matches(pem: try Encodings.base64(key, "the log entry's key")) else { throw .log(reason: "the entry is about another key or certificate") }
    }
}

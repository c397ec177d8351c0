import Foundation

/// A DSSE envelope (secure-systems-lab/dsse, envelope.md). The payload is opaque until a signature verifies.
struct Envelope: Sendable, Hashable {
    static let inTotoType = "application/vnd.in-toto+json"
    /// Bytes of a whole envelope.
    static let maximumBytes = 16 << 20
    let payloadType: String
    let payload: Data
    let signatures: [Data]

    init(parsing data: Data) throws(TrustError) {
        guard data.count <= Self.maximumBytes else { throw .tooLarge("the attestation", limit: Self.maximumBytes) }
        try self.init(try JSON.parse(data, as: "the DSSE envelope"))
    }

    init(_ document: JSON) throws(TrustError) {
        guard let type = document["payloadType"]?.text else { throw .malformed("the DSSE envelope", reason: "it has no payloadType") }
        guard let list = document["signatures"]?.items, !list.isEmpty else { throw .malformed("the DSSE envelope", reason: "it has no signature") }
        guard list.count <= 16 else { throw .tooLarge("the DSSE envelope's list of signatures", limit: 16) }
        var signatures: [Data] = []
        for item in list { signatures.append(try Encodings.base64(item["sig"], "a signature of the DSSE envelope")) }
        payloadType = type
        payload = try Encodings.base64(document["payload"], "the DSSE payload")
        self.signatures = signatures
    }

    /// What is signed (protocol.md, "Signature Definition").
    var message: Data { Self.message(payloadType, payload) }

    static func message(_ type: String, _ payload: Data) -> Data {
        Data("DSSEv1 \(type.utf8.count) \(type) \(payload.count) ".utf8) + payload
    }
}

import Foundation
import X509

/// A Rekor entry as it comes with a signature: what the log holds, and how the log vouches for it.
struct LogEntry: Sendable, Hashable {
    static let maximumEntries = 16
    private static let maximumBody = 1 << 20
    let index: Int64
    let logID: Data
    /// Seconds since 1970. Means nothing without the log's promise.
    let integratedTime: Int64
    let body: Data
    let promise: Data?
    let proof: InclusionProof?

    /// Of a sigstore bundle (`TransparencyLogEntry`).
    init(bundled value: JSON) throws(TrustError) {
        guard let index = value["logIndex"]?.integer, index >= 0 else { throw .malformed("the log entry", reason: "it has no logIndex") }
        self.index = index
        logID = try Encodings.base64(value["logId"]?["keyId"], "the log entry's logId")
        integratedTime = value["integratedTime"]?.integer ?? 0
        body = try Self.bounded(try Encodings.base64(value["canonicalizedBody"], "the log entry's body"))
        promise = try value["inclusionPromise"].map { value throws(TrustError) in try Encodings.base64(value["signedEntryTimestamp"], "the log's promise") }
        proof = try value["inclusionProof"].map { value throws(TrustError) in try InclusionProof(value) }
    }

    /// Of cosign's annotation `dev.sigstore.cosign/bundle`.
    init(annotation text: String) throws(TrustError) {
        let document = try JSON.parse(Data(text.utf8), as: "the log entry")
        guard let payload = document["Payload"], let index = payload["logIndex"]?.integer, index >= 0, let time = payload["integratedTime"]?.integer,
            let id = payload["logID"]?.text, let logID = Data(hexadecimal: id)
        else { throw .malformed("the log entry", reason: "it lacks logIndex, integratedTime or logID") }
        self.index = index
        self.logID = logID
        integratedTime = time
        body = try Self.bounded(try Encodings.base64(payload["body"], "the log entry's body"))
        promise = try Encodings.base64(document["SignedEntryTimestamp"], "the log's promise")
        proof = nil
    }

    private static func bounded(_ body: Data) throws(TrustError) -> Data {
        guard body.count <= maximumBody else { throw .tooLarge("the log entry's body", limit: maximumBody) }
        return body
    }

    /// Checks the entry against a pinned log, and that it is about this very signature.
    ///
    /// - Returns: when the log says that it took the entry, where it signed that.
    func check(_ signed: SignedMaterial, _ signature: Data, verifier: LogVerifier, root: TrustedRoot) throws(TrustError) -> Date? {
        guard let log = root.logs.first(where: { $0.id == logID }) else { throw .log(reason: "the entry is of a log that is not pinned") }
        guard promise != nil || proof != nil else { throw .log(reason: "the entry has neither promise nor proof of the log") }
        var time: Date?
        if let promise {
            guard log.key.isValid(promise, of: promised) else { throw .badSignature("the log's promise (SET)") }
            time = Date(timeIntervalSince1970: Double(integratedTime))
            guard log.validity.contains(time ?? .distantPast) else { throw .outsideValidity("the log's key", at: time ?? .distantPast) }
        }
        if let proof {
            try proof.check(body, log: log)
        } else if signed.needsProof {
            throw .log(reason: "the entry has no inclusion proof")
        }
        try LogEntryBody(body).check(signed, signature, verifier)
        return time
    }

    /// What the log signs as its promise: canonical JSON (RFC 8785), keys in order.
    private var promised: Data {
        Data(#"{"body":"\#(body.base64EncodedString())","integratedTime":\#(integratedTime),"logID":"\#(logID.hex)","logIndex":\#(index)}"#.utf8)
    }
}

/// With what an entry says that its signature verifies.
enum LogVerifier: Sendable, Hashable {
    case key(PublicKey)
    case certificate(Certificate)

    func matches(pem data: Data) -> Bool {
        let text = String(decoding: data, as: UTF8.self)
        do throws(TrustError) {
            switch self {
            case .key(let key): return try PublicKey(pem: text) == key
            case .certificate(let certificate): return try Encodings.certificates(pem: text).first == certificate
            }
        } catch { return false }
    }
}

extension Data {
    init?(hexadecimal text: String) {
        guard text.utf8.count.isMultiple(of: 2), text.utf8.count <= 256 else { return nil }
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while !rest.isEmpty {
            guard let byte = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else { return nil }
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        self.init(bytes)
    }
}

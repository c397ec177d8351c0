public import Foundation
import X509

/// A pinned trust root file (sigstore/protobuf-specs, `TrustedRoot`): the authorities and logs that count, and when.
public struct TrustedRoot: Sendable, Hashable {
    /// A span of time, its ends included; open where an end is missing.
    struct Validity: Sendable, Hashable {
        let start: Date?
        let end: Date?

        func contains(_ time: Date) -> Bool { (start.map { $0 <= time } ?? true) && (end.map { time <= $0 } ?? true) }
    }

    /// A log's key, under the id that its entries bear.
    struct Log: Sendable, Hashable {
        let id: Data
        let key: PublicKey
        let validity: Validity
    }

    /// A certificate authority: its root, and the authorities between.
    struct Authority: Sendable, Hashable {
        let root: Certificate
        let intermediates: [Certificate]
        let validity: Validity
    }

    static let maximumBytes = 4 << 20
    let authorities: [Authority]
    let logs: [Log]
    let certificateLogs: [Log]

    /// Reads `trusted_root.json`. What it says counts as it stands: whoever pins it answers for it.
    public init(parsing data: Data) throws(TrustError) {
        guard data.count <= Self.maximumBytes else { throw .tooLarge("the trust root file", limit: Self.maximumBytes) }
        let document = try JSON.parse(data, as: "the trust root file")
        guard document["mediaType"]?.text?.hasPrefix("application/vnd.dev.sigstore.trustedroot") == true else {
            throw .malformed("the trust root file", reason: "its mediaType is not that of a sigstore trust root")
        }
        var authorities: [Authority] = []
        for item in document["certificateAuthorities"]?.items ?? [] {
            var chain: [Certificate] = []
            for certificate in item["certChain"]?["certificates"]?.items ?? [] {
                chain.append(try Encodings.certificate(der: try Encodings.base64(certificate["rawBytes"], "a certificate of the trust root file")))
            }
            guard let root = chain.popLast() else { throw .malformed("the trust root file", reason: "an authority has no certificate") }
            authorities.append(Authority(root: root, intermediates: chain, validity: try Self.validity(item["validFor"])))
        }
        self.authorities = authorities
        logs = try Self.logs(document["tlogs"])
        certificateLogs = try Self.logs(document["ctlogs"])
    }

    private static func logs(_ list: JSON?) throws(TrustError) -> [Log] {
        var logs: [Log] = []
        for item in list?.items ?? [] {
            let key = try PublicKey(der: try Encodings.base64(item["publicKey"]?["rawBytes"], "a log's key in the trust root file"))
            let id = try Encodings.base64(item["logId"]?["keyId"], "a log's id in the trust root file")
            logs.append(Log(id: id, key: key, validity: try validity(item["publicKey"]?["validFor"])))
        }
        return logs
    }

    private static func validity(_ value: JSON?) throws(TrustError) -> Validity {
        Validity(start: try time(value?["start"]), end: try time(value?["end"]))
    }

    private static func time(_ value: JSON?) throws(TrustError) -> Date? {
        guard let value, value != .null else { return nil }
        for style in [Date.ISO8601FormatStyle(), Date.ISO8601FormatStyle(includingFractionalSeconds: true)] {
            do { return try Date(value.text ?? "", strategy: style) } catch { continue }
        }
        throw .malformed("the trust root file", reason: "a time is not as RFC 3339 spells it")
    }
}

import Foundation
import SwiftASN1
import X509

/// A certificate transparency log's word that it has seen a certificate (RFC 6962 §3.2), embedded in the certificate (§3.3).
struct SignedCertificateTimestamp: Sendable, Hashable {
    private static let listExtension: ASN1ObjectIdentifier = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2]
    private static let maximumTimestamps = 16
    let logID: Data
    /// Milliseconds since 1970.
    let milliseconds: UInt64
    let extensions: Data
    let signature: Data

    var time: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1_000) }

    /// Demands one timestamp of a pinned log that counts at its own time. One of a pinned log that does not verify refuses the certificate.
    static func check(_ leaf: Certificate, issuer: Certificate, logs: [TrustedRoot.Log]) throws(TrustError) {
        guard !logs.isEmpty else { throw .certificate(reason: "no certificate transparency log is pinned") }
        var verified = 0
        for timestamp in try embedded(in: leaf) {
            guard let log = logs.first(where: { $0.id == timestamp.logID }) else { continue }
            guard log.validity.contains(timestamp.time) else { throw .outsideValidity("the certificate transparency log's key", at: timestamp.time) }
            guard log.key.isValid(timestamp.signature, of: try timestamp.message(leaf, issuer: issuer)) else {
                throw .badSignature("the signed certificate timestamp")
            }
            verified += 1
        }
        guard verified > 0 else { throw .certificate(reason: "it has no timestamp of a pinned certificate transparency log") }
    }

    static func embedded(in leaf: Certificate) throws(TrustError) -> [SignedCertificateTimestamp] {
        guard let list = leaf.extensions[oid: listExtension] else { return [] }
        let bytes: [UInt8]
        do { bytes = Array(try ASN1OctetString(derEncoded: Array(list.value)).bytes) } catch {
            throw .malformed("the list of signed certificate timestamps", reason: "it can't be decoded")
        }
        var outer = TLSReader(bytes, "the list of signed certificate timestamps")
        var entries = TLSReader(try outer.vector(lengthBytes: 2), outer.what)
        try outer.end()
        var timestamps: [SignedCertificateTimestamp] = []
        while !entries.isAtEnd {
            guard timestamps.count < maximumTimestamps else { throw .tooLarge(outer.what, limit: maximumTimestamps) }
            if let timestamp = try parse(try entries.vector(lengthBytes: 2)) { timestamps.append(timestamp) }
        }
        return timestamps
    }

    /// `nil` for a version that is not ours.
    private static func parse(_ bytes: [UInt8]) throws(TrustError) -> SignedCertificateTimestamp? {
        var reader = TLSReader(bytes, "a signed certificate timestamp")
        guard try reader.number(bytes: 1) == 0 else { return nil }
        let id = try reader.take(32)
        let time = try reader.number(bytes: 8)
        let extensions = try reader.vector(lengthBytes: 2)
        // RFC 5246 §7.4.1.4.1: SHA-256 with ECDSA or RSA.
        let (hash, algorithm) = (try reader.number(bytes: 1), try reader.number(bytes: 1))
        guard hash == 4, algorithm == 3 || algorithm == 1 else { throw .malformed(reader.what, reason: "its algorithm is not known") }
        let signature = try reader.vector(lengthBytes: 2)
        try reader.end()
        return SignedCertificateTimestamp(logID: Data(id), milliseconds: time, extensions: Data(extensions), signature: Data(signature))
    }

    /// RFC 6962 §3.2, `precert_entry`.
    private func message(_ leaf: Certificate, issuer: Certificate) throws(TrustError) -> Data {
        let tbs = try Self.precertificate(leaf)
        guard tbs.count < 1 << 24 else { throw .tooLarge("the certificate", limit: 1 << 24) }
        var message = Data([0, 0])
        message.append(milliseconds.bigEndianBytes)
        message.append(Data([0, 1]))
        message.append(Data(try PublicKey(issuer.publicKey).der.sha256))
        message.append(UInt64(tbs.count).bigEndianBytes.suffix(3))
        message.append(tbs)
        message.append(UInt64(extensions.count).bigEndianBytes.suffix(2))
        message.append(extensions)
        return message
    }

    /// The certificate's signed part as it was before the timestamps came into it.
    private static func precertificate(_ leaf: Certificate) throws(TrustError) -> Data {
        do {
            let tbs = try DER.parse(Array(leaf.tbsCertificateBytes))
            let extensionsTag = ASN1Identifier(tagWithNumber: 3, tagClass: .contextSpecific)
            var serializer = DER.Serializer()
            try serializer.appendConstructedNode(identifier: tbs.identifier) { coder in
                for part in children(of: tbs) {
                    guard part.identifier == extensionsTag, let list = children(of: part).first else {
                        coder.serializeRawBytes(part.encodedBytes)
                        continue
                    }
                    try coder.appendConstructedNode(identifier: extensionsTag) { coder in
                        try coder.appendConstructedNode(identifier: list.identifier) { coder in
                            for ext in children(of: list) where try children(of: ext).first.map({ try ASN1ObjectIdentifier(derEncoded: $0) }) != listExtension {
                                coder.serializeRawBytes(ext.encodedBytes)
                            }
                        }
                    }
                }
            }
            return Data(serializer.serializedBytes)
        } catch { throw .malformed("the certificate", reason: "its extensions can't be decoded") }
    }

    private static func children(of node: ASN1Node) -> [ASN1Node] {
        guard case .constructed(let nodes) = node.content else { return [] }
        return Array(nodes)
    }
}

/// Reads the presentation language of TLS (RFC 8446 §3).
struct TLSReader {
    let what: String
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8], _ what: String) {
        rest = bytes[...]
        self.what = what
    }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func take(_ count: Int) throws(TrustError) -> [UInt8] {
        guard rest.count >= count else { throw .malformed(what, reason: "it ends too early") }
        defer { rest = rest.dropFirst(count) }
        return Array(rest.prefix(count))
    }

    mutating func number(bytes: Int) throws(TrustError) -> UInt64 { try take(bytes).reduce(0) { $0 << 8 | UInt64($1) } }

    mutating func vector(lengthBytes: Int) throws(TrustError) -> [UInt8] { try take(Int(try number(bytes: lengthBytes))) }

    func end() throws(TrustError) {
        guard isAtEnd else { throw .malformed(what, reason: "something follows its end") }
    }
}

extension UInt64 {
    var bigEndianBytes: Data { Data((0..<8).map { UInt8(truncatingIfNeeded: self >> (56 - 8 * UInt64($0))) }) }
}

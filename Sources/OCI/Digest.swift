import Crypto
public import Foundation

/// The hash algorithms that OCI registers (image-spec, descriptor.md "Registered algorithms").
public enum DigestAlgorithm: String, Sendable, Hashable, CaseIterable {
    case sha256, sha512

    /// Length of the lowercase hexadecimal encoding, in characters.
    public var hexLength: Int { byteCount * 2 }

    /// Length of the hash, in bytes.
    public var byteCount: Int {
        switch self {
        case .sha256: 32
        case .sha512: 64
        }
    }
}

/// Why a text is no digest.
public enum DigestError: Error, Hashable, Sendable, CustomStringConvertible {
    case missingSeparator(String)
    case unknownAlgorithm(String)
    case wrongLength(algorithm: DigestAlgorithm, found: Int)
    case notLowercaseHex(String)

    public var description: String {
        switch self {
        case .missingSeparator(let text): "'\(text)' is no digest: expected ALGORITHM:HEX, for example sha256:e3b0c4…"
        case .unknownAlgorithm(let name): "digest algorithm '\(name)' is not supported: use sha256 or sha512"
        case .wrongLength(let algorithm, let found):
            "a \(algorithm.rawValue) digest has \(algorithm.hexLength) hexadecimal characters, this one has \(found)"
        case .notLowercaseHex(let text): "'\(text)' is no digest: the part after ':' must be lowercase hexadecimal"
        }
    }
}

/// The identity of content: an algorithm and the hash of the bytes (image-spec, descriptor.md "Digests").
public struct Digest: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    public let algorithm: DigestAlgorithm
    /// The hash in lowercase hexadecimal.
    public let hex: String

    /// Parses `sha256:…` or `sha512:…`.
    public init(parsing text: String) throws(DigestError) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            throw .missingSeparator(String(text.prefix(80)))
        }
        let name = String(text[..<colon])
        guard let algorithm = DigestAlgorithm(rawValue: name) else { throw .unknownAlgorithm(String(name.prefix(40))) }
        let hex = String(text[text.utf8.index(after: colon)...])
        guard hex.utf8.count == algorithm.hexLength else {
            throw .wrongLength(algorithm: algorithm, found: hex.utf8.count)
        }
        guard hex.utf8.allSatisfy(Self.isLowercaseHex) else { throw .notLowercaseHex(hex) }
        self.algorithm = algorithm
        self.hex = hex
    }

    /// A digest from the hash's own bytes; `nil` where their number is not the algorithm's.
    public init?(algorithm: DigestAlgorithm, bytes: some Collection<UInt8>) {
        guard bytes.count == algorithm.byteCount else { return nil }
        self.algorithm = algorithm
        self.hex = Self.hexadecimal(bytes)
    }

    /// The digest of some bytes.
    public init(hashing bytes: some DataProtocol, with algorithm: DigestAlgorithm = .sha256) {
        self.algorithm = algorithm
        switch algorithm {
        case .sha256: hex = Self.hexadecimal(SHA256.hash(data: bytes))
        case .sha512: hex = Self.hexadecimal(SHA512.hash(data: bytes))
        }
    }

    /// Whether `bytes` are the content that this digest names.
    public func matches(_ bytes: some DataProtocol) -> Bool { Digest(hashing: bytes, with: algorithm) == self }

    /// The hash's bytes.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(algorithm.byteCount)
        var high: UInt8?
        for character in hex.utf8 {
            let nibble = character < UInt8(ascii: "a") ? character - UInt8(ascii: "0") : character - UInt8(ascii: "a") + 10
            if let first = high {
                result.append(first << 4 | nibble)
                high = nil
            } else {
                high = nibble
            }
        }
        return result
    }

    /// The first twelve hexadecimal characters: for people, never for machines.
    public var short: String { String(hex.prefix(12)) }

    public var description: String { "\(algorithm.rawValue):\(hex)" }

    public static func < (lhs: Digest, rhs: Digest) -> Bool { lhs.description < rhs.description }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(DigestError) {
            self = try Digest(parsing: text)
        } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    private static func isLowercaseHex(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity(128)
        for byte in bytes {
            text.append(hexDigits[Int(byte >> 4)])
            text.append(hexDigits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

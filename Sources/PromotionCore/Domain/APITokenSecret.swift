import Crypto
import Foundation

/// A bearer token's secret: `shp_`, 30 base62 characters (178 bits), and 6 characters of CRC-32 over them.
///
/// The checksum lets a malformed token be refused without asking the database, and lets scanners find leaked ones.
public struct APITokenSecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public static let prefix = "shp_"
    private let text: String

    /// A new secret.
    public init(random: inout some RandomNumberGenerator) {
        let body = String((0..<30).map { _ in Self.alphabet[Int.random(in: 0..<62, using: &random)] })
        text = Self.prefix + body + Self.checksum(of: body)
    }

    /// Parses what a caller presented; `nil` where the form or the checksum is wrong.
    public init?(parsing text: String) {
        guard text.utf8.count == 40, text.hasPrefix(Self.prefix) else { return nil }
        let body = text.dropFirst(4).prefix(30)
        guard body.utf8.allSatisfy(Self.isInAlphabet), Self.checksum(of: String(body)) == text.suffix(6) else { return nil }
        self.text = text
    }

    /// The secret itself: to be shown once to its owner and never stored.
    public func reveal() -> String { text }

    /// What is stored: SHA-256 of the secret. With 178 random bits no slow hash is needed.
    public var sha256: [UInt8] { Array(SHA256.hash(data: Data(text.utf8))) }

    /// The last four characters, to tell tokens apart in a list.
    public var hint: String { String(text.suffix(4)) }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

    private static func isInAlphabet(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }

    private static func checksum(of body: String) -> String {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in body.utf8 {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        var value = ~crc
        var digits: [Character] = []
        for _ in 0..<6 {
            digits.append(alphabet[Int(value % 62)])
            value /= 62
        }
        return String(digits.reversed())
    }
}

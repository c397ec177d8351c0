import Crypto
public import Foundation

/// The secret of a browser in which somebody has logged in: 256 random bits. It never prints.
public struct SessionSecret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    public init(random: inout some RandomNumberGenerator) { text = Self.random(&random) }

    /// Parses what a browser presented; `nil` where it has not the form.
    public init?(parsing text: String) {
        guard text.utf8.count == 64, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }) else { return nil }
        self.text = text
    }

    /// The secret itself, for the cookie.
    public func reveal() -> String { text }

    /// What is stored.
    public var sha256: [UInt8] { Array(SHA256.hash(data: Data(text.utf8))) }

    /// What a page of ours must say with each request that changes something: other pages can send the cookie, and can't read this.
    public var antiForgeryToken: String { Self.hex(SHA256.hash(data: Data(("anti-forgery " + text).utf8))) }

    /// Compares in the same time, wherever the first difference is.
    public func confirms(_ presented: String) -> Bool {
        SHA256.hash(data: Data(presented.utf8)) == SHA256.hash(data: Data(antiForgeryToken.utf8))
    }

    public var description: String { "***" }
    public var debugDescription: String { "***" }
    public var customMirror: Mirror { Mirror(self, children: [:]) }

    /// 64 hexadecimal digits.
    static func random(_ random: inout some RandomNumberGenerator) -> String {
        hex((0..<32).map { _ in UInt8.random(in: 0...255, using: &random) })
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}

/// A browser in which somebody has logged in.
public struct SessionRecord: Sendable, Hashable {
    public let id: UUID
    public let subject: SubjectID
    /// As its tokens spell it in `iss`.
    public let issuer: String
    /// What the issuer said at the login. What it gives is looked up in the rules in force, at each request.
    public let claims: [String: [String]]
    public let createdAt: Date
    public let lastSeenAt: Date
    /// The end, however much it is used.
    public let expiresAt: Date
    public let endedAt: Date?

    public init(
        id: UUID, subject: SubjectID, issuer: String, claims: [String: [String]], createdAt: Date, lastSeenAt: Date, expiresAt: Date, endedAt: Date? = nil
    ) {
        self.id = id
        self.subject = subject
        self.issuer = issuer
        self.claims = claims
        self.createdAt = createdAt
        self.lastSeenAt = lastSeenAt
        self.expiresAt = expiresAt
        self.endedAt = endedAt
    }
}

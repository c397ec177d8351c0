import Foundation

/// An internet address, as 16 bytes: an IPv4 address in its mapped form (RFC 4291 §2.5.5.2).
public struct InternetAddress: Hashable, Sendable, CustomStringConvertible {
    let bytes: [UInt8]

    /// Reads `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`; nil for anything else, a name or a port included.
    public init?(parsing text: some StringProtocol) {
        guard text.utf8.count <= 64 else { return nil }
        let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : String(text)
        var (four, sixteen) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, bare, &four) == 1 {
            bytes = Self.mapped + withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, bare, &sixteen) == 1 {
            bytes = withUnsafeBytes(of: sixteen) { Array($0) }
        } else {
            return nil
        }
    }

    static let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]

    var isIPv4: Bool { bytes.starts(with: Self.mapped) }

    public var description: String {
        if isIPv4 { return bytes[12...].map(String.init).joined(separator: ".") }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, bytes, &text, socklen_t(text.count)) != nil else { return "?" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A network in CIDR notation (RFC 4632, RFC 4291 §2.3), or a single address.
public struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    private let base: InternetAddress
    /// Leading bits that count, of 128.
    private let bits: Int

    /// Reads `10.0.0.0/8`, `fd00::/8` or an address alone; nil where it is neither, or where bits are set beyond the prefix: a slip of
    /// the pen that would trust another network than was meant.
    public init?(parsing text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = InternetAddress(parsing: first) else { return nil }
        base = address
        let width = address.isIPv4 ? 32 : 128
        guard parts.count == 2 else {
            bits = 128
            return
        }
        guard parts[1].allSatisfy(\.isNumber), let length = Int(parts[1]), (0...width).contains(length) else { return nil }
        bits = 128 - width + length
        guard masked(address) == address.bytes else { return nil }
    }

    /// Whether an address is in it.
    public func contains(_ address: InternetAddress) -> Bool { masked(address) == masked(base) }

    private func masked(_ address: InternetAddress) -> [UInt8] {
        address.bytes.enumerated().map { index, byte in
            let kept = min(8, max(0, bits - index * 8))
            return kept == 8 ? byte : byte & ~(UInt8(0xFF) >> UInt8(kept))
        }
    }

    public var description: String { "\(base)/\(base.isIPv4 ? bits - 96 : bits)" }
}

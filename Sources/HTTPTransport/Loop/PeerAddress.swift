import Foundation

/// An address that a connection is about to be made to, after the name was looked up.
///
/// Names prove nothing: whoever answers for one can let it lead to the machine's own metadata service. So the address itself is
/// looked at, on every connection.
struct PeerAddress: Equatable, CustomStringConvertible {
    /// 4 bytes, or 16.
    private let bytes: [UInt8]

    init?(family: Int32, _ address: UnsafeRawBufferPointer) {
        switch family {
        case AF_INET:
            guard address.count >= MemoryLayout<sockaddr_in>.size else { return nil }
            let internet = unsafe address.loadUnaligned(as: sockaddr_in.self)
            bytes = unsafe withUnsafeBytes(of: internet.sin_addr) { unsafe Array($0) }
        case AF_INET6:
            guard address.count >= MemoryLayout<sockaddr_in6>.size else { return nil }
            let internet = unsafe address.loadUnaligned(as: sockaddr_in6.self)
            bytes = unsafe withUnsafeBytes(of: internet.sin6_addr) { unsafe Array($0) }
        default: return nil
        }
    }

    /// Reads a host as URLs have it, if it is an address: `192.0.2.1`, `[2001:db8::1]`.
    init?(literal host: String) {
        var four = in_addr()
        if unsafe inet_pton(AF_INET, host, &four) == 1 {
            bytes = unsafe withUnsafeBytes(of: four) { unsafe Array($0) }
            return
        }
        var sixteen = in6_addr()
        guard host.hasPrefix("["), host.hasSuffix("]"), unsafe inet_pton(AF_INET6, String(host.dropFirst().dropLast()), &sixteen) == 1 else { return nil }
        bytes = unsafe withUnsafeBytes(of: sixteen) { unsafe Array($0) }
    }

    /// Whether it is one that no name may lead to: link-local networks (RFC 3927, RFC 4291 §2.5.6), where clouds keep the credentials of
    /// their machines, and the other addresses of such services.
    var isOffLimits: Bool {
        if let four = embedded { return Self.isOffLimits(four) }
        // fe80::/10, and fd00:ec2::254 of EC2.
        return (bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80) || bytes == [0xFD, 0, 0x0E, 0xC2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54]
    }

    private static func isOffLimits(_ four: ArraySlice<UInt8>) -> Bool {
        switch Array(four) {
        case let address where address[0] == 169 && address[1] == 254: true
        // Alibaba Cloud, Oracle Cloud, Azure.
        case [100, 100, 100, 200], [192, 0, 0, 192], [168, 63, 129, 16]: true
        default: false
        }
    }

    /// The IPv4 address that it is, or that it leads to: mapped (RFC 4291 §2.5.5), by NAT64 (RFC 6052 §2.1) or 6to4 (RFC 3056 §2).
    private var embedded: ArraySlice<UInt8>? {
        guard bytes.count == 16 else { return bytes[...] }
        let isZero = bytes[..<10].allSatisfy { $0 == 0 }
        if isZero, bytes[10] == 0xFF, bytes[11] == 0xFF { return bytes[12...] }
        if bytes[..<12] == [0, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0] { return bytes[12...] }
        return bytes[..<2] == [0x20, 0x02] ? bytes[2..<6] : nil
    }

    var description: String {
        if bytes.count == 4 { return bytes.map(String.init).joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
        return groups.joined(separator: ":")
    }
}

import Crypto
public import Foundation
public import OCI

/// The content of a blob: given bytes, or as many as wanted from a seed, made while they are needed.
public struct BlobFixture: Sendable, Hashable {
    public let digest: OCI.Digest
    /// In bytes.
    public let size: Int
    private let content: Content

    private enum Content: Sendable, Hashable {
        case bytes(Data)
        case seeded(UInt64)
    }

    /// A blob of given bytes.
    public init(_ bytes: Data) {
        content = .bytes(bytes)
        size = bytes.count
        digest = OCI.Digest(hashing: bytes)
    }

    /// A blob of `size` bytes that the same seed makes the same again; no other seed does.
    public init(size: Int, seed: UInt64) {
        self.size = size
        content = .seeded(seed)
        var hash = SHA256()
        Self.forEachPiece(of: seed, size: size) { hash.update(data: $0) }
        digest = OCI.Digest(algorithm: .sha256, bytes: Array(hash.finalize())) ?? OCI.Digest(hashing: Data())
    }

    /// Hands the content on, at most a mebibyte at a time.
    func forEachPiece(_ body: ([UInt8]) throws -> Void) throws {
        switch content {
        case .bytes(let data): try body(Array(data))
        case .seeded(let seed): try Self.forEachPiece(of: seed, size: size, body)
        }
    }

    /// One mebibyte of noise; each following one differs in a stamp, for speed.
    private static func forEachPiece(of seed: UInt64, size: Int, _ body: ([UInt8]) throws -> Void) rethrows {
        let pieceSize = min(1 << 20, size)
        var state = seed &* 0x9e37_79b9_7f4a_7c15 ^ 0xd1b5_4a32_d192_ed03
        var piece = [UInt8](unsafeUninitializedCapacity: (pieceSize + 7) & ~7) { buffer, count in
            for word in buffer.withMemoryRebound(to: UInt64.self, { $0 }).indices {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let mixed = (state ^ (state >> 29)) &* 0xbf58_476d_1ce4_e5b9
                buffer.withMemoryRebound(to: UInt64.self) { $0[word] = mixed ^ (mixed >> 32) }
            }
            count = (pieceSize + 7) & ~7
        }
        piece.removeLast(piece.count - pieceSize)
        var left = size
        var number: UInt64 = 0
        while left > 0 {
            if piece.count >= 8 { for byte in 0..<8 { piece[byte] = UInt8(truncatingIfNeeded: (seed ^ number) >> (8 * UInt64(byte))) } }
            try body(left < piece.count ? Array(piece.prefix(left)) : piece)
            left -= min(left, piece.count)
            number += 1
        }
    }
}

/// A manifest, an index or any other document under a manifest's address.
public struct ManifestFixture: Sendable, Hashable {
    public let mediaType: String
    public let bytes: Data
    public var digest: OCI.Digest { OCI.Digest(hashing: bytes) }

    public init(mediaType: String, bytes: Data) {
        self.mediaType = mediaType
        self.bytes = bytes
    }
}

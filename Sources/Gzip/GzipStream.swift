import CZlib

/// Why bytes could not be compressed: zlib's own status.
public struct GzipError: Error, Sendable {
    public let status: Int32
}

/// Compresses bytes piece by piece into one gzip member (RFC 1952). For one task at a time; about 256 KiB of memory each.
@safe public final class GzipStream {
    private let stream: UnsafeMutablePointer<z_stream>
    private static let chunk = 16 << 10

    /// - Parameter level: 1 (fast) to 9 (small).
    /// - Throws: `GzipError` where zlib has no memory.
    public init(level: Int32 = 4) throws(GzipError) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        let status = unsafe zlib_shim_begin_gzip(stream, level)
        if status != Z_OK { throw GzipError(status: status) }
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// The compressed form of `bytes`, as far as it is out yet; all that is left where `isLast`.
    public func compress(_ bytes: some Sequence<UInt8>, isLast: Bool) throws(GzipError) -> [UInt8] {
        var input = Array(bytes)
        var output: [UInt8] = []
        var status = Z_OK
        unsafe input.withUnsafeMutableBufferPointer { input in
            unsafe stream.pointee.next_in = input.baseAddress
            unsafe stream.pointee.avail_in = uInt(input.count)
            repeat {
                let piece = unsafe [UInt8](unsafeUninitializedCapacity: Self.chunk) { buffer, count in
                    unsafe stream.pointee.next_out = buffer.baseAddress
                    unsafe stream.pointee.avail_out = uInt(Self.chunk)
                    status = unsafe deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
                    count = Self.chunk - Int(unsafe stream.pointee.avail_out)
                }
                output.append(contentsOf: piece)
            } while unsafe stream.pointee.avail_out == 0 && (status == Z_OK || status == Z_BUF_ERROR)
            unsafe stream.pointee.next_in = nil
        }
        guard status == (isLast ? Z_STREAM_END : Z_OK) || (!isLast && status == Z_BUF_ERROR) else { throw GzipError(status: status) }
        return output
    }
}

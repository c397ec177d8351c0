/// The window of a blob that is in memory: written once by the source, read by every target at its own place. Loop
/// thread only.
///
/// Positions are offsets in the blob. The memory is fixed; what the slowest target has not taken yet is never
/// overwritten.
@safe final class RelayRing {
    /// The most bytes a relay keeps.
    static let maximumCapacity = 1 << 20
    /// What a blob of middling size gets: there may be many of them at once.
    static let usualCapacity = 512 << 10
    /// From this size on, bytes, a blob is worth the largest ring.
    static let large: Int64 = 32 << 20

    let capacity: Int
    /// Bytes written so far.
    private(set) var head: Int64
    /// The most bytes that stood in it at once.
    private(set) var peak = 0
    private let memory: UnsafeMutableRawBufferPointer

    /// A ring for a blob of this size; small blobs get a small one.
    ///
    /// - Parameter start: the first byte that will be written.
    init(blobBytes: Int64, start: Int64 = 0) {
        head = start
        let most = blobBytes >= Self.large ? Self.maximumCapacity : Self.usualCapacity
        capacity = Int(min(Int64(most), max(1, blobBytes)))
        unsafe memory = .allocate(byteCount: capacity, alignment: 64)
    }

    deinit {
        unsafe memory.deallocate()
    }

    /// Bytes that can be written while `tail` is the first one still needed.
    func free(tail: Int64) -> Int {
        capacity - Int(head - tail)
    }

    /// Writes bytes that fit (see ``free(tail:)``).
    func write(_ bytes: UnsafeRawBufferPointer, tail: Int64) {
        let start = Int(head % Int64(capacity))
        let first = min(bytes.count, capacity - start)
        unsafe memory[start..<start + first].copyBytes(from: bytes[..<first])
        if first < bytes.count { unsafe memory[..<(bytes.count - first)].copyBytes(from: bytes[first...]) }
        head += Int64(bytes.count)
        peak = max(peak, Int(head - tail))
    }

    /// Copies the bytes at `position`, which are there, until the buffer is full or `limit` is reached; returns how
    /// many.
    func read(at position: Int64, limit: Int64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, Int(limit - position))
        let start = Int(position % Int64(capacity))
        let first = min(count, capacity - start)
        unsafe buffer[..<first].copyBytes(from: memory[start..<start + first])
        if first < count { unsafe buffer[first..<count].copyBytes(from: memory[..<(count - first)]) }
        return count
    }
}

extension UnsafeMutableRawBufferPointer.SubSequence {
    fileprivate func copyBytes(from source: Slice<UnsafeRawBufferPointer>) {
        unsafe UnsafeMutableRawBufferPointer(rebasing: self).copyMemory(from: UnsafeRawBufferPointer(rebasing: source))
    }

    fileprivate func copyBytes(from source: Slice<UnsafeMutableRawBufferPointer>) {
        unsafe UnsafeMutableRawBufferPointer(rebasing: self).copyMemory(from: UnsafeRawBufferPointer(rebasing: source))
    }
}

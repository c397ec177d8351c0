/// A NULL-terminated array of C strings, freed with it.
@safe final class CStringArray {
    let pointers: UnsafeMutablePointer<UnsafePointer<CChar>?>
    private let count: Int

    init(_ strings: [String]) {
        count = strings.count
        unsafe pointers = .allocate(capacity: count + 1)
        for (index, string) in strings.enumerated() {
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: string.utf8.count + 1)
            for (offset, byte) in string.utf8.enumerated() { unsafe copy[offset] = CChar(bitPattern: byte) }
            unsafe copy[string.utf8.count] = 0
            unsafe pointers[index] = unsafe UnsafePointer(copy)
        }
        unsafe pointers[count] = nil
    }

    deinit {
        for index in 0..<count { unsafe pointers[index]?.deallocate() }
        unsafe pointers.deallocate()
    }
}

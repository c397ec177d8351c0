import CLibCrypto

/// The digest of a blob as its bytes pass, by OpenSSL's EVP, which uses the processor's SHA instructions. Loop thread
/// only.
@safe final class ContentHash {
    private let context: OpaquePointer

    /// Starts; nil when OpenSSL is out of memory or its configuration forbids the algorithm.
    init?(_ algorithm: RelayRequest.Algorithm) {
        guard let context = unsafe EVP_MD_CTX_new() else { return nil }
        unsafe self.context = unsafe context
        let kind =
            switch algorithm {
            case .sha256: unsafe EVP_sha256()
            case .sha512: unsafe EVP_sha512()
            }
        guard unsafe EVP_DigestInit_ex(context, kind, nil) == 1 else { return nil }
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// A second one that has seen the same bytes; nil when OpenSSL is out of memory.
    init?(copying other: ContentHash) {
        guard let context = unsafe EVP_MD_CTX_new() else { return nil }
        unsafe self.context = unsafe context
        guard unsafe EVP_MD_CTX_copy_ex(context, other.context) == 1 else { return nil }
    }

    /// Adds bytes. EVP fails here only after ``finish()``, which is called once.
    func update(_ bytes: UnsafeRawBufferPointer) {
        unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// The digest in lower-case hexadecimal; the object is used up.
    func finish() -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard unsafe EVP_DigestFinal_ex(context, &digest, &length) == 1 else { return "" }
        let digits = Array("0123456789abcdef".utf8)
        let text = digest[..<Int(length)].flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}

import Crypto
import Foundation

extension Data {
    var sha256: Data { Data(SHA256.hash(data: self)) }
    var hex: String { map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined() }
}

import Foundation

/// A signed note (C2SP signed-note): a text, an empty line, signature lines. Parsed, not yet believed.
struct SignedNote {
    /// `— NAME BASE64(KEY ID ‖ SIGNATURE)`.
    struct Signature {
        let name: String
        let keyID: [UInt8]
        let bytes: Data
    }

    static let maximumBytes = 65_536
    static let maximumSignatures = 16

    /// The text that is signed, with its last newline.
    let text: String
    let signatures: [Signature]

    init(parsing note: String) throws(CheckpointError) {
        guard note.utf8.count <= Self.maximumBytes else {
            throw .malformed("it has more than \(Self.maximumBytes) bytes")
        }
        guard note.utf8.allSatisfy({ $0 >= 0x20 || $0 == 0x0A }) else {
            throw .malformed("it holds a control character")
        }
        var lines = note.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(Substring($0)) }
        guard lines.popLast() == "" else { throw .malformed("it does not end with a newline") }
        guard let blank = lines.lastIndex(of: ""), blank > 0, blank + 1 < lines.count else {
            throw .malformed("no signature block")
        }
        let block = lines[(blank + 1)...]
        guard block.count <= Self.maximumSignatures else {
            throw .malformed("more than \(Self.maximumSignatures) signatures")
        }
        var signatures: [Signature] = []
        for line in block {
            let parts = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3, parts[0] == "\u{2014}", Self.isKeyName(parts[1]), let blob = Self.decode(parts[2]),
                blob.count > 4
            else {
                throw .malformed("a signature line is malformed")
            }
            signatures.append(Signature(name: parts[1], keyID: Array(blob.prefix(4)), bytes: Data(blob.dropFirst(4))))
        }
        text = lines[..<blank].map { $0 + "\n" }.joined()
        self.signatures = signatures
    }

    /// Base64 in its one canonical spelling: no change of a note goes unnoticed, not even of bits that don't count.
    static func decode(_ text: String) -> Data? {
        guard let data = Data(base64Encoded: text), data.base64EncodedString() == text else { return nil }
        return data
    }

    /// C2SP signed-note: a key's name is not empty and has neither white space nor a plus sign.
    static func isKeyName(_ name: String) -> Bool {
        !name.isEmpty
            && !name.unicodeScalars.contains {
                $0 == "+" || $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7F
            }
    }
}

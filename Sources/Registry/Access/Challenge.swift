/// One challenge of a `WWW-Authenticate` field (RFC 9110 §11.6.1), strictly and boundedly read.
struct Challenge: Sendable, Hashable {
    /// Lowercase: `basic`, `bearer`.
    let scheme: String
    let parameters: [String: String]

    private static let maximumLength = 8192

    /// All challenges of the fields; malformed ones are left out.
    static func parse(_ fields: [String]) -> [Challenge] {
        fields.flatMap { field -> [Challenge] in
            guard field.utf8.count <= maximumLength else { return [] }
            var parser = ChallengeParser(field)
            return parser.challenges()
        }
    }
}

private struct ChallengeParser {
    private var rest: Substring

    init(_ text: String) { rest = text[...] }

    mutating func challenges() -> [Challenge] {
        var result: [Challenge] = []
        var scheme: String?
        var parameters: [String: String] = [:]
        func finish() -> [Challenge] { scheme.map { [Challenge(scheme: $0, parameters: parameters)] } ?? [] }
        while skipSeparators(), let word = token() {
            skipSpaces()
            if rest.first == "=" {
                rest = rest.dropFirst()
                skipSpaces()
                guard let value = value() else { break }
                parameters[word.lowercased()] = value
            } else {
                result += finish()
                scheme = word.lowercased()
                parameters = [:]
            }
        }
        return result + finish()
    }

    private mutating func skipSpaces() { rest = rest.drop { $0 == " " || $0 == "\t" } }

    private mutating func skipSeparators() -> Bool {
        rest = rest.drop { $0 == " " || $0 == "\t" || $0 == "," }
        return !rest.isEmpty
    }

    private mutating func token() -> String? {
        let word = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "!#$%&'*+-.^_`|~/:".contains($0)) }
        rest = rest[word.endIndex...]
        return word.isEmpty ? nil : String(word)
    }

    private mutating func value() -> String? {
        guard rest.first == "\"" else { return token() }
        rest = rest.dropFirst()
        var text = ""
        while let next = rest.popFirst() {
            if next == "\"" { return text }
            if next == "\\" {
                guard let escaped = rest.popFirst() else { return nil }
                text.append(escaped)
            } else {
                text.append(next)
            }
        }
        return nil
    }
}

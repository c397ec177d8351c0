public import OCI

/// A pattern over text: a glob (`*` within a path part, `**` across parts, `?`), or `regex:…` over the whole text.
public struct TextPattern: Sendable, Hashable, CustomStringConvertible {
    public let description: String
    private let regex: LinearRegex
    /// Whether it has no wildcards: most patterns in policies are plain words, and comparing is faster than matching.
    let isPlain: Bool

    public init(parsing text: String) throws(RegexError) {
        guard !text.isEmpty else { throw RegexError(description: "a pattern must not be empty") }
        description = text
        isPlain = !text.hasPrefix("regex:") && !text.contains { $0 == "*" || $0 == "?" }
        if text.hasPrefix("regex:") {
            guard text.utf8.count > 6 else { throw RegexError(description: "nothing stands behind 'regex:'") }
            regex = try LinearRegex(String(text.dropFirst(6)))
        } else {
            regex = try LinearRegex(Self.expression(forGlob: text))
        }
    }

    public func matches(_ text: String) -> Bool { isPlain ? text.utf8.elementsEqual(description.utf8) : regex.matches(text) }

    /// How much it says: a text without wildcards most, then a glob by its other characters, then an expression.
    var specificity: Int {
        if description.hasPrefix("regex:") { return 0 }
        let wildcards = description.reduce(0) { $1 == "*" || $1 == "?" ? $0 + 1 : $0 }
        return wildcards == 0 ? .max : 1 + description.count - wildcards
    }

    private static func expression(forGlob glob: String) -> String {
        var result = ""
        var rest = Substring(glob)
        while let next = rest.first {
            if rest.hasPrefix("**") {
                result += ".*"
                rest = rest.dropFirst(2)
                continue
            }
            switch next {
            case "*": result += "[^/]*"
            case "?": result += "[^/]"
            case let letter where letter.isLetter || letter.isNumber || letter == "_": result.append(letter)
            default: result += "\\" + String(next)
            }
            rest = rest.dropFirst()
        }
        return result
    }
}

/// A pattern over image names.
public struct ImagePattern: Sendable, Hashable, CustomStringConvertible {
    private let pattern: TextPattern

    public init(parsing text: String) throws(RegexError) {
        pattern = try TextPattern(parsing: text)
        specificity = pattern.specificity
    }

    public var description: String { pattern.description }

    let specificity: Int

    public func matches(_ image: ImageName) -> Bool { pattern.matches(image.description) }

    /// Whether the image is matched that another pattern names letter by letter.
    func matches(theOnlyImageOf other: ImagePattern) -> Bool { pattern.matches(other.description) }
}

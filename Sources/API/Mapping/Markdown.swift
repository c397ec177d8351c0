/// Markdown in which texts from outside stay texts: for comments on pull requests, where a label must not become a link, an image, or a
/// mention of somebody.
///
/// Such texts stand in code spans alone, outside of tables: nothing in a code span is a reference, an address or HTML, and no escaping has to
/// be right in every dialect.
struct Markdown {
    private(set) var text = ""
    /// The largest comment that forges take, with room to spare (GitHub: 65,536 characters).
    static let maximumCharacters = 60_000
    private static let maximumSpan = 160

    /// A line of our own words; what is from outside comes through ``code(_:)``.
    mutating func line(_ line: String = "") {
        guard text.count + line.count < Self.maximumCharacters else {
            isCut = true
            return
        }
        text += line + "\n"
    }

    /// Whether something did not fit.
    private(set) var isCut = false

    /// A code span around a text: its fence is longer than any of the text's own.
    static func code(_ text: String) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(maximumSpan) {
            let isHidden =
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: true
                default: false
                }
            shown.append(isHidden ? "\u{FFFD}" : scalar)
        }
        var content = String(shown) + (text.unicodeScalars.count > maximumSpan ? "…" : "")
        if content.allSatisfy({ $0 == " " }) { return "(empty)" }
        var (longest, run) = (0, 0)
        for character in content.unicodeScalars {
            run = character == "`" ? run + 1 : 0
            longest = max(longest, run)
        }
        let fence = String(repeating: "`", count: longest + 1)
        // CommonMark takes one space off both ends.
        if content.hasPrefix("`") || content.hasSuffix("`") || (content.hasPrefix(" ") && content.hasSuffix(" ")) { content = " \(content) " }
        return fence + content + fence
    }
}

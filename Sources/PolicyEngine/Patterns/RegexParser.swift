/// Reads the subset of regular expressions that `LinearRegex` runs.
struct RegexParser {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    init(_ pattern: String) {
        var text = pattern.unicodeScalars[...]
        if text.first == "^" { text = text.dropFirst() }
        // A '$' behind an even number of backslashes is not escaped.
        if text.last == "$", text.dropLast().reversed().prefix(while: { $0 == "\\" }).count.isMultiple(of: 2) { text = text.dropLast() }
        scalars = Array(text)
    }

    mutating func parse() throws(RegexError) -> LinearRegex.Node {
        let node = try choice()
        guard position == scalars.count else { throw RegexError(description: "unexpected '\(scalars[position])' at character \(position + 1)") }
        return node
    }

    private var peek: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func choice() throws(RegexError) -> LinearRegex.Node {
        var branches = [try sequence()]
        while peek == "|" {
            position += 1
            branches.append(try sequence())
        }
        return branches.count == 1 ? branches[0] : .choice(branches)
    }

    private mutating func sequence() throws(RegexError) -> LinearRegex.Node {
        var nodes: [LinearRegex.Node] = []
        while let next = peek, next != "|", next != ")" { nodes.append(try quantified()) }
        return nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private mutating func quantified() throws(RegexError) -> LinearRegex.Node {
        let node = try atom()
        guard let next = peek else { return node }
        let (minimum, maximum): (Int, Int?)
        switch next {
        case "?": (minimum, maximum) = (0, 1)
        case "*": (minimum, maximum) = (0, nil)
        case "+": (minimum, maximum) = (1, nil)
        case "{": (minimum, maximum) = try bounds()
        default: return node
        }
        position += 1
        if let again = peek, "?*+{".unicodeScalars.contains(again) {
            throw RegexError(description: "'\(again)' after a repetition is not supported")
        }
        return .repetition(node, minimum: minimum, maximum: maximum)
    }

    /// Reads `{m}`, `{m,}` or `{m,n}` and stops on the closing brace.
    private mutating func bounds() throws(RegexError) -> (Int, Int?) {
        guard let close = scalars[position...].firstIndex(of: "}") else { throw RegexError(description: "'{' without '}'") }
        let text = String(String.UnicodeScalarView(scalars[(position + 1)..<close]))
        position = close
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard (1...2).contains(parts.count), let minimum = Int(parts[0]), (0...100).contains(minimum) else {
            throw RegexError(description: "'{\(text)}' is no repetition: use {m}, {m,} or {m,n} with numbers up to 100")
        }
        guard parts.count == 2 else { return (minimum, minimum) }
        if parts[1].isEmpty { return (minimum, nil) }
        guard let maximum = Int(parts[1]), (minimum...100).contains(maximum) else {
            throw RegexError(description: "'{\(text)}' is no repetition: the second number is between the first and 100")
        }
        return (minimum, maximum)
    }

    private mutating func atom() throws(RegexError) -> LinearRegex.Node {
        guard let next = peek else { throw RegexError(description: "the expression ends too early") }
        position += 1
        switch next {
        case "(": return try group()
        case "[": return .set(try characterClass())
        case ".": return .set(LinearRegex.CharacterSet(ranges: [10...10], isInverted: true))
        case "\\": return .set(try escape())
        case "*", "+", "?", "{": throw RegexError(description: "'\(next)' has nothing to repeat")
        case "^", "$": throw RegexError(description: "'\(next)' inside an expression is not supported: the whole text is always matched")
        default: return .set(LinearRegex.CharacterSet(ranges: [next.value...next.value]))
        }
    }

    private mutating func group() throws(RegexError) -> LinearRegex.Node {
        guard depth < 20 else { throw RegexError(description: "groups are nested too deeply") }
        if peek == "?" {
            guard position + 1 < scalars.count, scalars[position + 1] == ":" else {
                throw RegexError(description: "look-around and named groups are not supported")
            }
            position += 2
        }
        depth += 1
        let node = try choice()
        depth -= 1
        guard peek == ")" else { throw RegexError(description: "'(' without ')'") }
        position += 1
        return node
    }

    private mutating func escape() throws(RegexError) -> LinearRegex.CharacterSet {
        guard let next = peek else { throw RegexError(description: "'\\' at the end") }
        position += 1
        let digits: [ClosedRange<UInt32>] = [48...57]
        let word: [ClosedRange<UInt32>] = [48...57, 65...90, 95...95, 97...122]
        let space: [ClosedRange<UInt32>] = [9...13, 32...32]
        switch next {
        case "d": return LinearRegex.CharacterSet(ranges: digits)
        case "D": return LinearRegex.CharacterSet(ranges: digits, isInverted: true)
        case "w": return LinearRegex.CharacterSet(ranges: word)
        case "W": return LinearRegex.CharacterSet(ranges: word, isInverted: true)
        case "s": return LinearRegex.CharacterSet(ranges: space)
        case "S": return LinearRegex.CharacterSet(ranges: space, isInverted: true)
        default:
            let isAlphanumeric = word.dropFirst(0).contains { $0.contains(next.value) } && next != "_"
            guard !isAlphanumeric else { throw RegexError(description: "'\\\(next)' is not supported") }
            return LinearRegex.CharacterSet(ranges: [next.value...next.value])
        }
    }

    private mutating func characterClass() throws(RegexError) -> LinearRegex.CharacterSet {
        var set = LinearRegex.CharacterSet(ranges: [])
        if peek == "^" {
            set.isInverted = true
            position += 1
        }
        var isFirst = true
        while let next = peek, next != "]" || isFirst {
            isFirst = false
            position += 1
            if next == "\\" {
                let escaped = try escape()
                guard !escaped.isInverted else { throw RegexError(description: "\\D, \\W and \\S inside [] are not supported") }
                set.ranges += escaped.ranges
            } else if peek == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                let upper = scalars[position + 1]
                guard next.value <= upper.value, upper != "\\" else { throw RegexError(description: "the range \(next)-\(upper) is empty") }
                set.ranges.append(next.value...upper.value)
                position += 2
            } else {
                set.ranges.append(next.value...next.value)
            }
        }
        guard peek == "]" else { throw RegexError(description: "'[' without ']'") }
        position += 1
        return set
    }
}

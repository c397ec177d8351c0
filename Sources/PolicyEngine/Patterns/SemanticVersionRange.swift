/// A set of versions in the notation of node-semver: `>=1.2.0 <2.0.0`, `^1.2`, `~1.4.0`, `1.x`, `1.2 - 2.3`, alternatives behind `||`.
///
/// Prereleases are compared by precedence like any other version, with one exception: a prerelease of an upper bound is not below it.
/// `<2.0.0` and `^1.2` do not take `2.0.0-rc.1`.
public struct SemanticVersionRange: Sendable, Hashable, CustomStringConvertible {
    private struct Bound: Sendable, Hashable {
        enum Relation: Sendable, Hashable { case less, lessOrEqual, greater, greaterOrEqual, equal }
        let relation: Relation
        let version: SemanticVersion

        func admits(_ candidate: SemanticVersion) -> Bool {
            switch relation {
            case .less: candidate < version
            case .lessOrEqual: candidate <= version
            case .greater: candidate > version
            case .greaterOrEqual: candidate >= version
            case .equal: candidate == version
            }
        }
    }

    public let description: String
    private let alternatives: [[Bound]]

    /// `nil` where the text is no range.
    public init?(parsing text: String) {
        guard text.utf8.count <= 200 else { return nil }
        var alternatives: [[Bound]] = []
        for part in text.split(separator: "||", omittingEmptySubsequences: false) {
            guard let bounds = Self.bounds(part.split(separator: " ")) else { return nil }
            alternatives.append(bounds)
        }
        description = text
        self.alternatives = alternatives
    }

    public func contains(_ version: SemanticVersion) -> Bool {
        alternatives.contains { bounds in bounds.allSatisfy { $0.admits(version) } }
    }

    private static func bounds(_ words: [Substring]) -> [Bound]? {
        guard !words.isEmpty else { return nil }
        if words.count == 3, words[1] == "-" {
            guard let lower = bounds(.greaterOrEqual, words[0]), let upper = bounds(.lessOrEqual, words[2]) else { return nil }
            return lower + upper
        }
        var result: [Bound] = []
        var pending: Operator?
        for word in words {
            let (found, rest) = Operator.leading(word)
            guard pending == nil || found == nil else { return nil }
            let relation = pending ?? found
            pending = rest.isEmpty ? relation : nil
            if rest.isEmpty { continue }
            guard let parsed = bounds(relation ?? .equal, rest) else { return nil }
            result += parsed
        }
        return pending == nil ? result : nil
    }

    private enum Operator: String, CaseIterable {
        // Longer ones first: they are looked for in this order.
        case approximately = "~>"
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case less = "<"
        case greater = ">"
        case equal = "="
        case compatible = "^"
        case near = "~"

        static func leading(_ word: Substring) -> (Operator?, Substring) {
            for candidate in allCases where word.hasPrefix(candidate.rawValue) { return (candidate, word.dropFirst(candidate.rawValue.count)) }
            return (nil, word)
        }
    }

    private static func bounds(_ relation: Operator, _ text: Substring) -> [Bound]? {
        guard let (numbers, prerelease) = partial(text) else { return nil }
        let lowest = version(numbers, prerelease)
        guard !numbers.isEmpty else { return relation == .less || relation == .greater ? nil : [] }
        let isComplete = numbers.count == 3
        switch relation {
        case .equal: return isComplete ? [Bound(relation: .equal, version: lowest)] : span(from: numbers, prerelease, widening: numbers.count - 1)
        case .greaterOrEqual: return [Bound(relation: .greaterOrEqual, version: lowest)]
        case .greater:
            return [isComplete ? Bound(relation: .greater, version: lowest) : Bound(relation: .greaterOrEqual, version: version(next(numbers), []))]
        case .less: return [below(numbers, prerelease)]
        case .lessOrEqual: return [isComplete ? Bound(relation: .lessOrEqual, version: lowest) : below(next(numbers), [])]
        case .compatible: return span(from: numbers, prerelease, widening: numbers.firstIndex { $0 != 0 } ?? numbers.count - 1)
        case .near, .approximately: return span(from: numbers, prerelease, widening: min(numbers.count, 2) - 1)
        }
    }

    /// `*`, `1`, `1.x`, `1.2`, `1.2.3-rc.1`: the numbers that are given.
    private static func partial(_ text: Substring) -> ([Int], [String])? {
        if let full = SemanticVersion(parsing: String(text)) { return ([full.major, full.minor, full.patch], full.prerelease) }
        var parts = (text.first == "v" ? text.dropFirst() : text).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 3 else { return nil }
        while let last = parts.last, last == "x" || last == "X" || last == "*" { parts.removeLast() }
        let numbers = parts.compactMap(SemanticVersion.number)
        guard numbers.count == parts.count, numbers.count < 3 else { return nil }
        return (numbers, [])
    }

    private static func version(_ numbers: [Int], _ prerelease: [String]) -> SemanticVersion {
        let filled = numbers + Array(repeating: 0, count: 3 - numbers.count)
        return SemanticVersion(filled[0], filled[1], filled[2], prerelease)
    }

    private static func next(_ numbers: [Int]) -> [Int] { numbers.dropLast() + numbers.suffix(1).map { $0 + 1 } }

    /// `-0` is the lowest prerelease: with it as the bound, no prerelease of the bound is below.
    private static func below(_ numbers: [Int], _ prerelease: [String]) -> Bound {
        Bound(relation: .less, version: version(numbers, prerelease.isEmpty ? ["0"] : prerelease))
    }

    private static func span(from numbers: [Int], _ prerelease: [String], widening place: Int) -> [Bound] {
        [Bound(relation: .greaterOrEqual, version: version(numbers, prerelease)), below(next(Array(numbers[...place])), [])]
    }
}

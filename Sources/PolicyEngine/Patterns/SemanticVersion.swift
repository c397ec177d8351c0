/// A version by Semantic Versioning 2.0.0, with an optional leading `v`.
public struct SemanticVersion: Sendable, Hashable, Comparable {
    public let major: Int
    public let minor: Int
    public let patch: Int
    public let prerelease: [String]

    /// `nil` where the text is no version. Build metadata (`+…`, never in a tag) is read and ignored.
    public init?(parsing text: String) {
        var rest = Substring(text)
        if rest.first == "v" { rest = rest.dropFirst() }
        if let plus = rest.firstIndex(of: "+") { rest = rest[..<plus] }
        var identifiers: [String] = []
        if let dash = rest.firstIndex(of: "-") {
            identifiers = rest[rest.index(after: dash)...].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            rest = rest[..<dash]
        }
        let numbers = rest.split(separator: ".", omittingEmptySubsequences: false).map(Self.number)
        guard numbers.count == 3, let major = numbers[0], let minor = numbers[1], let patch = numbers[2],
            identifiers.allSatisfy(Self.isIdentifier)
        else { return nil }
        self.init(major, minor, patch, identifiers)
    }

    init(_ major: Int, _ minor: Int, _ patch: Int, _ prerelease: [String] = []) {
        self.major = major
        self.minor = minor
        self.patch = patch
        self.prerelease = prerelease
    }

    public var isPrerelease: Bool { !prerelease.isEmpty }

    /// SemVer §11.
    public static func < (lhs: SemanticVersion, rhs: SemanticVersion) -> Bool {
        let left = (lhs.major, lhs.minor, lhs.patch)
        let right = (rhs.major, rhs.minor, rhs.patch)
        if left != right { return left < right }
        if lhs.prerelease.isEmpty || rhs.prerelease.isEmpty { return !lhs.prerelease.isEmpty && rhs.prerelease.isEmpty }
        for (one, other) in zip(lhs.prerelease, rhs.prerelease) where one != other {
            switch (Int(one), Int(other)) {
            case (let a?, let b?): return a < b
            case (_?, nil): return true
            case (nil, _?): return false
            case (nil, nil): return one < other
            }
        }
        return lhs.prerelease.count < rhs.prerelease.count
    }

    static func number(_ text: Substring) -> Int? {
        guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }), text == "0" || text.first != "0" else { return nil }
        return Int(text)
    }

    private static func isIdentifier(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 }) else {
            return false
        }
        let isNumeric = text.utf8.allSatisfy { (48...57).contains($0) }
        return !isNumeric || text == "0" || text.first != "0"
    }
}

/// A set of versions: `>=1.2.0 <2.0.0`, `^1.2`, `~1.4.0`, `1.x`, alternatives behind `||`.
public struct SemanticVersionRange: Sendable, Hashable, CustomStringConvertible {
    private struct Bound: Sendable, Hashable {
        enum Relation: String { case less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">=", equal = "=" }
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
            let words = part.split(separator: " ")
            guard !words.isEmpty else { return nil }
            var bounds: [Bound] = []
            for word in words {
                guard let parsed = Self.bounds(word) else { return nil }
                bounds += parsed
            }
            alternatives.append(bounds)
        }
        description = text
        self.alternatives = alternatives
    }

    public func contains(_ version: SemanticVersion) -> Bool {
        alternatives.contains { bounds in bounds.allSatisfy { $0.admits(version) } }
    }

    private static func bounds(_ word: Substring) -> [Bound]? {
        if word == "*" || word == "x" { return [] }
        for relation in [Bound.Relation.lessOrEqual, .greaterOrEqual, .less, .greater, .equal] where word.hasPrefix(relation.rawValue) {
            return SemanticVersion(parsing: String(word.dropFirst(relation.rawValue.count))).map { [Bound(relation: relation, version: $0)] }
        }
        if let prefix = word.first, prefix == "^" || prefix == "~" {
            guard let (numbers, prerelease) = partial(word.dropFirst()) else { return nil }
            return span(from: numbers, prerelease, widening: prefix == "^" ? caret(numbers) : min(numbers.count, 2) - 1)
        }
        if let exact = SemanticVersion(parsing: String(word)) { return [Bound(relation: .equal, version: exact)] }
        guard let (numbers, prerelease) = partial(word), numbers.count < 3 else { return nil }
        return span(from: numbers, prerelease, widening: numbers.count - 1)
    }

    /// `1`, `1.x`, `1.2`, `1.2.3-rc.1`: the numbers that are given.
    private static func partial(_ text: Substring) -> ([Int], [String])? {
        if let full = SemanticVersion(parsing: String(text)) { return ([full.major, full.minor, full.patch], full.prerelease) }
        var parts = (text.first == "v" ? text.dropFirst() : text).split(separator: ".", omittingEmptySubsequences: false)
        while let last = parts.last, last == "x" || last == "*" { parts.removeLast() }
        let numbers = parts.map(SemanticVersion.number)
        guard (1...2).contains(numbers.count), numbers.allSatisfy({ $0 != nil }) else { return nil }
        return (numbers.compactMap(\.self), [])
    }

    /// The place that may not change under `^`: the first that is not zero.
    private static func caret(_ numbers: [Int]) -> Int { numbers.firstIndex { $0 != 0 } ?? numbers.count - 1 }

    private static func span(from numbers: [Int], _ prerelease: [String], widening place: Int) -> [Bound] {
        let lower = numbers + Array(repeating: 0, count: 3 - numbers.count)
        var upper = lower
        upper[place] += 1
        for index in (place + 1)..<3 where place < 2 { upper[index] = 0 }
        return [
            Bound(relation: .greaterOrEqual, version: SemanticVersion(lower[0], lower[1], lower[2], prerelease)),
            // `-0` is the lowest prerelease: 2.0.0-rc.1 is not below 2.0.0 in a range.
            Bound(relation: .less, version: SemanticVersion(upper[0], upper[1], upper[2], ["0"])),
        ]
    }
}

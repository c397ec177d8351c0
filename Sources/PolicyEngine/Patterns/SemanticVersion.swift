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
        if let plus = rest.firstIndex(of: "+") {
            let build = rest[rest.index(after: plus)...].split(separator: ".", omittingEmptySubsequences: false)
            guard build.allSatisfy(Self.isWord) else { return nil }
            rest = rest[..<plus]
        }
        var identifiers: [Substring] = []
        if let dash = rest.firstIndex(of: "-") {
            identifiers = rest[rest.index(after: dash)...].split(separator: ".", omittingEmptySubsequences: false)
            rest = rest[..<dash]
        }
        let numbers = rest.split(separator: ".", omittingEmptySubsequences: false).map(Self.number)
        guard numbers.count == 3, let major = numbers[0], let minor = numbers[1], let patch = numbers[2],
            identifiers.allSatisfy(Self.isIdentifier)
        else { return nil }
        self.init(major, minor, patch, identifiers.map(String.init))
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
            switch (isNumeric(one), isNumeric(other)) {
            // Without leading zeros, the longer number is the larger one, however long both are.
            case (true, true): return (one.utf8.count, one) < (other.utf8.count, other)
            case (true, false): return true
            case (false, true): return false
            case (false, false): return one < other
            }
        }
        return lhs.prerelease.count < rhs.prerelease.count
    }

    /// A number without leading zeros; 18 digits hold any date with time, and their successor still fits.
    static func number(_ text: Substring) -> Int? {
        guard (1...18).contains(text.utf8.count), isNumeric(text), text == "0" || text.first != "0" else { return nil }
        return Int(text)
    }

    private static func isNumeric(_ text: some StringProtocol) -> Bool { text.utf8.allSatisfy { (48...57).contains($0) } }

    private static func isWord(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 45 }
    }

    private static func isIdentifier(_ text: Substring) -> Bool { isWord(text) && (!isNumeric(text) || text == "0" || text.first != "0") }
}

/// What became of another tool's files: a folder of ours, and every line that has no place in it.
public struct ImportedFolder: Sendable, Hashable {
    /// A line of the other tool's files, and what to know about it.
    public struct Remark: Sendable, Hashable, CustomStringConvertible {
        public let file: String
        public let line: Int
        public let text: String

        public var description: String { "\(file):\(line): \(text)" }
    }

    /// Files by their names: `environments.yaml`, a file for each policy, and `promotions.sh` where single digests are named.
    public let files: [String: String]
    /// In the order of the lines.
    public let remarks: [Remark]
}

/// Why another tool's file can't be read at all.
public struct ImportError: Error, Hashable, CustomStringConvertible {
    public let description: String
}

/// A registry as the other tool names it: host, and what stands before images' names.
struct ImportedPlace: Hashable {
    var host: String
    var prefix: String
    var plainHTTP = false

    /// Docker Hub's names are short for its registry's.
    var url: String { "\(plainHTTP ? "http" : "https")://\(host == "docker.io" ? "registry-1.docker.io" : host)" }
    var template: String { prefix.isEmpty ? "{image}" : "\(prefix)/{image}" }
}

/// One allowed step, as far as a policy can say it.
struct ImportedRule: Hashable {
    var file: String
    var line: Int
    var from: ImportedPlace
    /// All of them are reached by one promotion.
    var to: [ImportedPlace]
    var images: [String]
    var tags: [String] = []
    var exclude: [String] = []
    var semver: String?
    var target: [String] = []
    /// Whether a tag that is there may not move.
    var keepsTags = false
    /// nil: all.
    var referrers: [String]?
    /// Evidence without which the gate stays closed.
    var evidence: [String] = []
    var note: String?

    /// One rule that allows what either does; nil where they differ in more than patterns over tags.
    func joined(with other: ImportedRule) -> ImportedRule? {
        guard images == other.images, !tags.isEmpty, !other.tags.isEmpty, exclude.isEmpty, other.exclude.isEmpty, semver == nil, other.semver == nil,
            target == other.target, keepsTags == other.keepsTags, referrers == other.referrers, evidence == other.evidence
        else { return nil }
        var rule = self
        rule.tags += other.tags.filter { !tags.contains($0) }
        return rule
    }
}

/// One digest that the other tool was told to bring: a request, not a rule.
struct ImportedRequest: Hashable {
    var file: String
    var line: Int
    var from: ImportedPlace
    var to: [ImportedPlace]
    var image: String
    var digest: String
    var tags: [String]
}

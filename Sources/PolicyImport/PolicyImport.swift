import PolicyEngine
import Yams

/// Files of other tools that copy images.
public enum ImportFormat: String, Sendable, CaseIterable {
    /// kubernetes-sigs/promo-tools: promoter manifests and lists of images.
    case kpromo
    /// regclient's regsync.
    case regsync
    /// `skopeo sync`.
    case skopeoSync = "skopeo-sync"
    /// Harbor's replication policies, as its API gives them.
    case harbor
}

/// What a format does not say itself.
public struct ImportOptions: Sendable {
    /// How the two environments are called where there are only two.
    public var from = "staging"
    public var to = "production"
    /// `skopeo sync`: the destination on its command line, `registry.example.com/mirror`.
    public var target: String?
    /// `skopeo sync --scoped`.
    public var isScoped = false
    /// Harbor: the address of the Harbor that the policies are of.
    public var local: String?

    public init() {}
}

/// Reads other tools' files.
public enum PolicyImport {
    /// Turns files into a folder of ours.
    ///
    /// - Parameter files: names and texts, in the order in which they are to be read.
    /// - Throws: ``ImportError`` where a file can't be read, or something is missing that no file says.
    public static func folder(_ format: ImportFormat, files: [(name: String, text: String)], options: ImportOptions = ImportOptions()) throws(ImportError) -> ImportedFolder {
        var rules: [ImportedRule] = []
        var requests: [ImportedRequest] = []
        var remarks: [ImportedFolder.Remark] = []
        var kpromo = KpromoReader()
        for file in files {
            var session = ImportSession(file: file.name)
            let root = try ImportSession.root(file.name, file.text)
            switch format {
            case .kpromo: kpromo.read(root, &session)
            case .regsync: RegsyncReader.read(root, &session)
            case .skopeoSync: try SkopeoSyncReader(options: options).read(root, &session)
            case .harbor: try HarborReader(options: options).read(root, &session)
            }
            let found = session.finished()
            rules += found.rules
            requests += found.requests
            remarks += found.remarks
        }
        if format == .kpromo {
            let found = try kpromo.finished()
            rules += found.rules
            requests += found.requests
            remarks += found.remarks
        }
        guard !rules.isEmpty || !requests.isEmpty else {
            throw ImportError(description: "nothing in these files can be said as a policy" + remarks.map { "\n  \($0)" }.joined())
        }
        rules = union(of: rules, &remarks)
        let places = Dictionary(files.enumerated().map { ($1.name, $0) }) { first, _ in first }
        remarks = remarks.enumerated().sorted { left, right in
            let (a, b) = (left.element, right.element)
            return (places[a.file] ?? 0, a.line, left.offset) < (places[b.file] ?? 0, b.line, right.offset)
        }.map(\.element)
        let writer = FolderWriter(rules: rules, requests: requests, names: (options.from, options.to), tool: format.rawValue)
        return ImportedFolder(files: writer.files(), remarks: remarks)
    }

    /// Other tools do what any of their entries says; here all policies that match must agree. Entries for the same images that differ only in
    /// their tags become one; of others that meet, it is said.
    private static func union(of rules: [ImportedRule], _ remarks: inout [ImportedFolder.Remark]) -> [ImportedRule] {
        var result: [ImportedRule] = []
        for rule in rules {
            guard let index = result.firstIndex(where: { $0.from == rule.from && $0.to == rule.to && meet($0.images, rule.images) }) else {
                result.append(rule)
                continue
            }
            if let merged = result[index].joined(with: rule) {
                result[index] = merged
            } else {
                remarks.append(
                    ImportedFolder.Remark(
                        file: rule.file, line: rule.line,
                        text: "for some images line \(result[index].line) speaks too; either was enough, here both policies must agree: make one of them"))
                result.append(rule)
            }
        }
        return result
    }

    /// Whether an image may be named by both.
    private static func meet(_ left: [String], _ right: [String]) -> Bool {
        func isOpen(_ pattern: String) -> Bool { pattern.hasPrefix("regex:") || pattern.contains("*") || pattern.contains("?") }
        return left.contains { a in
            right.contains { b in
                if a.hasPrefix("!") || b.hasPrefix("!") { return false }
                if isOpen(a), isOpen(b) { return true }
                let (pattern, name) = isOpen(a) ? (a, b) : (b, a)
                guard isOpen(pattern) else { return pattern == name }
                do { return try TextPattern(parsing: pattern).matches(name) } catch { return true }
            }
        }
    }
}
